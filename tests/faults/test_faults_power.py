"""A loss of power after any call that changes a file: whatever of the things
that were not synced is left, the store opens, and has all that a flush had told
to be written."""

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from conftest import ROOT, run

from .book import Book
from .disk import Disk
from .test_faults_kills import SEED, STORES, Case, places, programs  # noqa: F401: fixtures

# So many states of the disk for each store, in all.
STATES = int(os.environ.get("STATES", 500))
STEPS = 150
# States that are drawn of one run of the host.
OF_A_RUN = 100


def lines_of(case, log):
    """What a run does to its files, line by line."""
    command = [case.schedule, case.settings, case.kind, case.chance.getrandbits(60)]
    command += [case.book.time, case.book.next, case.folder, STEPS, log]
    run(command, env=case.env)
    return log.read_text().splitlines()


def restore(folder, left):
    """Makes the folder what the disk has."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    for path, data in sorted(left.items()):
        if data is None:
            Path(path).mkdir()
        else:
            Path(path).write_bytes(data)


@pytest.fixture
def memory(tmp_path):
    """A folder in memory, if the system has one: there, syncing costs nothing,
    and what it would keep is up to `Disk`."""
    there = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="mv-tests-", dir=there if os.access(there, os.W_OK) else tmp_path))
    yield path
    shutil.rmtree(path)


@STORES
def test_a_loss_of_power_loses_nothing_that_was_flushed(kind, memory, sample, places, programs, library_env):  # noqa: F811
    numbers = [int(os.environ["CASE"])] if "CASE" in os.environ else range((STATES + OF_A_RUN - 1) // OF_A_RUN)
    for number in numbers:
        folder = memory / str(number)
        folder.mkdir()
        case = Case(kind, number, folder, sample, places, programs, library_env)
        start = case.book.time
        lines = lines_of(case, memory / f"{number}.log")
        chance = random.Random(SEED * 1_000_000 + number)
        changes = [i for i, line in enumerate(lines) if not line.startswith(("say", "seek", "open"))]
        assert len(changes) > OF_A_RUN, "the run has done nothing"
        for end in sorted(chance.sample(changes, OF_A_RUN)):
            disk, case.book, case.closed = Disk(folder), Book(kind == "sealed", places), {}
            case.book.time = start
            if kind == "prosody":
                # The host's own folders are there before.
                disk.now = {folder / name: None for name in ("store", "copy")}
                disk.synced = dict(disk.now)
            for line in lines[: end + 1]:
                if (said := disk.take(line)) is not None:
                    case.book.heard(said)
            restore(folder, disk.left(chance))
            try:
                case.recover()
            except Exception as error:
                error.add_note(f"repeat it with SEED={SEED} CASE={number}; the power went after line {end}")
                raise
        shutil.rmtree(folder)
