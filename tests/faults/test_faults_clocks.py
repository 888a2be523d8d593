"""The clock of the system, as it is wrong or steps: MV_NOW under libfaketime,
in zones with and without summer time."""

import glob
import time
from datetime import datetime, timezone

import pytest

from host import Host

from . import kept

NOW = -(2**63)  # MV_NOW
MONTH = -4


@pytest.fixture
def clock(host_program, library_env, tmp_path):
    """Starts a host in a zone, whose clock can be set."""
    [library] = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    hosts, offset = [], tmp_path / "offset"

    def set_clock(text):
        then = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
        # As an offset: a date would be one of the zone.
        new = tmp_path / "offset.new"
        new.write_text(f"{then - time.time():+.0f}\n")
        new.rename(offset)

    def start(zone):
        env = {**library_env, "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(offset), "TZ": zone}
        env |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        (tmp_path / "settings.toml").write_text(f"store = 'sealed:{tmp_path / 'store'}'\n")
        hosts.append(Host(host_program, env, tmp_path / "host.log"))
        hosts[-1].do("open", tmp_path / "settings.toml")
        return hosts[-1]

    start.set = set_clock
    yield start
    for host in hosts:
        if host.process.poll() is None:
            host.process.kill()
            host.process.wait()


def users(host):
    return {month: kept.balanced(counts) for month, counts in kept.reported(host.do("report")).items()}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin", "Pacific/Kiritimati", "XXX+12YYY"])
def test_months_are_those_of_utc_whatever_zone_and_clock_are(zone, clock):
    clock.set("2026-10-31 23:30:00")
    host = clock(zone)
    for moment, name, month in [
        ("2026-10-31 23:50:00", "juliet", "2026-10"),
        ("2026-11-01 00:00:10", "juliet", "2026-11"),
        # It steps back over the end of the month: nobody counts twice.
        ("2026-10-31 23:30:00", "juliet", "2026-10"),
        ("2026-10-25 01:00:00", "romeo", "2026-10"),  # Summer time ends in Europe,
        ("2026-11-01 06:00:00", "romeo", "2026-11"),  # and in America.
        ("2026-11-01 23:50:00", "nurse", "2026-11"),
    ]:
        clock.set(moment)
        before = users(host)
        host.do("login", name, "192.0.2.1", "", NOW)
        after = users(host)
        assert month in after and sum(after.values()) - sum(before.values()) in (0, 1), moment
    assert users(host) == {"2026-10": 2, "2026-11": 3}
    clock.set("2026-11-02 00:10:00")  # A day after the first login of November.
    host.do("login", "nurse", "192.0.2.1", "", NOW)
    clock.set("2026-10-31 12:00:00")
    assert host.ask("login", "benvolio", "192.0.2.1", "", NOW)[0] == MONTH
    assert users(host) == {"2026-10": 2, "2026-11": 3}
    host.do("close")
    host.leave()


def test_a_clock_that_starts_in_1970_or_is_far_ahead_loses_nobody(clock):
    clock.set("1970-01-01 00:10:00")
    host = clock("UTC")
    host.do("login", "juliet", "192.0.2.1", "", NOW)
    clock.set("2026-11-05 12:00:00")
    host.do("login", "juliet", "192.0.2.1", "", NOW)
    # Ahead for less than a day: nothing closes.
    clock.set("9999-12-31 01:00:00")
    host.do("login", "juliet", "192.0.2.1", "", NOW)
    clock.set("2026-11-05 12:05:00")
    host.do("login", "romeo", "192.0.2.1", "", NOW)
    assert users(host) == {"1970-01": 1, "2026-11": 2, "9999-12": 1}
    host.do("close")
    host.leave()
