"""`ejabberdctl module_install` from a folder, and `make install-ejabberd`."""

import json
import os
import shutil
import subprocess

import pytest
from ejabberd_server import ROOT, TARGET, make, wait_for

SOURCES = ROOT / "plugins/ejabberd"


@pytest.fixture(scope="session")
def installed_library(tmp_path_factory, ejabberd_library):
    """Header, library and its file for pkg-config, as `make install` leaves them."""
    prefix = tmp_path_factory.mktemp("prefix")
    (prefix / "lib/pkgconfig").mkdir(parents=True)
    (prefix / "include").mkdir()
    shutil.copy(ROOT / "include/monthly_visitors.h", prefix / "include")
    for file in ejabberd_library.iterdir():
        (prefix / "lib" / file.name).symlink_to(file.resolve())
    pc = subprocess.run(
        ["make", "-s", "--no-print-directory", "-C", ROOT, "pc", f"prefix={prefix}"], capture_output=True, text=True, check=True
    )
    (prefix / "lib/pkgconfig/monthly_visitors.pc").write_text(pc.stdout)
    return prefix


@pytest.fixture
def server(ejabberd, installed_library, tmp_path):
    """A server with the sources of the module in its folder, and nothing in the path of Erlang."""
    server = ejabberd(options=False, plugin=None, distributed=True)
    sources = server.folder / "modules/sources/mod_monthly_visitors"
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("ebin", "priv"))
    # The server finds the library by what is written into the NIF.
    server.library = tmp_path
    server.env["PKG_CONFIG_PATH"] = str(installed_library / "lib/pkgconfig")
    return server


def test_module_install_ends_with_a_module_that_counts(server, month):
    server.start()
    server.register_admin()
    server.register("juliet")
    assert server.ctl("module_check", "mod_monthly_visitors")[0] == 0
    # That starts the module for a moment, which may or may not be long enough.
    checked = server.log().count("Counting visitors of localhost")
    status, text = server.ctl("module_install", "mod_monthly_visitors")
    assert status == 0, text
    server.wait_until_counting(times=checked + 1)
    server.tcp("192.0.2.1").login("juliet", resource="gajim")
    assert server.report(month) == {"geo-?-?-?": 1, "client-?": 1}
    # Nothing is deleted that nobody asked to delete.
    assert "retention_months" not in server.evaluate(
        'maps:keys(maps:filter(fun(_, V) -> V /= undefined end, gen_mod:get_module_opts(<<"localhost">>, mod_monthly_visitors))).'
    )
    # Gone and back again, with its code and what it counted.
    assert server.ctl("module_uninstall", "mod_monthly_visitors")[0] == 0
    assert server.rest("monthly_visitors_flush", {"host": "localhost"}, ("admin@localhost", "secret"))[0] in (400, 404)
    assert server.ctl("module_install", "mod_monthly_visitors")[0] == 0
    server.wait_until_counting(times=checked + 2)
    assert server.report(month) == {"geo-?-?-?": 1, "client-?": 1}
    assert not [line for line in server.our_log() if "[error]" in line or "[warning]" in line]


OPTIONS = {"clients": [{"pattern": "gajim", "category": "MINE"}]}


def log_in(server, user):
    server.register(user)
    server.tcp("192.0.2.1").login(user, resource="gajim").close()


def upgrade_goes_well(server, month, clients):
    """module_upgrade keeps counts and options, over the next start, too."""
    assert server.ctl("module_upgrade", "mod_monthly_visitors")[0] == 0
    log_in(server, "romeo")
    wait_for(lambda: server.report(month) == {"geo-?-?-?": 2, **clients(2)}, "the counts after the upgrade")
    server.stop()
    server.start()
    log_in(server, "tybalt")
    wait_for(lambda: server.report(month) == {"geo-?-?-?": 3, **clients(3)}, "the counts after a restart")


def uninstall_goes_well(server, take_out):
    """Options first, then the code: the server starts again, and knows no such command."""
    take_out()
    server.write_config()
    server.admin("reload_config")
    assert server.ctl("module_uninstall", "mod_monthly_visitors")[0] == 0
    assert not (server.folder / "modules/mod_monthly_visitors").exists()
    server.stop()
    server.start()
    status, answer = server.rest("monthly_visitors_flush", {"host": "localhost"}, ("admin@localhost", "secret"))
    assert status in (400, 404) and "unknown" in str(answer).lower() + "unknown" * (status == 404)


def test_upgrading_keeps_options_that_are_in_the_folder_for_them(server, month):
    server.start()
    server.register_admin()
    assert server.ctl("module_install", "mod_monthly_visitors")[0] == 0
    own = server.folder / "modules/conf/mod_monthly_visitors.yml"
    own.write_text(json.dumps({"modules": {"mod_monthly_visitors": OPTIONS}}))
    server.admin("reload_config")
    wait_for(lambda: "with the options of now" in server.log(), "the options")
    log_in(server, "juliet")
    upgrade_goes_well(server, month, lambda number: {"client-MINE": number})
    # Without the file, those that come with the module are read: it must be empty.
    uninstall_goes_well(server, lambda: own.write_text("{}"))


def test_upgrading_keeps_options_that_are_in_ejabberd_yml(server, month):
    """A file without modules, in the folder for them, takes the place of the one that comes with the module."""
    own = server.folder / "modules/conf/mod_monthly_visitors.yml"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    server.start()
    server.register_admin()
    assert server.ctl("module_install", "mod_monthly_visitors")[0] == 0
    server.set_options(OPTIONS)
    server.write_config()
    server.admin("reload_config")
    server.wait_until_counting(times=1)
    log_in(server, "juliet")
    upgrade_goes_well(server, month, lambda number: {"client-MINE": number})
    uninstall_goes_well(server, lambda: server.config["modules"].pop("mod_monthly_visitors"))


@pytest.mark.parametrize(
    "variable, value, missing",
    [
        ("CC", "/nowhere/cc", "a C compiler"),
        ("ERLANG_INCLUDE", "/nowhere", "erl_nif.h"),
        ("MV_CFLAGS", "-nostdinc", "monthly_visitors.h"),
        ("MV_LIBS", "-lno_such_library", "libmonthly_visitors.so"),
    ],
)
def test_module_install_says_what_building_lacks(server, variable, value, missing):
    server.env[variable] = value
    server.start()
    server.ctl("module_install", "mod_monthly_visitors")
    (line,) = wait_for(lambda: [line for line in server.our_log() if "[error]" in line], "the reason")
    assert "Not counting visitors of localhost: its C part was not built, for lack of" in line and missing in line
    # The node lives, and logins work.
    server.register("juliet")
    server.tcp("192.0.2.1").login("juliet").ping()


def test_module_install_without_make_says_so(server, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("erl", "sh", "dirname", "basename"):
        (tools / tool).symlink_to(shutil.which(tool))
    server.env["PATH"] = str(tools)
    server.start()
    server.ctl("module_install", "mod_monthly_visitors")
    (line,) = wait_for(lambda: [line for line in server.our_log() if "[error]" in line], "the reason")
    assert "its C part was not built" in line and "make" in line


def test_building_without_what_it_needs_says_so_where_it_is_built(tmp_path, installed_library):
    sources = tmp_path / "sources"
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("ebin", "priv"))
    env = {**os.environ, "PKG_CONFIG_PATH": str(installed_library / "lib/pkgconfig")}
    for variable, missing in [("CC=/nowhere/cc", "a C compiler"), ("ERLANG_INCLUDE=/nowhere", "erl_nif.h"), ("MV_LIBS=-lno_such", "libmonthly_visitors.so")]:
        done = subprocess.run(["make", "-C", sources / "c_src", variable], env=env, capture_output=True, text=True)
        assert done.returncode != 0 and missing in done.stderr, done.stderr
    for variable, missing in [("ejabberdincludedir=/nowhere", "ejabberd_commands.hrl"), ("ERLC=/nowhere/erlc", "erlc")]:
        done = subprocess.run(
            ["make", "-C", ROOT, "ejabberd", variable, f"TARGET={tmp_path}", f"BUILT={TARGET / 'release'}"], capture_output=True, text=True
        )
        assert done.returncode != 0 and missing in done.stderr, done.stderr


def test_what_is_installed_looks_for_the_library_where_this_call_says(tmp_path):
    arguments = [f"TARGET={tmp_path / 'target'}", f"BUILT={TARGET / 'release'}", f"DESTDIR={tmp_path / 'stage'}", "erllibdir=/lib/erlang"]
    make("ejabberd", *arguments)
    make("install-ejabberd", *arguments, "libdir=/opt/elsewhere")
    (installed,) = (tmp_path / "stage").rglob("monthly_visitors_nif.so")
    dynamic = subprocess.run(["readelf", "-d", installed], capture_output=True, text=True, check=True).stdout
    assert "[/opt/elsewhere]" in dynamic and "/usr/local/lib" not in dynamic


def test_make_install_puts_it_where_erlang_finds_it(ejabberd, ejabberd_library, tmp_path, month):
    stage = tmp_path / "stage"
    arguments = [f"TARGET={tmp_path / 'target'}", f"BUILT={TARGET / 'release'}", f"DESTDIR={stage}", "erllibdir=/lib/erlang"]
    make("install-ejabberd", *arguments)
    files = [path for path in stage.rglob("*") if path.is_file()]
    assert files and not any(os.fsencode(stage) in path.read_bytes() for path in files)
    server = ejabberd(plugin=None)
    server.libs.append(str(stage / "lib/erlang"))
    server.start()
    server.register_admin()
    server.register("juliet")
    server.wait_until_counting()
    server.tcp("192.0.2.1").login("juliet", resource="gajim")
    assert server.report(month) == {"geo-DE-HE-2925533": 1, "client-DESKTOP": 1}
    make("uninstall-ejabberd", *arguments)
    assert not [path for path in stage.rglob("*") if path.is_file()]
