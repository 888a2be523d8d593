"""The examples of the C interface: each is compiled, run, and clean under
valgrind."""

import re
import signal
import socket
import subprocess

import pytest

from conftest import ROOT, VALGRIND, run

EXAMPLES = sorted(path.stem for path in (ROOT / "c-examples").glob("*.c"))
TESTED = ["record", "report", "server", "threads"]


@pytest.fixture(params=[[], VALGRIND], ids=["plain", "valgrind"])
def runner(request):
    return request.param


@pytest.fixture
def example(build):
    return lambda name: build(ROOT / f"c-examples/{name}.c", f"example-{name}")


def test_every_example_is_tested():
    assert EXAMPLES == TESTED


def test_record_and_report(runner, example, library_env, settings):
    path = settings()
    record, report = example("record"), example("report")
    run([*runner, record, path, "juliet@example.net", "192.0.2.1", "Conversations.x7"], env=library_env)
    run([*runner, record, path, "juliet@example.net", "198.51.100.1"], env=library_env)
    run([*runner, record, path, "romeo@example.net"], env=library_env)
    rows = run([*runner, report, path], env=library_env).stdout
    month = rows[:7]
    assert rows == "".join(
        f"{month} {key} 1\n" for key in ["client-?", "client-ANDROID", "geo-?-?-?", "geo-DE-HE-2925533"]
    )
    for form in ["table", "json", "csv", "prosody"]:
        text = run([*runner, report, path, form], env=library_env).stdout
        assert month in text and "juliet" not in text
    assert "no format" in run([*runner, report, path, "xml"], expect=1, env=library_env).stderr


def test_errors(runner, example, library_env, tmp_path):
    for name in ["record", "report", "server", "threads"]:
        assert "usage" in run([*runner, example(name)], expect=1, env=library_env).stderr
        missing = tmp_path / "missing.toml"
        done = run([*runner, example(name), missing, "1"], expect=1, env=library_env)
        assert "missing.toml" in done.stderr and done.stdout == ""


def test_threads(runner, example, library_env, settings):
    path = settings()
    done = run([*runner, example("threads"), path, 4], env=library_env)
    assert done.stdout == "4 threads, 0 refused, 10000 new users\n"
    done = run([*runner, example("threads"), path], env=library_env)
    assert done.stdout == "8 threads, 0 refused, 0 new users\n"


def talk(port, lines):
    """Sends lines to the server, and returns its answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall("".join(line + "\n" for line in lines).encode())
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile().read().splitlines()


def table_until(server, text):
    """Reads the server's output until a line that has `text`."""
    lines = []
    while not lines or text not in lines[-1]:
        line = server.stdout.readline()
        assert line, f"the server ended; it said {lines}"
        lines.append(line)
    return "".join(lines)


def test_server(runner, example, library_env, settings):
    path = settings()
    server = subprocess.Popen(
        [*runner, str(example("server")), str(path), "0"],
        env=library_env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", server.stdout.readline()).group(1))
        many = [f"user{number}@example.net 192.0.2.1 Conversations.{number}" for number in range(300)]
        assert talk(port, many) == ["ok"] * 300
        assert talk(port, many[:10] + ["romeo@example.net", "nurse@example.net nowhere gajim 7"]) == ["ok"] * 12
        assert talk(port, ["", "x" * 3100 + " 192.0.2.1 y"]) == ["an argument is not what it must be"] * 2
        server.send_signal(signal.SIGUSR1)
        shown = table_until(server, "Frankfurt am Main")
        assert "300" in shown
        # A client that is still there is no hindrance to the end.
        with socket.create_connection(("127.0.0.1", port), timeout=120):
            server.send_signal(signal.SIGTERM)
            out, err = server.communicate(timeout=120)
        assert server.returncode == 0, err
        assert err == "" and "302" in out and "user1" not in shown + out
    finally:
        if server.poll() is None:
            server.kill()
            server.communicate()
    rows = run([example("report"), path], env=library_env).stdout
    assert "geo-DE-HE-2925533 300\n" in rows and "geo-?-?-? 2\n" in rows


def test_demo(tmp_path):
    """`make demo` records its sample and shows the report."""
    out = run(["make", "-s", "demo"], cwd=ROOT).stdout
    assert "12000 logins" in out and "Frankfurt" in out and "user1" not in out
