"""Writes the first inputs of each target: `seeds.py FOLDER`. Small ones, of all
forms that there are; the fuzzer makes more of them."""

import json
import struct
import sys
from pathlib import Path


def text(word):
    return bytes([0x40 | len(word)]) + word.encode()


def database(nodes, data, record_size=24, ip_version=6):
    """A database of MaxMind's format. A side of a node is the number of a node,
    None, or ("data", offset)."""
    count = len(nodes)

    def record(side):
        number = count if side is None else side if isinstance(side, int) else count + 16 + side[1]
        return number

    tree = b""
    for left, right in nodes:
        left, right = record(left), record(right)
        if record_size == 28:
            tree += (left & 0xFFFFFF).to_bytes(3, "big") + bytes([left >> 24 << 4 | right >> 24])
            tree += (right & 0xFFFFFF).to_bytes(3, "big")
        else:
            tree += b"".join(side.to_bytes(record_size // 8, "big") for side in (left, right))
    metadata = b"\xab\xcd\xefMaxMind.com\xe9"
    for key, value in [
        ("binary_format_major_version", b"\xa1\x02"),
        ("binary_format_minor_version", b"\xa0"),
        ("build_epoch", b"\x01\x02\x01"),
        ("database_type", text("Test")),
        ("description", b"\xe0"),
        ("ip_version", bytes([0xA1, ip_version])),
        ("languages", b"\x00\x04"),
        ("node_count", b"\xc4" + struct.pack(">I", count)),
        ("record_size", bytes([0xA1, record_size])),
    ]:
        metadata += text(key) + value
    return tree + bytes(16) + data + metadata


FLAT = b"\xe1" + text("country_code") + text("DE")
NESTED = (
    b"\xe3" + text("country") + b"\xe1" + text("iso_code") + text("AT")
    + text("city") + b"\xe1" + text("geoname_id") + b"\xc3\x2a\x22\x59"
    + text("subdivisions") + b"\x01\x04" + b"\xe1" + text("iso_code") + text("9")
)  # fmt: skip
NETWORK = b"\xe1\x58autonomous_system_number\xc2\x0c\xf8"


def databases():
    data = FLAT + NESTED
    ends = (("data", 0), ("data", len(FLAT)))
    for size in (24, 28, 32):
        yield database([ends], data, size, 4)
        deep = [(number + 1, None) for number in range(96)] + [(97, None), ends]
        yield database(deep, data, size, 6)
    yield database([(("data", 0), None)], NETWORK, 24, 6)


def line(month, count, key):
    return bytes([month, count, 0]) + key.encode()


COUNTS = [line(0, 7, "geo-DE-HE-2925533"), line(0, 7, "client-IOS"), line(1, 9, "geo-?-?-?"), line(1, 9, "asn-AS3320")]
CONTENT = bytes(17) + b"\x00\x01\x09geo-?-?-?\x01\x01" + struct.pack("<Q", 1 | 12345 << 1)
CLOSED = {"format": "monthly-visitors closed month", "version": 1, "month": "2026-10", "incomplete": False}
KEYS = ["sealed:/x", "example.net", "/g", "/a", "regex", "DE,AT", "25", "20ms", "7", "/s", "/k", "true"]
TOML = "store = 'memory:'\nretention_months = 25\nrecord_countries = ['DE']\n[[client]]\npattern = '^Zom%d+'\ncategory = 'IOS'\n"

SEEDS = {
    "dat": [
        b'return {\n\t["2026-11"] = {\n\t\t["geo-DE-HE-2925533"] = 2;\n\t\t["client-?"] = 2;\n\t};\n};\n',
        b"return { 1, 2.5, -0x10, 'a\\065\\n', [[long]], x = math.huge, [3] = (0/0), [true] = nil; --c\n }",
        b'return { ["2026-11"] = { ["US-WA-5803556"] = { users_seen = 3, clients_seen = { A = 3 } } } };',
    ],
    "sealed": [
        b"\0\0\0" + CONTENT,
        b"\1\x20\x03" + CONTENT,
        b"\0\0\0" + bytes(20),
        b"\2\0\0" + json.dumps(CLOSED | {"counts": {"client-?": 2, "geo-?-?-?": 2}}).encode(),
    ],
    "settings": [b"\xff" + TOML.encode()] + [bytes([number]) + value.encode() for number, value in enumerate(KEYS)],
    "patterns": [
        b"^Conversations%..*\n^zom%d+\n[^%-]*%-$\0Conversations.x7",
        b"%f[%w]a.-b\n(a*)%1$\n%b()\0a(b)aa",
        b"^\\w+\\.[a-f]{2}$\n(?i)gajim\0gajim.ab",
    ],
    "address": [b"192.0.2.1", b"192.0.2.1:5222", b'"[2001:db8::1]:5222"', b"fe80::1%eth0", b"::ffff:192.0.2.1"],
    "mmdb": [bytes(16) + made for made in databases()],
    "report": [bytes([number, 255, 255, 0, number % 2]) + b"\n".join(COUNTS) for number in range(6)]
    + [b"\0\0\1\1\0" + b"2026-11"],
    "lines": [
        b'{"user":"juliet@example.net","ip":"192.0.2.1","resource":"Zom-1","time":"2026-11-05T12:00:00Z"}\n{"user":"r","time":7}\n',
        b'time,user,resource,ip\n1793880000,juliet,"a,""b",\n,romeo,,192.0.2.1\n',
    ],
    "calls": [
        # To open, to record, to report, and to close, in each store.
        bytes([0, 13, store]) + bytes([0, 0, 0, 1, 0, 1, 0, 1, 3, 1, 1]) * 3 + bytes([0, 17, 255, 0, 27, 0, 0, 0, 0, 0, 0, 19])
        for store in range(3)
    ]
    + [bytes([0, 13, 1, 0, 20, 0, 1, 0, 21, 5, 0, 24, 1, 2, 0, 26, 0, 25, 1, 0, 22, 5, 1, 1, 49, 0, 23, 1, 1, 97, 1, 98])],
}


if __name__ == "__main__":
    for target, seeds in SEEDS.items():
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"seed-{number}").write_bytes(seed)
