"""A disk that hangs or is full, while the server goes on."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .server import HERE, run, wait_for

FAST = "mod_monthly_visitors_flush_interval = 0.02\n"


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    output = tmp_path_factory.mktemp("shim") / "hanging_disk.so"
    run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", HERE / "hanging_disk.c", "-o", output, "-ldl"])
    return output


@pytest.fixture
def hanging(server, shim, tmp_path):
    """Makes a server, and the file while which its disk hangs."""

    def hanging(options="", **more):
        one, hang = server(FAST + options, **more), tmp_path / "hang"
        one.env |= {"LD_PRELOAD": str(shim), "HANG_WHILE": str(hang)}
        return one, hang

    yield hanging
    (tmp_path / "hang").unlink(missing_ok=True)


def small_disk(one):
    """The command before the server's that mounts a disk of 256 kB for its data,
    for it alone. The disk is seen through the server's process."""
    script = 'mount -t tmpfs -o size=256k,mode=755 none "$0" && exec "$@"'
    for unshare in (["unshare", "-m"], ["unshare", "-rm"]):
        command = [*unshare, "sh", "-c", script, str(one.folder / "data")]
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    pytest.fail("the full disk needs a mount of its own: allow `unshare -rm`, or run the tests as root")


def fill(folder):
    """Leaves no byte free; returns the file to delete."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
    return ballast


def report(one, host="localhost"):
    return one.shell(f'monthly_visitors:report("{host}", nil, nil, "csv")')


def clients(text):
    return sum(int(count) for count in re.findall(r"client-\?\D*(\d+)", text))


def test_while_the_disk_hangs_everybody_logs_in_and_nobody_waits(hanging, names):
    one, hang = hanging(hosts=('VirtualHost "localhost"\nauthentication = "internal_plain"\n',))
    one.configure(FAST + f'mod_monthly_visitors_store = "sealed:{one.folder}/sealed"')
    one.start()
    people = [next(names) for _ in range(6)]
    for user in people:
        one.canaries.add(user)
        one.ctl("register", user, "localhost", "secret")
    one.login(people[0])
    wait_for("the first visit", lambda: clients(report(one)) == 1)
    hang.touch()
    for user in people[1:4]:
        one.login(user)
    # Each of these hung the server once.
    one.shell(f'user:delete("{people[0]}@localhost")')
    one.login(people[4])
    one.configure(
        FAST + f'mod_monthly_visitors_store = "sealed:{one.folder}/sealed"\n'
        'mod_monthly_visitors_client_patterns = { ["^Zom"] = "IOS" }\nmod_monthly_visitors_retention_months = 25'
    )
    one.ctl("reload")
    one.says("Visitors are counted", 2)
    for command in ('purge("localhost", "2020-01")', 'report("localhost")', f'forget("{people[1]}@localhost")'):
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(one.ctl, "shell", f"monthly_visitors:{command}", expect=1)
            # A client gives up when the server hangs.
            while not asked.done():
                one.login(people[2])
            assert "not finished in time" in asked.result().stderr
    assert one.metrics()
    one.login(people[5], "Zom-1")
    assert hang.exists()
    hang.unlink()
    wait_for("all visits", lambda: clients(report(one)) == 5)
    assert re.search(r"client-IOS\D*1\b", report(one))
    # Whose account was deleted meanwhile is forgotten, and would count again.
    one.ctl("register", people[0], "localhost", "secret")
    for user in people:
        one.login(user)
    assert clients(report(one)) == 7


def test_a_server_ends_while_the_disk_of_several_hosts_hangs(hanging, names):
    hosts = ("one.example", "two.example", "three.example")
    one, hang = hanging(hosts=hosts)
    one.start()
    hang.touch()
    for host in hosts:
        one.login(next(names), host=host)
    one.end()
    assert hang.exists()
    assert len([line for line in one.own_log() if "The last visits are lost" in line]) == 3
    hang.unlink()
    one.start()
    one.login(next(names), host="one.example")
    one.totals("one.example", 1)


def test_a_full_disk_costs_nothing_but_patience(server, names):
    one = server(FAST)
    one.start(wrapper=small_disk(one))
    data = Path(f"/proc/{one.process.pid}/root{one.folder}/data")
    one.login(next(names))
    wait_for("the first visit", lambda: (data / "localhost/monthly%2dvisitors.dat").exists())
    ballast = fill(data)
    for _ in range(5):
        one.login(next(names))
    assert "No space left on device" in one.says("visits wait in memory")
    wait_for("the metric", lambda: any(re.search(r"__failing\{.* 1$", line) for line in one.metrics()))
    since = [float(line.rsplit(" ", 1)[1]) for line in one.metrics() if "__unwritten_seconds{" in line]
    assert 0 <= since[0] < 60
    # Loaded anew, it goes on with the visits that wait; unloaded and loaded, too.
    one.shell('module:reload("monthly_visitors", "localhost")')
    one.login(next(names))
    one.shell('module:unload("monthly_visitors", "localhost")')
    assert "is kept until" in one.says("What waits")
    one.shell('module:load("monthly_visitors", "localhost")')
    one.login(next(names))
    assert not any("Visitors are not counted" in line for line in one.own_log())
    ballast.unlink()
    one.says("can be written again")
    wait_for("the metric", lambda: any(re.search(r"__failing\{.* 0$", line) for line in one.metrics()))
    assert clients(report(one)) == 8
    # The end with a full disk says what is lost, and comes.
    fill(data)
    one.login(next(names))
    one.end()
    one.says("The last visits are lost")
