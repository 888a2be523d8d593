"""Programs with several threads, with the thread sanitizer in the library, in the
standard library of Rust below it, and in the programs. Nothing is suppressed."""

import os

import pytest

import sanitized
from conftest import ROOT, run

# These run here with the fixtures of this module.
from test_c import arguments  # noqa: F401
from test_examples import example, test_server, test_threads  # noqa: F401

PROGRAMS = ["counting", "dlopen", "everything", "locked", "log", "reload", "report", "threads"]


@pytest.fixture(scope="module")
def library():
    compiler = sanitized.COMPILER / "bin/rustc"
    assert compiler.exists(), f"{compiler} is not there: run tests/setup"
    libraries = next(sanitized.COMPILER.glob("lib/*-linux-gnu"))
    return sanitized.build_library(
        "thread", "-Zbuild-std=std,panic_unwind", RUSTC=str(compiler), LD_LIBRARY_PATH=str(libraries)
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory, library):
    return sanitized.installed(tmp_path_factory.mktemp("thread"), library)


@pytest.fixture(scope="module")
def library_env(work):
    # After a report the program goes on, and ends with this status.
    return {**os.environ, "LD_LIBRARY_PATH": str(work), "TSAN_OPTIONS": f"exitcode={sanitized.FOUND}:second_deadlock_stack=1"}


@pytest.fixture(scope="module")
def build(work, library):
    return sanitized.builder(work, library, ["-fsanitize=thread"], "tsan")


@pytest.fixture
def runner():
    return []


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, build, library_env, arguments):  # noqa: F811
    run([build(ROOT / f"tests/c/{name}.c"), *arguments(name)], env=library_env)


# What two threads do at once, and what must be said of it.
RACES = {
    "in the library": ("mv_fault_race();", ["data race", "mv_fault_race"]),
    "in C": ("number++;", ["data race", "number"]),
    "settings that two threads change": ('mv_config_set(config, "host", "x", NULL);', ["data race", "mv_config_set"]),
}


@pytest.mark.parametrize("name", RACES)
def test_control_a_race_is_found(name, build, library_env, tmp_path):
    body, words = RACES[name]
    lines = (
        "#include <pthread.h>\n"
        "extern void mv_fault_race(void);\nint number;\nmv_config *config;\n"
        f"static void *race(void *none) {{ int i; for (i = 0; i < 1000; i++) {{ {body} }} return none; }}\n"
        "int main(void) {\n  pthread_t threads[2];\n  config = mv_config_new();\n"
        "  return pthread_create(&threads[0], NULL, race, NULL) | pthread_create(&threads[1], NULL, race, NULL)\n"
        "         | pthread_join(threads[0], NULL) | pthread_join(threads[1], NULL);\n}\n"
    )
    said = sanitized.said_of(build, tmp_path / f"race-{list(RACES).index(name)}.c", lines, library_env)
    for word in words:
        assert word in said
