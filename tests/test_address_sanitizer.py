"""All programs in C, and the examples, with the address sanitizer in the library
and in the programs, and the one for undefined behaviour in the programs."""

import os

import pytest

import sanitized
from conftest import run

# These run here with the fixtures of this module.
from test_c import arguments, test_program  # noqa: F401
from test_examples import example, test_errors, test_record_and_report, test_server, test_threads  # noqa: F401

FLAGS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]


@pytest.fixture(scope="module")
def library():
    return sanitized.build_library("address")


@pytest.fixture(scope="module")
def work(tmp_path_factory, library):
    return sanitized.installed(tmp_path_factory.mktemp("address"), library)


@pytest.fixture(scope="module")
def library_env(work):
    options = f"exitcode={sanitized.FOUND}:detect_stack_use_after_return=1:strict_string_checks=1"
    return {**os.environ, "LD_LIBRARY_PATH": str(work), "ASAN_OPTIONS": options, "UBSAN_OPTIONS": f"exitcode={sanitized.FOUND}"}


@pytest.fixture(scope="module")
def build(work, library):
    return sanitized.builder(work, library, FLAGS, "asan")


@pytest.fixture
def runner():
    return []


# A body of `main`, and what must be said of it.
FAULTS = {
    "an overrun in the library": ("return mv_fault_overrun((size_t)argc);", ["heap-buffer-overflow", "fault_test.rs"]),
    "an overrun in C": ("char *text = calloc((size_t)argc, 1); return text[argc];", ["heap-buffer-overflow", "in main"]),
    "a leak of what is the library's": ("mv_config_new(); return 0;", ["LeakSanitizer", "mv_config_new"]),
    "use of what was freed": (
        "const mv_counter *counter = mv_new(); mv_free(counter); return mv_flush(counter, 0, NULL);",
        ["heap-use-after-free", "mv_flush"],
    ),
    "a string that does not end": (
        "char *text = malloc(4); memset(text, 'x', 4); return mv_record_login(text, NULL, NULL);",
        ["heap-buffer-overflow", "strlen"],
    ),
    "an error of the caller's that is too small": (
        "mv_error *error = malloc(8); return mv_close(mv_default(), error);",
        ["heap-buffer-overflow", "mv_close"],
    ),
    "undefined arithmetic in C": ("return argc + 2147483647;", ["signed integer overflow"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_control_a_fault_is_found(name, build, library_env, tmp_path):
    body, words = FAULTS[name]
    lines = (
        "#include <stdlib.h>\n#include <string.h>\n"
        "extern unsigned char mv_fault_overrun(size_t size);\n"
        f"int main(int argc, char **argv) {{ (void)argc, (void)argv; {body} }}\n"
    )
    said = sanitized.said_of(build, tmp_path / f"fault-{list(FAULTS).index(name)}.c", lines, library_env)
    for word in words:
        assert word in said
