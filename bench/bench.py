"""Ours beside the others, in one table: bench.py [--rounds N] [--output FILE]

Every round measures ours and the others in turns; the table has the medians.
Goals that are not met are said, and are no failure: a table is no test.
`make bench` builds what this needs, and tests/setup installs it."""

import argparse
import array
import datetime
import ipaddress
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
RELEASE = TARGET / "release"
EXAMPLES = RELEASE / "examples"
ABI = (ROOT / "crates/ffi/ABI").read_text().strip()
PATTERNS = HERE / "patterns.txt"
GEOLITE = TARGET / "geolite/GeoLite2-City.mmdb"
LOOKUPS = 1_000_000
# As many as have 20,000 places among them.
ADDRESSES = 600_000
STALL = 250  # milliseconds
# Only for a program that hangs, in seconds.
PATIENCE = 300


def run(*command, **environment):
    """What a program tells: lines of a name and a number."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}


def said(*command):
    """The first line of what a program says of itself."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.splitlines()[0].strip()


# --- what is measured with ----------------------------------------------------


def resources(draw):
    """A thousand, as clients make them."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    some = lambda count, among=letters: "".join(draw.choices(among, k=count))  # noqa: E731
    hexadecimal = lambda count: some(count, "0123456789abcdef")  # noqa: E731
    kinds = [
        (30, lambda: "Conversations." + some(4)),
        (12, lambda: "gajim." + some(8)),
        (10, lambda: "dino." + hexadecimal(8)),
        (6, lambda: "monocles chat." + some(4)),
        (6, lambda: "Monal-iOS." + some(6)),
        (4, lambda: "Psi+"),
        (4, lambda: "profanity." + some(8)),
        (4, lambda: "converse.js-" + some(8, "0123456789")),
        (4, lambda: "Siskin IM"),
        (4, lambda: "zom" + some(8, "0123456789")),
        (8, lambda: "-".join(map(hexadecimal, (8, 4, 4, 4, 12)))),
        (8, lambda: some(draw.randint(4, 20))),
    ]
    weights, makers = zip(*kinds)
    return [make() for make in draw.choices(makers, weights, k=1000)]


def made_up_places(path):
    """A database of 200,000 networks, for where there is no real one."""
    lines = ["network,country,subdivision,geoname_id,city"]
    for number in range(200_000):
        network = ipaddress.IPv4Address(0x0B000000 + 256 * number)
        country = "ABCDEFGHIJ"[number // 20_000] + "X"
        lines.append(f"{network}/24,{country},S{number // 500 % 40},{1 + number // 8},City")
    places = path.with_suffix(".csv")
    places.write_text("\n".join(lines) + "\n")
    subprocess.run([EXAMPLES / "sample_mmdb", places, path], check=True)


class Bench:
    def __init__(self, folder):
        self.folder = folder
        draw = random.Random(2026)
        self.environment = {"LD_LIBRARY_PATH": str(folder)}
        (folder / f"libmonthly_visitors.so.{ABI}").symlink_to(RELEASE / "libmonthly_visitors.so")
        self.database = GEOLITE
        if not GEOLITE.exists():
            self.database = folder / "places.mmdb"
            made_up_places(self.database)
        self.resources = folder / "resources.txt"
        self.resources.write_text("".join(f"{resource}\n" for resource in resources(draw)))
        # Where there are networks: 1.0.0.0 to 223.255.255.255, or what is made up.
        lowest, highest = (1 << 24, 224 << 24) if GEOLITE.exists() else (11 << 24, (11 << 24) + 256 * 200_000)
        address = lambda: draw.randrange(lowest, highest)  # noqa: E731
        self.addresses = folder / "addresses.txt"
        self.addresses.write_text("".join(f"{ipaddress.IPv4Address(address())}\n" for _ in range(ADDRESSES)))
        uppers = [address() & 0xFFFF0000 for _ in range(LOOKUPS // 1000)]
        clustered = [upper | draw.getrandbits(16) for upper in uppers for _ in range(1000)]
        self.lookups = {"random": [address() for _ in range(LOOKUPS)], "clustered": clustered}
        for name, lookups in self.lookups.items():
            (folder / name).write_bytes(array.array("I", lookups).tobytes())
        for name in ["thousand", "million", "large", "wait", "prosody"]:
            self.compile(name, "-L", RELEASE, "-lmonthly_visitors", "-lpthread")
        self.compile("places", "-lmaxminddb")
        self.slow_disk = folder / "slow_disk.so"
        slow_disk = ROOT / "tests/ejabberd/slow_disk.c"
        subprocess.run(["cc", "-O2", "-fPIC", "-shared", slow_disk, "-o", self.slow_disk, "-ldl"], check=True)
        self.figures = {}

    def compile(self, name, *libraries):
        flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
        command = ["cc", *flags, "-I", ROOT / "include", HERE / f"{name}.c", "-o", self.folder / name, *libraries]
        subprocess.run(command, check=True)

    def add(self, kind, figures):
        for name, value in figures.items():
            self.figures.setdefault(f"{kind}.{name}", []).append(value)

    def get(self, name):
        return statistics.median(self.figures[name])

    def logins(self, kind, program, *more, scheme="sealed", **environment):
        """Runs one of the programs that record, on a store of its own."""
        store = self.folder / "store"
        store.mkdir()
        given = [f"{scheme}:{store}", self.database, PATTERNS, self.addresses, self.resources, *more]
        self.add(kind, run(self.folder / program, *given, **self.environment, **environment))
        disk = sum(file.stat().st_size for file in store.iterdir())
        self.add(kind, {"disk": disk})
        shutil.rmtree(store)

    def floor(self, kind, users):
        path = self.folder / "floor"
        self.add(kind, run(EXAMPLES / "bench_floor", users, path))
        self.add(kind, {"disk": path.stat().st_size})
        path.unlink()

    def round(self, first):
        self.logins("thousand", "thousand")
        self.floor("floor thousand", 1000)
        self.logins("million", "million")
        self.floor("floor million", 1_000_000)
        self.logins("wait", "wait", 3)
        slow = {"LD_PRELOAD": str(self.slow_disk), "SLOW_PATH": str(self.folder / "store"), "SLOW_MS": str(STALL)}
        self.logins("stalled", "wait", 1, **slow)
        for name in self.lookups:
            self.add(f"table {name}", run(EXAMPLES / "bench_places", self.database, self.folder / name))
            self.add(f"libmaxminddb {name}", run(self.folder / "places", self.database, self.folder / name))
        self.add("clients", run(EXAMPLES / "bench_clients", PATTERNS, self.resources))
        for lua in ["lua5.4", "luajit"]:
            hostile = ["hostile"] if first and lua == "lua5.4" else []
            self.add(lua, run(lua, HERE / "classify.lua", PATTERNS, self.resources, *hostile))
        assert self.get("clients.sum") == self.get("lua5.4.sum") == self.get("luajit.sum"), "Lua finds other clients"
        self.logins("prosody", "prosody", scheme="prosody")
        self.logins("large", "large")
        self.floor("floor large", 10_000_000)


# --- the table ----------------------------------------------------------------


def number(value):
    """With three digits that count."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if value >= 10 else 2}f}"


class Table:
    def __init__(self):
        self.rows = []
        self.missed = []

    def row(self, what, ours, other, goal, met):
        """`other` is a name and a value, or None; a bigger ratio is better for ours."""
        name, value = other or (None, None)
        beside = "–" if other is None else f"{number(value)} ({name})"
        ratio = "–" if other is None else f"{ours / value:.2g}" if ours / value < 10 else f"{ours / value:,.0f}"
        self.rows.append((what, number(ours), beside, ratio, goal, {True: "yes", False: "**no**", None: "–"}[met]))
        if met is False:
            self.missed.append(what)

    def most(self, what, ours, limit, unit, other=None):
        self.row(f"{what}, {unit}", ours, other, f"≤ {limit:g}", ours <= limit)

    def least(self, what, ours, limit, unit, other=None):
        self.row(f"{what}, {unit}", ours, other, f"≥ {limit:g}", ours >= limit)

    def text(self):
        head = ("measure", "ours", "the other", "ours / other", "goal", "met")
        widths = [max(len(line[column]) for line in [head, *self.rows]) for column in range(len(head))]
        lines = [head, tuple("-" * width for width in widths), *self.rows]
        return "\n".join(
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines
        )


def table(bench):
    get, rows = bench.get, Table()
    million = 1_000_000
    floor = "floor"
    rows.most("repeat login, 1,000 users", get("thousand.repeat"), 60, "ns", (floor, get("floor thousand.repeat")))
    rows.most("repeat login, 10 million users", get("large.repeat"), 150, "ns", (floor, get("floor large.repeat")))
    rows.least("two threads / one, 1,000 users", get("thousand.threads"), 1.8, "×")
    rows.least("two threads / one, 10 million users", get("large.threads"), 1.8, "×")
    for kind, while_ in [("wait", "while 1 million are flushed"), ("stalled", f"each sync {STALL} ms late")]:
        for part, limit in [("p50", 0.5), ("p99", 2), ("p99.9", 20)]:
            rows.most(f"first login, {while_}: wait at {part}", get(f"{kind}.{part}"), limit, "µs")
    for kind in bench.lookups:
        ours, other = get(f"table {kind}.lookup"), get(f"libmaxminddb {kind}.lookup")
        what = f"place of an address, {kind} IPv4, ns"
        rows.row(what, ours, ("libmaxminddb", other), "≤ 1/10 of it", ours * 10 <= other)
    size, file = get("table random.size") / million, bench.database.stat().st_size / million
    rows.row("memory for places, MB", size, ("the file", file), "≤ 1/2 of it", size * 2 <= file)
    ours = get("clients.classify")
    for lua, name, part in [("lua5.4", "Lua 5.4", 5), ("luajit", "LuaJIT", 3)]:
        other = get(f"{lua}.classify")
        rows.row("client of a resource, 20 patterns, ns", ours, (name, other), f"≤ 1/{part} of it", ours * part <= other)
    rows.most("hostile patterns, for each byte and pattern", get("clients.worst"), 5, "ns")
    rows.most("the same with patterns of 200 items", get("clients.worst_long"), 5, "ns")
    limit = 5 * 1023 / 1e3
    hostile = ("Lua 5.4", get("lua5.4.hostile"))
    rows.most("`a*a*b` on 1,023 times `a`", get("clients.hostile"), round(limit, 1), "µs", hostile)
    rate = lambda kind: 1e3 / get(f"{kind}.first")  # noqa: E731
    rows.least("a million first logins", rate("million"), 1, "million/s", (floor, rate("floor million")))
    disk = lambda kind: get(f"{kind}.disk") / million  # noqa: E731
    rows.most("disk for each of a million", disk("million"), 9, "bytes", (floor, disk("floor million")))
    rows.most("memory for each of a million", get("million.memory"), 20, "bytes", (floor, get("floor million.memory")))
    rows.most("the same without what malloc keeps for later", get("million.held"), 20, "bytes")
    rows.most("flush of a million", get("million.flush"), 200, "ms", (floor, get("floor million.flush")))
    rows.most("opening the store of a million", get("million.open"), 100, "ms", (floor, get("floor million.open")))
    rows.most("flush of 1,000 into 10 million, mean", get("large.batch_time"), 50, "ms")
    rows.most("written by that, mean", get("large.batch_bytes") / million, 1, "MB")
    rows.most("10 million users in a month, all memory of the process", get("large.most_memory") / 2**30, 2, "GiB")
    rows.most("opening a counter with the database of places", get("thousand.opening"), 50, "ms")
    for part, unit, scale in [("time", "ms", 1), ("bytes", "MB", million)]:
        what = {"time": "Prosody's files: flush of 1,000 when 100,000 are there", "bytes": "written by that"}[part]
        ours, new = get(f"prosody.old_{part}") / scale, get(f"prosody.new_{part}") / scale
        rows.row(f"{what}, {unit}", ours, ("when nobody is", new), "–", None)
    return rows


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def page(bench, rows, rounds, seconds):
    """The page of the documentation."""
    real = bench.database == GEOLITE
    places = "GeoLite2-City of July 2018, which includes data created by MaxMind" if real else "made up"
    commit = said("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*")
    get = bench.get
    goals = (
        "All goals are met."
        if not rows.missed
        else f"{len(rows.missed)} of {len(rows.rows)} rows miss their goal."
    )
    if bench.load > 1:
        goals += "\n**The machine had other work to do: these figures may be too bad.**"
    return f"""# Performance

Made by `make bench` on {datetime.date.today()}, commit {commit}: the medians of {rounds} rounds, in which ours and
the others take turns, in {seconds:.0f} s. {goals}

What that means: a login costs a server less than a microsecond, and waits for no disk; a thousand users take 20 KB of
memory, ten million a third of a GiB. A flush costs a file that is written and synced, once in `flush_interval` and only
when somebody new has come.

{rows.text()}

| | |
|---|---|
| machine | {processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()} |
| load at the start | {bench.load:.2f} |
| compilers | {said("rustc", "--version")}; {said("cc", "--version")} |
| libmaxminddb | {said("pkg-config", "--modversion", "libmaxminddb")} |
| Lua | {said("lua5.4", "-v").split("  ")[0]}; {said("luajit", "-v").split(" -- ")[0]} |
| one look into memory that is in no cache | {number(get("large.cold"))} ns |
| places | {places} ({bench.database.stat().st_size / 1e6:.0f} MB) |

How it is measured; the programs are in `bench/` and `crates/core/examples/`:

* Logins go through the C interface, with the database of places, 20 client patterns and the sealed store. A repeat
  login has no time for naming the user in it, and picks the user at random.
* A first login has its texts in cache, as after an authentication.
* What a login waits for is memory: the table above says how long one look takes into memory that is in no cache. A repeat
  login of one in 10 million takes one, and the next one waits for it. A first login takes three: who was seen, where the
  ranges of an address begin, and, only then, these. The rest of either is some 50 and 150 ns.
* The floor is a `HashSet` of 128-bit hashes of the users, with a file that each new one is appended to. It counts
  nothing by place or client, knows no month, encrypts nothing, and serves one thread.
* Waits are those of first logins at 20,000 a second while a flush of a million others goes on:
  {get("wait.logins"):,.0f} of them in a round, the longest {number(get("wait.longest"))} µs; {get("stalled.logins"):,.0f} with
  a disk on which each sync takes {STALL} ms longer, the longest {number(get("stalled.longest"))} µs.
* libmaxminddb maps the file and gives the code of the country, that of the subdivision and the number of the city.
  Clustered addresses share their upper half with 999 others.
* Hostile patterns begin at many bytes and go on for up to 64 items, and resources have 1,023 bytes of few letters or of
  many.
* Memory for each of a million is what the process has more after the flush than before the first login.
* The mean of flushes of 1,000 is over all {get("large.flushes"):,.0f} from one rewriting of the large file to the next,
  that one included, with {get("large.keys"):,.0f} keys; the longest takes {number(get("large.batch_longest"))} ms.
  Bytes are those given to the system.
* Prosody's files are a whole file of totals, which each flush writes again, with {get("prosody.old_keys"):,.0f} keys when
  100,000 users are there and {get("prosody.new_keys"):,.0f} at first, and a file for each user.
"""


def main():
    parser = argparse.ArgumentParser(description="Ours beside the others, in one table.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "docs/performance.md")
    arguments = parser.parse_args()
    start = time.monotonic()
    # Below target/ and not in /tmp, which may be memory: files are to be on a disk.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=TARGET) as folder:
        bench = Bench(Path(folder))
        bench.load = os.getloadavg()[0]
        for number_ in range(arguments.rounds):
            print(f"round {number_ + 1} of {arguments.rounds}", file=sys.stderr)
            bench.round(number_ == 0)
        rows = table(bench)
        text = page(bench, rows, arguments.rounds, time.monotonic() - start)
    arguments.output.write_text(re.sub(r" +\n", "\n", text))
    print(rows.text())
    for what in rows.missed:
        print(f"not met: {what}")


if __name__ == "__main__":
    main()
