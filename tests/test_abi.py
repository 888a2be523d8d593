"""The binary interface is the one that is kept in tests/abi, and the shared library
is linked as its hosts rely on."""

import re

import pytest

import abi
from conftest import LIBRARY, ROOT, run

HEADER = abi.HEADER.read_text()
# What `abidiff` answers, of which several may be set.
WRONG_USE, CHANGED, INCOMPATIBLE = 2, 4, 8


def compare(header, folder, expect):
    abi.describe(header, folder / "now.abi")
    return run(["abidiff", abi.KEPT, folder / "now.abi"], expect=expect).stdout


def test_the_interface_is_what_it_was(tmp_path):
    """If the change is meant, run `make abi`; if it breaks programs, raise crates/ffi/ABI."""
    assert compare(HEADER, tmp_path, 0) == ""


def test_every_function_is_described():
    described = re.findall(r"<function-decl name='(mv_\w+)'", abi.KEPT.read_text())
    assert sorted(described) == (ROOT / "tests/abi/symbols.txt").read_text().split()


# What is changed in the header, into what, whether programs break, and what is said.
CHANGES = {
    "a struct that is shorter": ("char message[252]", "char message[124]", True, "mv_error"),
    "fields in another order": ("  const char *month;", "  const char *month, *other;", True, "mv_row"),
    "another argument": ("uint32_t timeout_ms", "uint64_t timeout_ms", True, "mv_flush"),
    "another answer": ("int32_t mv_status;", "int64_t mv_status;", True, "mv_open"),
    "a function that is gone": ("const char *mv_version(void);", "", True, "mv_version"),
    "a callback with another argument": ("int32_t level, const char *line", "int64_t level, const char *line", True, "mv_log_fn"),
    "a new function": ("const char *mv_version(void);", "const char *mv_version(void);\nint mv_more(void);", False, "mv_more"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_control_a_change_is_found(name, tmp_path):
    before, after, breaks, word = CHANGES[name]
    assert HEADER.count(before) == 1
    abi.describe(HEADER.replace(before, after), tmp_path / "now.abi")
    command = ["abidiff", abi.KEPT, tmp_path / "now.abi"]
    said = run(command, expect=CHANGED | INCOMPATIBLE if breaks and after == "" else CHANGED).stdout
    assert word in said
    # A layout that changes is for people to judge; what is added is said to be that.
    assert ("1 Added function" in said) == (not breaks)


def dynamic(tag):
    """The values of a tag in the dynamic section."""
    lines = run(["readelf", "--dynamic", "--wide", LIBRARY]).stdout
    return re.findall(rf"\({tag}\)\s+(?:.*?\[(.*)\]|(.*))", lines)


def test_it_needs_the_libraries_of_the_system_alone():
    """A host has nothing to install beside it."""
    needed = [name for name, _ in dynamic("NEEDED")]
    loader = [name for name in needed if name.startswith("ld-linux")]
    assert sorted(set(needed) - set(loader)) == ["libc.so.6", "libgcc_s.so.1"]
    assert len(loader) <= 1


def test_name_and_flags_are_those_that_hosts_rely_on():
    assert dynamic("SONAME") == [(abi.SONAME, "")]
    flags = dynamic("FLAGS_1")[0][1].split()
    # Never unmapped, as its threads may still run; and all symbols looked up at
    # the start, as a login must not wait for that, and so that tables stay closed.
    assert "NODELETE" in flags and "NOW" in flags
    for tag in ["RPATH", "RUNPATH", "TEXTREL"]:
        assert dynamic(tag) == []


def segments(library):
    """The permissions of each segment of a file, by its type."""
    lines = run(["readelf", "--program-headers", "--wide", library]).stdout
    found = {}
    for kind, flags in re.findall(r"^  (\w+) +(?:0x\w+ +){5}([RWE ]{3}) ", lines, re.M):
        found.setdefault(kind, set()).add(flags.replace(" ", ""))
    return found


def test_nothing_can_be_both_written_and_run():
    found = segments(LIBRARY)
    assert found["GNU_STACK"] == {"RW"}
    assert found["GNU_RELRO"] == {"R"}
    assert found["LOAD"] == {"R", "RE", "RW"}


def test_control_a_stack_that_runs_code_is_seen(tmp_path):
    source = tmp_path / "stack.c"
    source.write_text("int one(void) { return 1; }\n")
    run(["cc", "-shared", "-fPIC", "-z", "execstack", "-z", "norelro", source, "-o", tmp_path / "stack.so"])
    found = segments(tmp_path / "stack.so")
    assert found["GNU_STACK"] == {"RWE"} and "GNU_RELRO" not in found
