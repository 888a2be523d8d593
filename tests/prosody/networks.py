"""A database of networks in MaxMind's format, too small to be worth a library."""


def text(value):
    return bytes([0x40 | len(value)]) + value.encode()


def number(value, kind):
    """An unsigned number: uint16 is kind 5, uint32 6, uint64 9."""
    data = value.to_bytes(8, "big").lstrip(b"\0")
    head = bytes([kind << 5 | len(data)]) if kind < 8 else bytes([len(data), kind - 7])
    return head + data


def table(fields):
    return bytes([0xE0 | len(fields)]) + b"".join(text(name) + value for name, value in fields.items())


def database(prefix, length, asn):
    """The file that has one IPv4 network, of the autonomous system `asn`."""
    nodes = length
    bits = [prefix[i // 8] >> (7 - i % 8) & 1 for i in range(length)]
    tree = b""
    for depth, bit in enumerate(bits):
        # A record is the next node, none (the number of nodes), or data 16 bytes further on.
        down = depth + 1 if depth + 1 < length else nodes + 16
        pair = (nodes, down) if bit else (down, nodes)
        tree += b"".join(record.to_bytes(3, "big") for record in pair)
    data = table({"autonomous_system_number": number(asn, 6), "autonomous_system_organization": text("Example")})
    about = {
        "node_count": number(nodes, 6),
        "record_size": number(24, 5),
        "ip_version": number(4, 5),
        "database_type": text("Sample-ASN"),
        "binary_format_major_version": number(2, 5),
        "binary_format_minor_version": number(0, 5),
        "build_epoch": number(1767225600, 9),
        "languages": b"\x00\x04",
        "description": table({}),
    }
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + table(about)
