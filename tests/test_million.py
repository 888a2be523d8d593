"""A million logins of 100,000 users over a year: the totals of the C library
equal those of an independent count, to the last unit."""

import calendar
import collections
import random
import time

import maxminddb
import pytest

from conftest import run
from test_geolite import key

LOGINS = 1_000_000
USERS = 100_000
RESOURCES = {"Conversations.a1": "client-ANDROID", "Zom-77": "client-IOS", "gajim": "client-?"}


@pytest.fixture(scope="module")
def year(geolite):
    """The logins in order of time, and what is to be counted of them."""
    chance = random.Random(12)
    start = calendar.timegm((2025, 12, 1, 0, 0, 0))
    seconds = calendar.timegm((2026, 12, 1, 0, 0, 0)) - start
    lines, seen, counts = [], set(), collections.Counter()
    with maxminddb.open_database(str(geolite), maxminddb.MODE_MMAP_EXT) as reader:
        for number in range(LOGINS):
            moment = start + number * seconds // LOGINS
            user = int(chance.random() ** 2 * USERS)
            ip = f"{chance.randrange(1, 224)}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"
            resource = chance.choice(list(RESOURCES))
            lines.append(f"user{user}@example.net\t{ip}\t{resource}\t{moment}\n")
            month = time.strftime("%Y-%m", time.gmtime(moment))
            if (user, month) not in seen:
                seen.add((user, month))
                counts[month, key(reader.get(ip))] += 1
                counts[month, RESOURCES[resource]] += 1
    assert len({month for _, month in seen}) == 12
    return "".join(lines), counts


@pytest.mark.parametrize("store", ["sealed:{}/store", "prosody:{}"])
def test_totals_equal_an_independent_count(store, year, settings, compiled, environment, geolite, program):
    lines, expected = year
    path = settings(store=store, geoip=geolite)
    found = run(compiled("tests/c/record_lines.c"), path, input=lines, env=environment)
    rows = [line.split("\t") for line in found.stdout.splitlines()]
    assert {(month, key): int(count) for month, key, count in rows} == expected
    # And the same once more, as another process reads it from the disk.
    report = run(program, "--config", path, "report", "--format", "prosody").stdout
    assert report.count("] = ") == len(expected) + 12
