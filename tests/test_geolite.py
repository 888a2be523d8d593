"""Real input: every key equals what an independent reader finds."""

import ipaddress
import random

import maxminddb

from conftest import run

IPV4 = 100_000
IPV6 = 20_000


def key(record):
    """The key by the definition: country, first subdivision, city."""
    record = record or {}
    country = record.get("country", {}).get("iso_code", "?")
    subdivisions = record.get("subdivisions") or [{}]
    city = record.get("city", {}).get("geoname_id", "?")
    return f"geo-{country}-{subdivisions[0].get('iso_code', '?')}-{city}"


def addresses(reader):
    """Random IPv4 addresses, and random IPv6 ones, half of them within networks
    that the database knows: most of the space is empty."""
    chance = random.Random(2018)
    for _ in range(IPV4):
        yield str(ipaddress.IPv4Address(chance.getrandbits(32)))
    known = [network for network, _ in reader if network.version == 6 and network.prefixlen > 8]
    for number in range(IPV6):
        if number % 2:
            network = chance.choice(known)
            offset = chance.getrandbits(128) % network.num_addresses
            yield str(network.network_address + offset)
        else:
            yield str(ipaddress.IPv6Address(0x2000 << 112 | chance.getrandbits(125)))


def test_every_key_is_that_of_an_independent_reader(geolite, program):
    with maxminddb.open_database(str(geolite), maxminddb.MODE_MMAP_EXT) as reader:
        wanted = list(addresses(reader))
        expected = [key(reader.get(address)) for address in wanted]
    # Both families have known and unknown places, or this would show little.
    for keys in (expected[:IPV4], expected[IPV4:]):
        assert 0.1 < sum(key != "geo-?-?-?" for key in keys) / len(keys) < 0.99
    found = run(program, "--geoip", geolite, "lookup", "-", input="\n".join(wanted) + "\n").stdout
    lines = found.splitlines()
    assert len(lines) == len(wanted) == IPV4 + IPV6
    differences = [
        (address, line, key)
        for address, line, key in zip(wanted, lines, expected)
        if line != f"{address}\t{key}"
    ]
    assert differences == []
