"""A real database: the same places as an independent reader finds, for random
addresses, and as the database itself says, for every network in it."""

import ipaddress
import random
import re

import maxminddb

from conftest import RELEASE, ROOT, run

IPV4, IPV6 = 100_000, 20_000


def addresses():
    """Random ones, the same each time; half of the IPv6 in what is in use."""
    draw = random.Random(2018)
    yield from (str(ipaddress.IPv4Address(draw.getrandbits(32))) for _ in range(IPV4))
    for number in range(IPV6):
        bits = draw.getrandbits(128)
        if number % 2:
            # 2000::/3, with the second 16 bits as registries give them out.
            bits = (0x2001 + draw.choice([0, 0x3FF, 0x5FF, 0x7FF, 0x8FF, 0x9FF])) << 112 | bits >> 16
        yield str(ipaddress.IPv6Address(bits))


def key(record):
    record = record or {}
    country = record.get("country", {}).get("iso_code", "?")
    subdivision = (record.get("subdivisions") or [{}])[0].get("iso_code", "?")
    city = record.get("city", {}).get("geoname_id", "?")
    return f"geo-{country}-{subdivision}-{city}"


def compare(lines, database):
    reader = maxminddb.open_database(database, maxminddb.MODE_MEMORY)
    wanted = [f"{address}\t{key(reader.get(address))}" for address in addresses()]
    assert len(wanted) == IPV4 + IPV6
    found = sum(not line.endswith("\tgeo-?-?-?") for line in wanted)
    assert found > IPV4 / 2, "the sample says nothing about the database"
    assert len({line.split("\t")[1] for line in wanted if ":" in line.split("\t")[0]}) > 20
    different = [pair for pair in zip(wanted, lines) if pair[0] != pair[1]]
    assert len(lines) == len(wanted)
    assert not different, f"{len(different)} differ, such as {different[:5]}"


def test_every_address_counts_where_it_is(build, library_env, geolite):
    text = "".join(f"{address}\n" for address in addresses())
    program = build(ROOT / "tests/c/tools/lookup.c", "lookup-tool")
    compare(run([program, geolite], input=text, env=library_env).stdout.splitlines(), geolite)


def test_the_program_finds_the_same(geolite):
    text = "".join(f"{address}\n" for address in addresses())
    program = RELEASE / "monthly-visitors"
    compare(run([program, "--geoip", geolite, "lookup", "-"], input=text).stdout.splitlines(), geolite)


def test_the_table_has_what_the_database_has_for_every_network(geolite):
    """At half the size of the file, at most."""
    example = ["cargo", "run", "-q", "--release", "--locked", "-p", "monthly-visitors", "--example", "compare_mmdb"]
    done = run([*example, "--", geolite], cwd=ROOT).stdout
    ipv4, ipv6, different, file, table = (int(number) for number in re.findall(r"\b\d+\b", done))
    assert ipv4 > 1_000_000 and ipv6 > 1_000_000, done
    assert different == 0 and table * 2 <= file, done
