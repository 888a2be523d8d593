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


@pytest.mark.skipif(not os.environ.get("MV_WRITE_INSTRUCTIONS"), reason="`make bench-instructions` asks for it")
def test_writes_the_numbers_down(count):
    lines = ["# Instructions of one login within mv_record. Written by `make bench-instructions`."]
    lines += [f"{kind} {count(kind)}" for kind in KINDS]
    RECORDED.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("kind", KINDS)
def test_a_login_takes_the_instructions_that_are_written_down(count, kind):
    recorded = dict(line.split() for line in RECORDED.read_text().splitlines() if not line.startswith("#"))
    found, expected = count(kind), int(recorded[kind])
    assert found > 100, "nothing was counted"
    assert abs(found - expected) <= TOLERANCE * expected, (
        f"{kind}: {found} instructions instead of {expected}; if that is meant, run `make bench-instructions`"
    )
