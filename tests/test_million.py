"""A million logins of 100,000 users in twelve months, through the C library:
the totals are those of an independent count, to the last unit."""

import collections
import datetime
import random
import re

import maxminddb
import pytest

from conftest import ROOT, run

LOGINS, USERS = 1_000_000, 100_000
FIRST = int(datetime.datetime(2025, 9, 1, tzinfo=datetime.timezone.utc).timestamp())
LAST = int(datetime.datetime(2026, 9, 1, tzinfo=datetime.timezone.utc).timestamp())
CLIENTS = [("^Conversations%..*", "ANDROID"), ("^zom%d+", "IOS"), ("^[Gg]ajim", "DESKTOP")]
RESOURCES = ["Conversations.", "Conversations", "zom", "zom1", "gajim.", "Gajim.", "Dino"]
NETWORKS = ["192.0.2.{}", "198.51.100.{}", "203.0.113.{}", "::ffff:192.0.2.{}", "2001:db8:{0:x}::{0:x}", "{} is none"]


@pytest.fixture(scope="module")
def logins(work):
    """The file of the logins, in order of time."""
    draw = random.Random(2026)
    path = work / "logins.tsv"
    with path.open("w") as file:
        for time in sorted(draw.randrange(FIRST, LAST) for _ in range(LOGINS)):
            user = int(USERS * draw.random() ** 1.5)
            ip = draw.choice(NETWORKS).format(draw.randrange(256))
            file.write(f"user{user}@example.net\t{ip}\t{draw.choice(RESOURCES)}{draw.randrange(100)}\t{time}\n")
    return path


@pytest.fixture(scope="module")
def counted(logins, sample):
    """What there is to count, said again in the simplest way."""
    reader = maxminddb.open_database(sample, maxminddb.MODE_MEMORY)
    patterns = [(re.compile(pattern.replace("%d", r"\d").replace("%.", r"\.")), name) for pattern, name in CLIENTS]
    places, seen, totals = {}, set(), collections.Counter()
    for line in logins.open():
        user, ip, resource, time = line.rstrip("\n").split("\t")
        month = datetime.datetime.fromtimestamp(int(time), datetime.timezone.utc).strftime("%Y-%m")
        if (user, month) in seen:
            continue
        seen.add((user, month))
        if ip not in places:
            record = {} if "none" in ip else reader.get(ip.removeprefix("::ffff:")) or {}
            places[ip] = "geo-{}-{}-{}".format(
                record.get("country", {}).get("iso_code", "?"),
                (record.get("subdivisions") or [{}])[0].get("iso_code", "?"),
                record.get("city", {}).get("geoname_id", "?"),
            )
        client = next((name for pattern, name in patterns if pattern.search(resource)), "?")
        totals[month, places[ip]] += 1
        totals[month, f"client-{client}"] += 1
    assert len({month for month, _ in totals}) == 12
    assert len(seen) > 500_000 and len({key for _, key in totals}) > 20
    return totals


@pytest.mark.parametrize("store", ["sealed", "prosody"])
def test_totals_are_those_of_an_independent_count(store, build, library_env, logins, counted, sample, tmp_path):
    (tmp_path / "store").mkdir()
    settings = tmp_path / "settings.toml"
    clients = "".join(f"[[client]]\npattern = '{pattern}'\ncategory = '{name}'\n" for pattern, name in CLIENTS)
    settings.write_text(f"store = '{store}:{tmp_path}/store'\ngeoip = '{sample}'\nhost = 'example.net'\n{clients}")
    program = build(ROOT / "tests/c/tools/record.c", "record-tool")
    with logins.open() as file:
        lines = run([program, settings], stdin=file, env=library_env).stdout.splitlines()
    found = {}
    for line in lines:
        month, key, count = line.split("\t")
        found[month, key] = int(count)
    assert found == dict(counted)
