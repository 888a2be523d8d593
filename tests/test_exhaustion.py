"""More of everything than a server has: users, resources, totals, files of
users, and databases that ask for memory. Memory is measured, and bounded.

`tests/exhaustion` runs it at full size, which takes some minutes."""

import os
import random
import resource
import subprocess
import sys

import pytest

from conftest import PATIENCE, ROOT, run

sys.path.insert(0, str(ROOT / "fuzz"))
import seeds  # noqa: E402

FULL = os.environ.get("MV_EXHAUSTION") == "full"
MIB = 1024


def size(small, full):
    return full if FULL else small


@pytest.fixture
def many(build, library_env):
    """Records so many users and returns the peak of memory in KiB."""
    program = build(ROOT / "tests/c/tools/many.c")

    def many(store, users, each=1, **env):
        done = run([program, store, users, each], env={**library_env, **env})
        peak, waited = map(int, done.stdout.split())
        print(f"{store.split(':')[0]}: {users} users, {each} logins of each: {peak // MIB} MiB, waited {waited} times")
        return peak

    return many


def test_many_users_at_once(many, tmp_path):
    """Ten million distinct users take at most 1 GiB, and are counted exactly."""
    users = size(500_000, 10_000_000)
    assert many(f"sealed:{tmp_path}/store", users) <= size(96, 1024) * MIB


def test_distinct_resources_take_no_memory(many, tmp_path):
    """A million resources, all different, take what one takes for each user."""
    users, logins = 1_000, size(200_000, 1_000_000)
    few = many(f"sealed:{tmp_path}/few", users)
    assert many(f"sealed:{tmp_path}/many", users, logins // users) <= few + 2 * MIB


def test_large_totals(many, tmp_path):
    """Prosody's totals of 100 MB are read, added to and written, in at most 20
    times their size."""
    totals = tmp_path / "monthly%2dvisitors.dat"
    bytes_wanted, per_month = size(5_000_000, 100_000_000), 20_000
    with totals.open("w") as file:
        file.write("return {\n")
        year = 2025
        for month in range(10_000):
            if file.tell() > bytes_wanted:
                break
            file.write(f'\t["{year - month // 12}-{month % 12 + 1:02}"] = {{\n')
            file.writelines(f'\t\t["geo-DE-HE-{key}"] = 1;\n' for key in range(2_000_000, 2_000_000 + per_month))
            file.write(f'\t\t["client-?"] = {per_month};\n\t}};\n')
        file.write("};\n")
    before = totals.stat().st_size
    assert many(f"prosody:{tmp_path}", 10) * 1024 <= 20 * before + 8 * 1024 * MIB
    assert totals.stat().st_size > before


def test_a_folder_of_many_users_is_never_listed(many, build, tmp_path):
    """Opening, recording and forgetting do not depend on how many there are."""
    users = tmp_path / "monthly%2dvisitors"
    users.mkdir()
    for number in range(size(20_000, 1_000_000)):
        (users / f"user{number}.dat").write_bytes(b'return {\n\t["last-recorded"] = "2026-10";\n};\n')
    alone = build(ROOT / "tests/c/tools/no_listing.c", "no_listing.so", flags=["-shared", "-fPIC"], libraries=["-ldl"])
    peak = many(f"prosody:{tmp_path}", 100, LD_PRELOAD=str(alone))
    assert peak <= 16 * MIB
    # The control: who lists it does not get away with that.
    code = f"import ctypes; ctypes.CDLL({str(alone)!r}).opendir({os.fsencode(users)!r})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 97


def limited(mib):
    """For a child that may have so much memory, all that it maps included."""
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))


def broken_databases():
    data = seeds.FLAT + seeds.NESTED
    ends = (("data", 0), ("data", len(seeds.FLAT)))
    whole = seeds.database([ends], data, 24, 4)
    yield "cut off", whole[: len(whole) // 2]
    for count in (b"\x00\xff\xff\xff", b"\xff\xff\xff\xff"):
        yield "more nodes than bytes", whole.replace(b"node_count\xc4\x00\x00\x00\x01", b"node_count\xc4" + count)
    yield "a tree that leads to itself", seeds.database([(0, 0)], data, 24, 6)
    yield "a text of 16 million bytes", seeds.database([(("data", 0), None)], b"\xe1\x4ccountry_code\x5f\xff\xff\xff")
    yield "a list of 16 million", seeds.database([(("data", 0), None)], b"\x1f\x04\xff\xff\xff")
    yield "a map of 16 million", seeds.database([(("data", 0), None)], b"\xff\xff\xff\xff")
    yield "a million lists, one in the other", seeds.database([(("data", 0), None)], b"\x01\x04" * 1_000_000)
    draw = random.Random(2026)
    good = seeds.database([(number + 1, None) for number in range(96)] + [(97, None), ends], data, 24, 6)
    for number in range(40):
        changed = bytearray(good)
        for _ in range(3):
            changed[draw.randrange(len(changed))] = draw.choice([0, 0xFF, draw.randrange(256)])
        yield f"three bytes changed, {number}", bytes(changed)


def look_up(build, library_env, database, mib):
    program = build(ROOT / "tests/c/tools/lookup.c")
    addresses = "".join(f"192.0.2.{number}\n2001:db8::{number:x}\n" for number in range(100))
    return subprocess.run(
        [program, database], input=addresses, env=library_env, capture_output=True, text=True,
        preexec_fn=limited(mib), timeout=PATIENCE,
    )  # fmt: skip


@pytest.mark.parametrize("name, content", list(broken_databases()), ids=lambda part: part if isinstance(part, str) else "")
def test_broken_database_in_little_memory(name, content, build, library_env, tmp_path):
    path = tmp_path / "broken.mmdb"
    path.write_bytes(content)
    done = look_up(build, library_env, path, 160)
    if done.returncode == 0:
        assert len(done.stdout.splitlines()) == 200
    else:
        assert done.returncode == 1 and str(path) in done.stderr, f"{done.returncode} {done.stderr}"


def test_control_a_large_file_does_not_fit(build, library_env, tmp_path):
    path = tmp_path / "large.mmdb"
    path.write_bytes(bytes(200 << 20))
    assert look_up(build, library_env, path, 160).returncode not in (0, 1) or "memory" in look_up(
        build, library_env, path, 160
    ).stderr
