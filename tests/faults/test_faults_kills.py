"""kill -9 at random moments: each kill is followed by an opening, after which
everything that was written is there, once, and the rest comes back."""

import os
import random
import shutil
import signal
import subprocess
import time

import maxminddb
import pytest

import sealed_file
from conftest import ROOT
from host import Host

from . import kept
from .book import Book

STORES = pytest.mark.parametrize("kind", ["sealed", "prosody"])
SEED = int(os.environ.get("SEED", 2026))
KILLS = int(os.environ.get("KILLS", 500))
# So many kills on one store, one after the other: that is one case.
IN_A_ROW = 10
# CASE=17 repeats the case of this number alone. What is drawn is the same, the
# moment of the kill only as far as the machine is.
CASES = [int(os.environ["CASE"])] if "CASE" in os.environ else range((KILLS + IN_A_ROW - 1) // IN_A_ROW)
# Long ago: a month that is yet to come is treated otherwise.
START = 946684800  # 1 January 2000


@pytest.fixture(scope="session")
def programs(build, host_program):
    return build(ROOT / "tests/faults/schedule.c"), host_program


@pytest.fixture(scope="session")
def places(sample):
    """The geo- key of each address that is used, by another reader than ours."""
    keys = {}
    with maxminddb.open_database(sample) as database:
        for number in range(7):
            address = f"192.0.2.{number * 37}"
            found = database.get(address) or {}
            subdivision = found.get("subdivisions", [{}])[0].get("iso_code", "?")
            city = found.get("city", {}).get("geoname_id", "?")
            keys[address] = f"geo-{found.get('country', {}).get('iso_code', '?')}-{subdivision}-{city}"
    assert len(set(keys.values())) > 2
    return keys


class Case:
    """A store, and what is known of it from outside."""

    def __init__(self, kind, number, folder, sample, places, programs, env):
        self.kind, self.folder, self.env = kind, folder, env
        self.schedule, self.host = programs
        self.chance = random.Random(SEED * 1_000_000 + number)
        self.book = Book(kind == "sealed", places)
        self.book.time = START + self.chance.randrange(40) * 86400
        self.closed = {}  # closed month -> its bytes when it was first seen
        self.marked = {}  # (key, user) -> marker
        self.settings = self.write_settings("store", sample)
        self.copied = self.write_settings("copy", sample)

    def write_settings(self, name, sample):
        path = self.folder / f"{name}.toml"
        lines = [f"store = '{self.kind}:{self.folder / name}'", f"geoip = '{sample}'", "flush_interval = '1ms'"]
        for pattern, category in [("^Conversations%.", "ANDROID"), ("^Zom", "IOS")]:
            lines += ["[[client]]", f"pattern = '{pattern}'", f"category = '{category}'"]
        path.write_text("\n".join(lines) + "\n")
        if self.kind == "prosody":
            (self.folder / name).mkdir()
        return path

    def run_and_kill(self):
        """Runs a schedule, kills it at a random moment, and writes down what it said."""
        command = [self.schedule, self.settings, self.kind, self.chance.getrandbits(60)]
        command += [self.book.time, self.book.next, self.folder]
        # Mostly in the middle of its work, sometimes while it opens the store.
        opening = self.chance.random() < 0.2
        end = self.chance.uniform(0, 0.012) if opening else self.chance.uniform(0, 0.055)
        # Without a buffer: communicate() would pass over what readline() had put there.
        process = subprocess.Popen(
            [str(part) for part in command], bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env
        )
        first = b""
        try:
            if not opening:
                first = process.stdout.readline()
            time.sleep(end)
        finally:
            process.kill()
        said, complained = process.communicate()
        said = first + said
        assert process.returncode == -signal.SIGKILL, (process.returncode, complained.decode())
        for line in said.decode().splitlines():
            self.book.heard(line)
        return len(said) > 0

    def recover(self):
        """Opens the store again, and checks it before and after all have come again."""
        host = Host(self.host, self.env, self.folder / "host.log")
        try:
            host.do("open", self.settings)
            found = kept.reported(host.do("report"))
            self.book.forget_purged(found)
            self.check_found(found)
            # All at once: an answer for each would cost more than the login.
            logins = self.book.repeated(kept.is_closed(self.folder / "store"))
            lines = [f"login\t{user}\t{ip}\t{resource}\t{at}" for user, at in logins for ip, resource in [self.book.visit(user)]]
            for start in range(0, len(lines), 200):
                part = lines[start : start + 200]
                host.process.stdin.write(("\n".join(part) + "\n").encode())
                host.process.stdin.flush()
                for _ in part:
                    status = int(host.process.stdout.readline().split()[0])
                    assert status == 0, f"a login is refused: {status}"
            if logins:
                self.book.close(logins[-1][1])
            host.do("flush")
            report = kept.reported(host.do("report"))
            assert report == self.book.expected(), "when all have come again"
            if self.kind == "sealed":
                over = {month for month in report if month < self.book.closed_before}
                assert set(kept.closed(self.folder / "store")) == over, "what is closed when all have come again"
            self.book.durable = {month: set(users) for month, users in self.book.users.items()}
            self.check_copy(host, report)
            host.do("close")
            host.leave()
        finally:
            if host.process.poll() is None:
                host.process.kill()
                host.process.wait()
        log = (self.folder / "host.log").read_text()
        assert not [line for line in log.splitlines() if line[0] in "01"], log
        self.check_closed()

    def check_found(self, found):
        if self.kind == "sealed":
            store = kept.sealed(self.folder / "store")
            self.check_closed()
            for month, counts in found.items():
                kept.balanced(counts)
                if month in self.closed:
                    assert month < self.book.closed_before, f"{month} was closed too early"
                    assert counts == self.book.counts(self.book.users[month]), f"{month}, which is closed"
                else:
                    key, inside, marked = store[month]
                    assert inside == counts
                    self.check_month(month, counts, self.who(month, key, marked))
        else:
            store, marks = kept.prosody(self.folder / "store")
            assert store == found
            for month, counts in found.items():
                if month == max(found):
                    self.check_month(month, counts, {user for user, last in marks.items() if last == month})
                else:
                    assert counts == self.book.counts(self.book.users[month]), f"{month}, which is over"
        for month, users in self.book.durable.items():
            assert not users or month in found or month < self.book.purging, f"{month} is lost"
        assert all(month >= self.book.purged for month in list(found)[:-1]), f"a purged month is there: {list(found)}, {self.book.purged}, {self.book.closed_before}"

    def who(self, month, key, markers):
        """The users whose markers these are."""
        by = {}
        for user in self.book.users[month]:
            if (key, user) not in self.marked:
                self.marked[key, user] = sealed_file.marker(user.encode(), key)
            by[self.marked[key, user]] = user
        assert markers <= set(by), f"{month}: a marker is nobody's"
        return {by[marker] for marker in markers}

    def check_month(self, month, counts, users):
        """Who is marked is counted, and with them only those who are forgotten."""
        durable, possible = self.book.durable.get(month, set()), set(self.book.users[month])
        assert users <= possible
        assert durable - self.book.leaving <= users, f"{month}: somebody is lost whom a flush had written"
        assert not users & self.book.gone, f"{month}: somebody is not forgotten"
        assert counts == self.book.counts(users | self.book.leaving & possible), month

    def check_closed(self):
        """Closed months are the same, byte for byte, until they are purged."""
        if self.kind == "prosody":
            return
        there = kept.closed(self.folder / "store")
        for month in list(self.closed):
            if month < self.book.purging and month not in there:
                del self.closed[month]
        for month, data in self.closed.items():
            assert there.get(month) == data, f"{month} was closed, and has changed"
        self.closed = there

    def check_copy(self, host, report):
        """A copy that was cut off is finished by the next one."""
        copy = self.folder / "copy"
        if not copy.exists() or not any(copy.iterdir()):
            return
        host.do("copy", self.settings, self.copied)
        if self.kind == "sealed":
            found = {month: counts for month, (_, counts, _) in kept.sealed(copy).items()}
            closed, source = kept.closed(copy), kept.closed(self.folder / "store")
            assert {month: closed.get(month) for month in source} == source, "closed months in the copy"
            found |= {month: report[month] for month in closed if month in report}
        else:
            found, _ = kept.prosody(copy)
        assert {month: found[month] for month in report} == report
        shutil.rmtree(copy)
        if self.kind == "prosody":
            copy.mkdir()


@STORES
def test_a_killed_server_loses_nobody_and_counts_nobody_twice(kind, tmp_path, sample, places, programs, library_env):
    kills = 0
    for number in CASES:
        folder = tmp_path / str(number)
        folder.mkdir()
        case = Case(kind, number, folder, sample, places, programs, library_env)
        heard = 0
        for kill in range(IN_A_ROW):
            try:
                heard += case.run_and_kill()
                case.recover()
            except Exception as error:
                error.add_note(f"repeat it with SEED={SEED} CASE={number}; it was kill {kill} in {folder}")
                raise
            kills += 1
        assert heard > 0, f"case {number}: every kill came before anything was done"
        shutil.rmtree(folder)
    print(f"{kills} kills, SEED={SEED}")
