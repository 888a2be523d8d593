"""What the plugin adds to a login, measured inside a real Prosody: bench.py [KEYS [LOGINS]]

Starts a server on loopback whose totals have KEYS keys (20,000), and takes the
time of the plugin's handler while LOGINS users (5,000) log in over WebSocket,
and then the same ones again; and at as many calls in a row. Beside each figure
are those of two controls, measured at as many other users in the same place.
`make bench-prosody` builds what it needs."""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent.parent / "tests"))

from prosody import server  # noqa: E402


def totals(keys):
    """A data file of last month with so many keys."""
    lines = ['return {\n\t["2020-01"] = {\n']
    lines += [f'\t\t["geo-DE-HE-{number}"] = 1;\n' for number in range(keys - 1)]
    lines += [f'\t\t["client-?"] = {keys - 1};\n', "\t};\n};\n"]
    return "".join(lines)


def main(keys=20000, logins=5000):
    people = 3 * logins  # of whom one in three is measured
    with tempfile.TemporaryDirectory(prefix="monthly-visitors-bench-") as folder:
        folder = Path(folder)
        libraries, plugins = folder / "libraries", folder / "plugins"
        libraries.mkdir()
        (libraries / f"libmonthly_visitors.so.{server.ABI}").symlink_to(server.RELEASE / "libmonthly_visitors.so")
        server.make("install-prosody", f"DESTDIR={plugins}", "plugindir=/modules")
        places = folder / "places.mmdb"
        server.run([server.RELEASE / "examples/sample_mmdb", server.ROOT / "demo/places.csv", places])
        output = folder / "times"
        one = server.Server(folder / "server", f'{plugins}/modules", "{HERE}', libraries)
        one.module = 'monthly_visitors", "monthly_visitors_bench'
        one.configure(
            f'mod_monthly_visitors_mmdb_path = "{places}"\n'
            'mod_monthly_visitors_client_patterns = { ["^Conversations%..*"] = "ANDROID"; ["^zom%d+.*"] = "IOS" }\n'
            f'monthly_visitors_bench_output = "{output}"\nmonthly_visitors_bench_logins = {2 * people}\n'
        )
        data = one.folder / "data/localhost"
        data.mkdir()
        (data / "monthly%2dvisitors.dat").write_text(totals(keys))
        one.start()
        for number in 2 * [*range(people)]:
            one.login(f"user{number}", f"Conversations.x{number}", f"192.0.2.{number % 256}")
        server.wait_for("the measurement", output.exists)
        one.end()
        counted = one.store()["totals"][server.this_month()]["client-ANDROID"]
        assert counted == 2 * people, f"{counted} of {2 * people} were counted"
        times = {}
        for line in output.read_text().splitlines():
            *kind, time = line.split()
            times.setdefault(tuple(kind), []).append(float(time))
    print(f"{keys} keys in the totals, {logins} of each; microseconds")
    print(f"{'':44}{'p50':>8}{'p99':>8}{'p99.9':>8}{'max':>8}")
    for where, place in (("call", "called in a row"), ("login", "within logins")):
        for which, login in (("first", "first login"), ("again", "repeated login")):
            for what, label in (
                ("plugin", f"{login}, {place}"),
                ("nothing", "  control: a handler that does nothing"),
                ("refusal", "  control: a call that the binding refuses"),
            ):
                ordered = sorted(times[where, what, which])
                at = [ordered[min(int(len(ordered) * part), len(ordered) - 1)] for part in (0.5, 0.99, 0.999, 1)]
                print(f"{label:44}" + "".join(f"{value:8.1f}" for value in at))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
