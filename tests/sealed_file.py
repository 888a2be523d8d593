"""Reads the sealed store's files with nothing but docs/formats.md and the keys:
what somebody can do who has both."""

import struct

MASK = 0xFFFFFFFF
IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
COLUMNS = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
DIAGONALS = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
HEADER, TAG = 73, 16


# --- BLAKE3, for inputs of at most 1,024 bytes ---------------------------------


def compress(chaining, block, size, flags):
    state = chaining + IV[:4] + [0, 0, size, flags]
    words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    for _ in range(7):
        for number, (a, b, c, d) in enumerate(COLUMNS + DIAGONALS):
            for word, (first, second) in zip(words[2 * number : 2 * number + 2], [(16, 12), (8, 7)]):
                state[a] = (state[a] + state[b] + word) & MASK
                state[d] = turned_right(state[d] ^ state[a], first)
                state[c] = (state[c] + state[d]) & MASK
                state[b] = turned_right(state[b] ^ state[c], second)
        words = [words[i] for i in PERMUTATION]
    return [state[i] ^ state[i + 8] for i in range(8)]


def turned_right(number, by):
    return (number >> by | number << (32 - by)) & MASK


def chunk(key, data, flags):
    assert len(data) <= 1024
    chaining = key
    blocks = [data[i : i + 64] for i in range(0, len(data), 64)] or [b""]
    for number, block in enumerate(blocks):
        end = 2 | 8 if number == len(blocks) - 1 else 0
        chaining = compress(chaining, block, len(block), flags | (number == 0) | end)
    return struct.pack("<8I", *chaining)


def derived(context, key, secret=b"", host=b""):
    """32 bytes for one purpose, as docs/formats.md says."""
    context_key = list(struct.unpack("<8I", chunk(IV, context.encode(), 32)))
    return chunk(context_key, key + struct.pack("<Q", len(secret)) + secret + host, 64)


# --- XChaCha20, without the tag: who reads does not mind ------------------------


def quarter(s, a, b, c, d):
    for by_d, by_b in [(16, 12), (8, 7)]:
        s[a] = (s[a] + s[b]) & MASK
        s[d] = turned_right(s[d] ^ s[a], 32 - by_d)
        s[c] = (s[c] + s[d]) & MASK
        s[b] = turned_right(s[b] ^ s[c], 32 - by_b)


def rounds(state):
    state = list(state)
    for _ in range(10):
        for indices in COLUMNS + DIAGONALS:
            quarter(state, *indices)
    return state


def decrypted(key, nonce, data):
    constants = struct.unpack("<4I", b"expand 32-byte k")
    mixed = rounds([*constants, *struct.unpack("<8I", key), *struct.unpack("<4I", nonce[:16])])
    head = [*constants, *mixed[:4], *mixed[12:]]
    stream = bytearray()
    for block in range(1, len(data) // 64 + 2):
        state = [*head, block, 0, *struct.unpack("<2I", nonce[16:])]
        stream += struct.pack("<16I", *((x + y) & MASK for x, y in zip(rounds(state), state)))
    return bytes(x ^ y for x, y in zip(data, stream))


# --- SipHash-2-4 -----------------------------------------------------------------


def siphash(key, data):
    k0, k1 = struct.unpack("<2Q", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    wide = 0xFFFFFFFFFFFFFFFF

    def turned(x, by):
        return (x << by | x >> (64 - by)) & wide

    def mix(times):
        a, b, c, d = v
        for _ in range(times):
            a = (a + b) & wide
            b = turned(b, 13) ^ a
            a = turned(a, 32)
            c = (c + d) & wide
            d = turned(d, 16) ^ c
            a = (a + d) & wide
            d = turned(d, 21) ^ a
            c = (c + b) & wide
            b = turned(b, 17) ^ c
            c = turned(c, 32)
        v[:] = a, b, c, d

    whole = len(data) // 8 * 8
    last = data[whole:].ljust(7, b"\0") + bytes([len(data) & 255])
    for (word,) in struct.iter_unpack("<Q", data[:whole] + last):
        v[3] ^= word
        mix(2)
        v[0] ^= word
    v[2] ^= 255
    mix(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


# --- the files -------------------------------------------------------------------


def marker(user, key, secret=b"", host=b""):
    return siphash(derived("monthly-visitors 2026 marker", key, secret, host)[:16], user)


def plaintext(file, key, secret=b""):
    """What the bytes of a .sealed or .fresh say, with the zeros at the end."""
    cipher_key = derived("monthly-visitors 2026 file", key, secret)
    return decrypted(cipher_key, file[49:HEADER], file[HEADER:-TAG])


def markers(plain):
    """The markers in a plaintext. ValueError when it is none."""
    return content(plain)[2]


def content(plain):
    """A plaintext's counts of the keys of the large file, its counts of other
    keys, and its markers. ValueError when it is none."""
    at = 17

    def number():
        nonlocal at
        value = place = 0
        while True:
            if at >= len(plain) or place > 63:
                raise ValueError("no plaintext")
            byte = plain[at]
            value |= (byte & 127) << place
            at, place = at + 1, place + 7
            if byte < 128:
                return value

    since = [number() for _ in range(number())]
    counts = {}
    for _ in range(number()):
        length = number()
        key = plain[at : at + length]
        at += length
        counts[key] = number()
    count = number()
    if count > 8 * len(plain):
        raise ValueError("no plaintext")
    bits = bin(int.from_bytes(plain[at:] + b"\1", "little"))[:1:-1]
    width, bit, last, found = 63 - (count.bit_length() - 1), 0, -1, []
    for _ in range(count):
        one = bits.find("1", bit)
        if one < 0 or one + 1 + width > len(bits):
            raise ValueError("no plaintext")
        low = int(bits[one + 1 : one + 1 + width][::-1] or "0", 2)
        last += 1 + ((one - bit) << width | low)
        found.append(last)
        bit = one + 1 + width
    return since, counts, found
