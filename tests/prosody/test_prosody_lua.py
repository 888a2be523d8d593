"""The Lua module on every Lua: two bindings, the same results."""

import os
import re

import pytest

from .server import HERE, ROOT, TARGET, make, run

LUAS = ["lua5.1", "lua5.3", "lua5.4", "luajit"]
PLUGIN = ROOT / "plugins/prosody"


@pytest.fixture(scope="session")
def output(libraries, places, tmp_path_factory):
    """Runs a script on a Lua with the binding that is made for it."""

    def output(lua, script, *arguments):
        make("prosody", f"LUA={lua}")
        folder = tmp_path_factory.mktemp("lua")
        env = {
            **os.environ,
            "LD_LIBRARY_PATH": str(libraries),
            "LUA_PATH": f"{PLUGIN}/?.lua",
            "LUA_CPATH": f"{TARGET}/prosody/{lua}/?.so",
        }
        (folder / "localhost").mkdir()
        return run([lua, HERE / script, *(str(x).replace("FOLDER", str(folder)) for x in arguments)], env=env).stdout

    return output


@pytest.mark.parametrize("lua", LUAS)
def test_every_function_answers_the_same_on_every_lua(output, places, lua):
    arguments = ["FOLDER", places, ROOT / "include/monthly_visitors.h", PLUGIN / "monthly_visitors_ffi.lua"]
    found = output(lua, "binding.lua", *arguments)
    assert re.search(r"^[1-9]\d+ checks, 0 failures$", found, re.M), found
    assert found == output("lua5.4", "binding.lua", *arguments)


def test_luajit_takes_the_ffi_and_needs_nothing_compiled(libraries):
    def binding(lua, cpath):
        env = {**os.environ, "LD_LIBRARY_PATH": str(libraries), "LUA_PATH": f"{PLUGIN}/?.lua", "LUA_CPATH": cpath}
        return run([lua, "-e", 'print(require "monthly_visitors".binding)'], env=env).stdout.strip()

    make("prosody", "LUA=lua5.4")
    assert binding("luajit", "/nowhere/?.so") == "ffi"
    # Not even one for another Lua gets in its way.
    assert binding("luajit", f"{TARGET}/prosody/lua5.4/?.so") == "ffi"
    assert binding("lua5.4", f"{TARGET}/prosody/lua5.4/?.so") == "c"


@pytest.mark.parametrize("lua", LUAS)
def test_the_plugin_counts_on_every_lua(output, places, lua):
    found = output(lua, "policy.lua", PLUGIN, "FOLDER", places)
    assert (
        'return {\n\t["MONTH"] = {\n\t\t["client-?"] = 3;\n\t\t["client-IOS"] = 1;\n\t\t["client-OTHER"] = 1;\n'
        '\t\t["geo-?-?-?"] = 2;\n\t\t["geo-DE-HE-2925533"] = 2;\n\t\t["geo-GB-ENG-2643743"] = 1;\n\t};\n};\n'
    ) in found, found
    marked = dict(re.findall(r"^(\w+)\t(true|false)$", found, re.M))
    assert marked == {
        "juliet": "true",
        "romeo": "false",
        "nurse": "true",
        "paris": "true",
        "tybalt": "true",
        "benvolio": "false",
        "late": "false",
    }
    log = [line for line in found.splitlines() if re.match("info|warn|error", line)]
    assert log[0] == "info Visitors are counted in prosody:FOLDER/localhost"
    assert log[-1] == "error The options stay as they were: pattern_syntax: must be lua or regex"
    assert log[1:-1] == ["warn Not counted: user is not a text"]


def test_where_the_library_has_no_log_the_plugin_says_that_the_store_fails(libraries, places, tmp_path):
    (tmp_path / "localhost").mkdir()
    env = {**os.environ, "LD_LIBRARY_PATH": str(libraries), "LUA_PATH": f"{PLUGIN}/?.lua", "LUA_CPATH": "/nowhere/?.so"}
    found = run(["luajit", HERE / "policy.lua", PLUGIN, tmp_path, places, "blocked"], env=env).stdout
    assert found.splitlines() == [
        "error The store is not written: visits wait in memory",
        "info The store is written again",
    ]


def test_the_name_of_the_library_is_that_of_its_abi():
    abi = (ROOT / "crates/ffi/ABI").read_text().strip()
    assert f'ffi.load("libmonthly_visitors.so.{abi}")' in (PLUGIN / "monthly_visitors_ffi.lua").read_text()


def test_an_uninstalled_plugin_leaves_nothing(tmp_path):
    for target in ("install-prosody", "uninstall-prosody"):
        make(target, f"DESTDIR={tmp_path}", "prefix=/usr")
        files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
        if target == "install-prosody":
            assert files == sorted([*(path.name for path in PLUGIN.glob("*.lua")), "lmonthly_visitors.so"])
        else:
            assert files == []
