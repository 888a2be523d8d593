"""How many instructions a login takes on the host's side, as callgrind counts
them: those that bench/instructions.txt says, within a tolerance.

Unlike times they are the same on a busy machine and on an idle one. They do
depend on the version of rustc and, by what the C library finds in the
processor, a little on the machine: hence the tolerance. `make
bench-instructions` writes the file, after a change that is meant to change them."""

import os
import re

import pytest

from conftest import ROOT, run

RECORDED = ROOT / "bench/instructions.txt"
LOGINS = 20_000
TOLERANCE = 0.10
KINDS = ["repeat", "first"]


@pytest.fixture(scope="module")
def count(build, library_env, tmp_path_factory):
    """Counts the instructions of one login, within `mv_record` alone: what other
    threads do meanwhile is not in it."""

    def count(kind):
        output = tmp_path_factory.mktemp("callgrind") / kind
        program = build(ROOT / "bench/instructions.c", flags=["-std=gnu11", f"-I{ROOT / 'bench'}"])
        callgrind = ["valgrind", "--tool=callgrind", "--toggle-collect=mv_record", f"--callgrind-out-file={output}"]
        run([*callgrind, program, kind, LOGINS, ROOT / "bench/patterns.txt"], env=library_env)
        return round(int(re.search(r"^totals: (\d+)$", output.read_text(), re.MULTILINE)[1]) / LOGINS)

    return count


def test_a_login_takes_the_instructions_that_are_written_down(count):
    found = {kind: count(kind) for kind in KINDS}
    if os.environ.get("MV_WRITE_INSTRUCTIONS"):
        lines = ["# Instructions of one login within mv_record. Written by `make bench-instructions`."]
        lines += [f"{kind} {number}" for kind, number in found.items()]
        RECORDED.write_text("\n".join(lines) + "\n")
    lines = [line.split() for line in RECORDED.read_text().splitlines() if not line.startswith("#")]
    recorded = {kind: int(number) for kind, number in lines}
    assert recorded.keys() == found.keys()
    for kind, expected in recorded.items():
        assert found[kind] > 100, f"{kind}: nothing was counted"
        assert abs(found[kind] - expected) <= TOLERANCE * expected, (
            f"{kind}: {found[kind]} instructions instead of {expected}; if that is meant, run `make bench-instructions`"
        )
