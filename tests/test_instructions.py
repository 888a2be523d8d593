"""How many instructions a login takes on the host's side, as callgrind counts
them: those that bench/instructions.txt says, within a tolerance.

Unlike times they are the same on a busy machine and on an idle one. They do
depend on the version of rustc and, by what the C library finds in the
processor, a little on the machine: hence the tolerance. `make
bench-instructions` writes the file, after a change that is meant to change them."""

import functools
import os
import re
from collections import Counter

import pytest

from conftest import ROOT, run

RECORDED = ROOT / "bench/instructions.txt"
LOGINS = 20_000
TOLERANCE = 0.10
KINDS = ["repeat", "first"]


@pytest.fixture(scope="module")
def profile(build, library_env, tmp_path_factory):
    """What callgrind says of many logins, within `mv_record` alone: what other
    threads do meanwhile is not in it."""

    @functools.cache
    def profile(kind):
        output = tmp_path_factory.mktemp("callgrind") / kind
        program = build(ROOT / "bench/instructions.c", flags=["-std=gnu11", f"-I{ROOT / 'bench'}"])
        callgrind = ["valgrind", "--tool=callgrind", "--toggle-collect=mv_record", f"--callgrind-out-file={output}"]
        run([*callgrind, program, kind, LOGINS, ROOT / "bench/patterns.txt"], env=library_env)
        return output.read_text()

    return profile


@pytest.fixture(scope="module")
def count(profile):
    """The instructions of one login."""
    return lambda kind: round(int(re.search(r"^totals: (\d+)$", profile(kind), re.MULTILINE)[1]) / LOGINS)


def costs(text):
    """The instructions within each function that is called. (Callgrind counts the
    calls themselves also outside of what it was told to look at.)"""
    names = dict(re.findall(r"^c?fn=(\(\d+\)) (.*)$", text, re.MULTILINE))
    calls = re.findall(r"^cfn=(\(\d+\)).*\ncalls=.*\n\S+ (\d+)$", text, re.MULTILINE)
    found = Counter()
    for name, cost in calls:
        found[names[name]] += int(cost)
    return found


WAITS_OR_ALLOCATES = re.compile("alloc|free|mmap|mutex|futex|lock_contended|condvar|syscall|pthread", re.IGNORECASE)


def test_a_repeated_login_allocates_nothing_and_waits_for_nobody(profile):
    spent = costs(profile("repeat"))
    assert sum(cost for name, cost in spent.items() if "strlen" in name) > LOGINS
    found = {name: cost for name, cost in spent.items() if WAITS_OR_ALLOCATES.search(name)}
    # Less than an instruction a login is that of the first one alone.
    assert {name for name, cost in found.items() if cost > LOGINS} == set()
    # The control: that one needs memory, and starts the writer.
    assert any("alloc" in name for name in found) and any("pthread_create" in name for name in found), found


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
