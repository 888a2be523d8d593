"""Two processes on one store: one records, and does all else that a host does;
others read meanwhile, and always see a whole state."""

import json
import os
import subprocess
import threading
import time

import pytest

from conftest import RELEASE, ROOT, run
from host import Host

from . import kept
from .test_faults_kills import SEED, Case, places, programs  # noqa: F401: fixtures

REPORTS = int(os.environ.get("REPORTS", 150))
# So many different ones at least.
STATES = 40


@pytest.fixture
def recording(request, tmp_path, sample, places, programs, library_env):  # noqa: F811
    """A case whose schedule runs, and what it says is written into its book."""
    case = Case(request.param, 0, tmp_path, sample, places, programs, library_env)
    # More than it will come to: it goes on for as long as there are readers.
    command = [case.schedule, case.settings, case.kind, SEED, case.book.time, 0, tmp_path, 1_000_000]
    case.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, env=library_env)
    assert case.process.stdout.readline().startswith(b"opened")
    heard = threading.Thread(target=lambda: [case.book.heard(line.decode()) for line in case.process.stdout])
    heard.start()
    yield case
    case.process.kill()
    case.process.wait()
    heard.join()
    case.process.stdout.close()


BOTH = pytest.mark.parametrize("recording", ["sealed", "prosody"], indirect=True)


def check(before, text, book, kind):
    """A report against the one before it."""
    months = {month["month"]: month for month in json.loads(text)["months"]}
    found = kept.reported(text)
    for month, counts in found.items():
        kept.balanced(counts)
        assert not months[month]["incomplete"], f"{month} is incomplete"
    for month, (counts, open_) in before.items():
        if month not in found:
            # What the host says is heard a moment later than it is done.
            for _ in range(1000):
                if month < book.purging:
                    break
                time.sleep(0.005)
            assert month < book.purging, f"{month} is gone"
            continue
        for key, count in counts.items():
            assert found[month].get(key, 0) >= count, f"{month} {key} goes backwards"
        if not open_:
            assert found[month] == counts and not months[month]["open"], f"{month} was closed, and has changed"
    return {month: (counts, months[month]["open"]) for month, counts in found.items()}


@BOTH
def test_readers_always_see_a_whole_state(recording, build):
    case = recording
    slow = build(ROOT / "tests/faults/slow_open.c", "slow_open.so", flags=["-shared", "-fPIC"], libraries=["-ldl"])
    reading = case.folder / "reading.toml"
    reading.write_text("read_only = true\n" + case.settings.read_text())
    reader = Host(case.host, {**case.env, "LD_PRELOAD": str(slow)}, case.folder / "reader.log")
    seen, states = {}, set()
    try:
        reader.do("open", reading)
        for number in range(100 * REPORTS):
            if number >= REPORTS and len(states) > STATES and len(case.book.users) > 3 and case.book.purging:
                break
            if seen and number % 15 == 0:
                text = run([RELEASE / "monthly-visitors", "--config", case.settings, "report", "--format", "json"]).stdout
            else:
                text = reader.do("report")
            seen = check(seen, text, case.book, case.kind)
            states.add(json.dumps(seen))
        assert case.process.poll() is None, "the host has ended too early"
        reader.do("close")
        reader.leave()
    finally:
        if reader.process.poll() is None:
            reader.process.kill()
            reader.process.wait()
    assert len(states) > STATES, "hardly anything has changed meanwhile"
    assert len(case.book.users) > 2 and case.book.purging, "no month has ended, or none was purged"
    assert (case.folder / "reader.log").read_text() == ""


@BOTH
def test_a_second_recorder_is_refused_with_the_holder_named(recording):
    case = recording
    other = Host(case.host, case.env, case.folder / "other.log")
    try:
        for _ in range(20):
            status, message = other.ask("open", case.settings)
            assert status == -5 and f"process {case.process.pid} ".encode() in message, message
        for command in (["purge", "--keep", "1"], ["forget", "user1"], ["record", "--user", "user1"]):
            said = run([RELEASE / "monthly-visitors", "--config", case.settings, *command], expect=2).stderr
            assert f"process {case.process.pid} " in said and "user1" not in said
        other.leave()
    finally:
        if other.process.poll() is None:
            other.process.kill()
            other.process.wait()
    assert case.process.poll() is None, "the holder was disturbed"
