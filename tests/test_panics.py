"""A panic inside the library: a status, and nothing more. Forced by a feature
that the shipped library does not have."""

import shutil

import pytest

from conftest import ABI, LIBRARY, ROOT, TARGET, VALGRIND, run

# They only hand out what is there, allocate or free: nothing in them can panic.
CANNOT_PANIC = {
    "mv_config_free",
    "mv_config_new",
    "mv_default",
    "mv_new",
    "mv_report_free",
    "mv_report_len",
    "mv_report_row",
    "mv_strerror",
    "mv_version",
}


@pytest.fixture(scope="module")
def panicking(tmp_path_factory):
    """A folder with a library that panics when it is told to."""
    folder = tmp_path_factory.mktemp("panicking")
    run(["cargo", "build", "-q", "--locked", "-p", "monthly-visitors-ffi", "--features", "panic-test"], cwd=ROOT)
    shutil.copy(TARGET / "debug/libmonthly_visitors.so", folder / f"libmonthly_visitors.so.{ABI}")
    (folder / "libmonthly_visitors.so").symlink_to(f"libmonthly_visitors.so.{ABI}")
    return folder


@pytest.mark.parametrize("valgrind", [False, True])
def test_a_panic_in_each_function_is_a_status_and_breaks_one_counter(valgrind, panicking, build, library_env, tmp_path):
    program = build(ROOT / "tests/c/tools/panics.c", flags=[f"-L{panicking}"])
    env = {**library_env, "LD_LIBRARY_PATH": str(panicking), "RUST_BACKTRACE": "full"}
    done = run([*(VALGRIND if valgrind else []), program, tmp_path], env=env)
    assert done.stderr == ""
    every = set((ROOT / "tests/abi/symbols.txt").read_text().split())
    assert set(done.stdout.split()) == every - CANNOT_PANIC


def test_the_shipped_library_cannot_be_made_to_panic(panicking):
    symbols = run(["nm", "-D", "--defined-only", panicking / "libmonthly_visitors.so"]).stdout
    assert "mv_panic_next" in symbols, "the control"
    assert b"mv_panic_next" in (panicking / "libmonthly_visitors.so").read_bytes()
    assert b"mv_panic_next" not in LIBRARY.read_bytes()
    assert b"canary" not in LIBRARY.read_bytes()
    assert b"mv_fault" not in LIBRARY.read_bytes()
