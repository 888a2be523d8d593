"""What recording costs the other clients of ejabberd while the store's disk is slow.

bench.py PLUGIN LIBRARY: two servers, one with the module and one without, take turns. In each turn users log in for the
first time while another client pings the server; each server gets 1,000 logins. Every sync of the store takes half a
second longer. Prints the latency of the pings on both, and fails if the p99 with the module is more than LIMIT times that
without it, or a user is missing.
"""

import multiprocessing
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ejabberd_server import ROOT, Server

USERS = 1000
TURNS = 40
SLOW_MS = 500
LIMIT = 1.2


def ping(server, ending, results):
    """Pings until told to end, and sends how long each took, in milliseconds."""
    client = server.tcp().login("pinger")
    client.ping()
    times = []
    results.send("ready")
    while not ending.is_set():
        start = time.perf_counter()
        client.ping()
        times.append((time.perf_counter() - start) * 1000)
    client.close()
    results.send(times)


def log_in(server, users):
    with ThreadPoolExecutor(4) as pool:
        clients = list(pool.map(lambda user: server.tcp("192.0.2.1").login(user, resource="gajim"), users))
    for client in clients:
        client.socket.close()


def take_turn(server, users):
    ending = multiprocessing.Event()
    ours, theirs = multiprocessing.Pipe()
    pinger = multiprocessing.Process(target=ping, args=(server, ending, theirs))
    pinger.start()
    ours.recv()
    worker = multiprocessing.Process(target=log_in, args=(server, users))
    worker.start()
    worker.join()
    ending.set()
    times = ours.recv()
    pinger.join()
    assert worker.exitcode == 0 and pinger.exitcode == 0
    return times


def quantile(times, part):
    times = sorted(times)
    return times[min(len(times) - 1, int(len(times) * part))]


def main():
    plugin, library = (Path(argument).resolve() for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        abi = (ROOT / "crates/ffi/ABI").read_text().strip()
        (folder / f"libmonthly_visitors.so.{abi}").symlink_to(library)
        shim = folder / "slow_disk.so"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", shim, Path(__file__).with_name("slow_disk.c"), "-ldl"], check=True)
        servers = {}
        try:
            for name in ("without", "with"):
                (folder / name).mkdir()
                server = servers[name] = Server(folder / name, plugin, folder, loglevel="warning")
                server.env = {"LD_PRELOAD": str(shim), "SLOW_PATH": "/monthly_visitors/", "SLOW_MS": str(SLOW_MS)}
                if name == "with":
                    server.set_options({})
                server.start()
                server.register_admin()
                with ThreadPoolExecutor(4) as pool:
                    list(pool.map(server.register, [f"user{i}" for i in range(USERS)]))
                server.register("pinger")
            measure(servers)
        finally:
            for server in servers.values():
                server.kill()


def measure(servers):
    times = {name: [] for name in servers}
    share = USERS // TURNS
    for turn in range(TURNS):
        users = [f"user{i}" for i in range(turn * share, (turn + 1) * share)]
        # Neither is always the first.
        for name in sorted(servers, reverse=turn % 2 == 1):
            times[name] += take_turn(servers[name], users)
    start = time.perf_counter()
    servers["with"].admin("monthly_visitors_flush", host="localhost")
    flush = time.perf_counter() - start
    counted = servers["with"].report(time.strftime("%Y-%m", time.gmtime()))["geo-?-?-?"]
    for name, all_of_them in times.items():
        values = ", ".join(f"{label} {quantile(all_of_them, part):.2f} ms" for label, part in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)])
        print(f"{name + ' the module:':20} {len(all_of_them)} pings, {values}")
    ratio = quantile(times["with"], 0.99) / quantile(times["without"], 0.99)
    print(f"p99 ratio: {ratio:.2f}, at most {LIMIT} is asked for")
    print(f"users counted: {counted} (1,000 and the one that pings); a flush afterwards took {flush:.2f} s")
    if ratio > LIMIT:
        sys.exit("bench: the p99 with the module is too high")
    if counted != USERS + 1:
        sys.exit("bench: a user is missing")


if __name__ == "__main__":
    main()
