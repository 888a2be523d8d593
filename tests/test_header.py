"""The header compiles alone, and the library exports what the list says."""

import re

import pytest

from conftest import ABI, LIBRARY, RELEASE, ROOT, WARNINGS, run

HEADER = ROOT / "include/monthly_visitors.h"


@pytest.mark.parametrize("command", [["cc", "-std=c99", "-x", "c"], ["g++", "-std=c++11", "-x", "c++"]])
def test_header_compiles_alone(command):
    run([*command, *WARNINGS, "-fsyntax-only", HEADER])


@pytest.mark.parametrize("compiler, standard, suffix", [("cc", "c99", "c"), ("g++", "c++11", "cc")])
def test_header_links(compiler, standard, suffix, tmp_path, library_env):
    source = tmp_path / f"first.{suffix}"
    source.write_text(
        "#include <monthly_visitors.h>\n#include <monthly_visitors.h>\n"
        "int main(void) { mv_error error; return mv_close(mv_default(), &error) == MV_ERR_CLOSED ? 0 : 1; }\n"
    )
    program = tmp_path / "first"
    run(
        [compiler, f"-std={standard}", *WARNINGS, f"-I{HEADER.parent}", source, "-o", program]
        + [f"-L{RELEASE}", "-lmonthly_visitors"]
    )
    run([program], env=library_env)


def exported():
    lines = run(["nm", "-D", "--defined-only", LIBRARY]).stdout.splitlines()
    return sorted(line.split()[-1].split("@")[0] for line in lines)


def test_symbols_are_those_of_the_list():
    """A symbol that goes or changes breaks programs: raise crates/ffi/ABI then."""
    listed = (ROOT / "tests/abi/symbols.txt").read_text().split()
    assert exported() == sorted(listed)
    assert all(name.startswith("mv_") for name in listed)


def test_header_declares_what_is_exported():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    assert sorted(set(re.findall(r"\b(mv_\w+)\(", text))) == exported()


def test_soname_carries_the_abi_number():
    dynamic = run(["objdump", "-p", LIBRARY]).stdout
    assert re.search(rf"SONAME\s+libmonthly_visitors\.so\.{ABI}\n", dynamic)
    assert "NODELETE" in run(["readelf", "-d", LIBRARY]).stdout


def test_version_is_that_of_the_package(tmp_path, build, library_env):
    source = tmp_path / "version.c"
    source.write_text("#include <stdio.h>\n#include <monthly_visitors.h>\nint main(void) { return puts(mv_version()) < 0; }\n")
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    assert run([build(source)], env=library_env).stdout == version + "\n"
