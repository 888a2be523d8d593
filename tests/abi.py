"""The binary interface, as libabigail describes it: a program keeps running with a
library whose description is the same. `make abi` writes the one that is kept.

What is described is a library with empty functions that is made of the header, as
a caller's compiler reads it: the types in Rust behind the handles are nobody's
business, and the header is compared with the Rust sources by a test of its own."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "include/monthly_visitors.h"
KEPT = ROOT / "tests/abi/monthly_visitors.abi"
SONAME = f"libmonthly_visitors.so.{(ROOT / 'crates/ffi/ABI').read_text().strip()}"
# Where it was made is not a part of it.
QUIET = ["--no-show-locs", "--no-comp-dir-path", "--no-corpus-path", "--no-architecture"]


def stub(header):
    """A source in C that defines what the header declares."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*|^#[^\n]*", "", header, flags=re.S | re.M)
    declared = re.findall(r"^[\w ]+[ *]mv_\w+\([^;{}]*\);", text, re.M)
    return "#include <monthly_visitors.h>\n" + "".join(f"{one[:-1]}\n{{\n  for (;;) {{}}\n}}\n" for one in declared)


def describe(header, output):
    """Writes the description of the interface that `header`, a text, declares."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "monthly_visitors.h").write_text(header)
        (folder / "stub.c").write_text(stub(header))
        library = folder / SONAME
        compiled = ["cc", "-std=c99", "-g", "-O0", "-w", "-shared", "-fPIC", f"-Wl,-soname,{SONAME}", "-I."]
        # From inside, so that no name of the folder gets into the description.
        subprocess.run([*compiled, "stub.c", "-o", library], cwd=folder, check=True)
        subprocess.run(["abidw", *QUIET, "--out-file", output, library], check=True)


if __name__ == "__main__":
    describe(HEADER.read_text(), KEPT)
    sys.stdout.write(f"{KEPT}\n")
