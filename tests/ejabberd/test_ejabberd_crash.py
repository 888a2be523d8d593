"""The server ends in the middle of 1,000 logins, by force or cleanly: nobody is counted twice, no count is half."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

USERS = [f"user{i}" for i in range(1000)]


def log_in(server, users, done):
    """Logs users in, eight at a time, and notes who has got in. Ends when the server does."""

    def one(user):
        try:
            client = server.tcp("192.0.2.1" if hash(user) % 2 else "203.0.113.1").login(user, resource="gajim")
        except (OSError, EOFError):
            return
        done.append(user)
        client.socket.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, users))


def sums(report):
    return tuple(sum(n for key, n in report.items() if key.startswith(kind)) for kind in ("geo-", "client-"))


# Within an hour, only the clean stop itself writes.
@pytest.mark.parametrize("how, interval", [("kill", "200ms"), ("stop", "1h")])
def test_an_end_in_the_middle_of_logins(ejabberd, month, how, interval):
    server = ejabberd({"flush_interval": interval}, loglevel="warning").start()
    server.register_admin()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(server.register, USERS))
    done = []
    log_in(server, USERS[:100], done)
    if how == "kill":
        # A report is of all who are here, and writes them.
        assert sums(server.report(month)) == (100, 100)
    logins = threading.Thread(target=log_in, args=(server, USERS[100:], done))
    logins.start()
    while len(done) < 400:
        assert logins.is_alive(), f"only {len(done)} logins"
        time.sleep(0.001)
    before = len(done)
    getattr(server, how)()
    logins.join()
    assert len(done) < len(USERS), "the server was to end in the middle"

    server.start()
    places, clients = sums(server.report(month))
    assert places == clients <= len(USERS)
    # By force, the last moment may be lost; cleanly, nothing.
    assert places >= (100 if how == "kill" else before)
    again = []
    log_in(server, USERS, again)
    assert len(again) == len(USERS)
    assert sums(server.report(month)) == (len(USERS), len(USERS))
    server.stop()
    server.start()
    assert sums(server.report(month)) == (len(USERS), len(USERS))
