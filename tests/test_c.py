"""Every program in tests/c is built with all warnings as errors, run, and run
again under valgrind."""

import pytest

from conftest import ROOT, VALGRIND, run

PROGRAMS = sorted(path.stem for path in (ROOT / "tests/c").glob("*.c"))

# What valgrind is asked otherwise, and why.
ASKED_OTHERWISE = {
    # Ends while the writer runs: glibc's memory for that thread is "possibly lost".
    "dlopen": {"--errors-for-leak-kinds=definite,indirect,possible": "--errors-for-leak-kinds=definite,indirect"},
    # A child leaves what its parent had as it is, which looks like a leak there.
    "descriptors": {"--leak-check=full": "--leak-check=no"},
    "fork": {"--leak-check=full": "--leak-check=no"},
    "fork_asleep": {"--leak-check=full": "--leak-check=no"},
    "fork_forget": {"--leak-check=full": "--leak-check=no"},
    "fork_both": {"--leak-check=full": "--leak-check=no"},
    "fork_building": {"--leak-check=full": "--leak-check=no"},
    "surroundings": {"--leak-check=full": "--leak-check=no"},
    # Ends in the middle of its work, which is what it tests.
    "exiting": {"--leak-check=full": "--leak-check=no"},
}


@pytest.fixture
def arguments(tmp_path, sample, library):
    return lambda name: [tmp_path, sample] + ([library] if name == "dlopen" else [])


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, build, library_env, arguments):
    run([build(ROOT / f"tests/c/{name}.c"), *arguments(name)], env=library_env)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_under_valgrind(name, build, library_env, arguments):
    other = ASKED_OTHERWISE.get(name, {})
    valgrind = [other.get(part, part) for part in VALGRIND]
    program = build(ROOT / f"tests/c/{name}.c")
    run([*valgrind, program, *arguments(name)], env=library_env)


@pytest.mark.parametrize("name", ["hostile", "everything"])
def test_no_function_is_left_out(name, build, library_env, arguments):
    """These programs call each exported function, and say which."""
    called = run([build(ROOT / f"tests/c/{name}.c"), *arguments(name)], env=library_env).stdout
    assert sorted(set(called.split())) == (ROOT / "tests/abi/symbols.txt").read_text().split()


def test_a_leak_is_found(build, library_env, tmp_path):
    """The control: valgrind tells of settings that nobody frees."""
    source = tmp_path / "leak.c"
    source.write_text("#include <monthly_visitors.h>\nint main(void) { return mv_config_new() == 0; }\n")
    run([*VALGRIND, build(source)], expect=99, env=library_env)
