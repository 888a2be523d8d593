"""`make install` into a staging folder, a program compiled against it through
pkg-config, and `make uninstall`, which leaves nothing."""

import os
import re

import pytest

from conftest import ABI, ROOT, WARNINGS, run

PREFIXES = [{"prefix": "/usr/local"}, {"prefix": "/opt/mv", "libdir": "/opt/mv/lib/some-triplet"}]


def make(goal, stage, variables):
    assigned = [f"{name}={value}" for name, value in variables.items()]
    return run(["make", "-s", goal, f"DESTDIR={stage}", *assigned], cwd=ROOT)


def files(stage):
    return sorted(str(path.relative_to(stage)) for path in stage.rglob("*") if not path.is_dir())


@pytest.fixture(params=PREFIXES, ids=["usual", "own folders"])
def staged(request, tmp_path):
    stage = tmp_path / "stage"
    make("install", stage, request.param)
    return stage, request.param


def folder_of(variables):
    return variables.get("libdir", variables["prefix"] + "/lib")


def test_install_puts_everything_in_its_place(staged):
    stage, variables = staged
    prefix, lib = variables["prefix"].lstrip("/"), folder_of(variables).lstrip("/")
    found = files(stage)
    for path in [
        f"{prefix}/include/monthly_visitors.h",
        f"{lib}/libmonthly_visitors.so.{ABI}",
        f"{lib}/libmonthly_visitors.so",
        f"{lib}/libmonthly_visitors.a",
        f"{lib}/pkgconfig/monthly_visitors.pc",
        f"{prefix}/bin/monthly-visitors",
        f"{prefix}/share/man/man1/monthly-visitors.1",
    ]:
        assert path in found
    assert os.readlink(stage / lib / "libmonthly_visitors.so") == f"libmonthly_visitors.so.{ABI}"
    text = (stage / lib / "pkgconfig/monthly_visitors.pc").read_text()
    assert str(stage) not in text and f"prefix={variables['prefix']}\n" in text
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    assert f"Version: {version}\n" in text


@pytest.mark.parametrize("static", [False, True], ids=["shared", "static"])
def test_a_program_builds_against_what_is_installed(staged, static, tmp_path, settings):
    stage, variables = staged
    lib = stage / folder_of(variables).lstrip("/")
    env = {
        **os.environ,
        "PKG_CONFIG_LIBDIR": str(lib / "pkgconfig"),
        "PKG_CONFIG_SYSROOT_DIR": str(stage),
    }
    flags = run(["pkg-config", "--cflags", "--libs", *(["--static"] if static else []), "monthly_visitors"], env=env)
    flags = flags.stdout.split()
    if static:
        flags = [f"{lib}/libmonthly_visitors.a" if flag == "-lmonthly_visitors" else flag for flag in flags]
    program = tmp_path / "record"
    run(["cc", "-std=c99", *WARNINGS, ROOT / "c-examples/record.c", "-o", program, *flags])
    env = {**os.environ} if static else {**os.environ, "LD_LIBRARY_PATH": str(lib)}
    path = settings()
    assert ("libmonthly_visitors.so" in run(["ldd", program], env=env).stdout) is not static
    run([program, path, "juliet@example.net", "192.0.2.1", "Conversations.1"], env=env)
    assert any((tmp_path / "store").iterdir())


def test_uninstall_leaves_nothing(staged):
    stage, variables = staged
    # What belongs to others stays.
    other = stage / folder_of(variables).lstrip("/") / "libother.so"
    other.write_text("")
    make("uninstall", stage, variables)
    assert files(stage) == [str(other.relative_to(stage))]
