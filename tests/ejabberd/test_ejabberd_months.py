"""Users who are there in a new month without a new login: resumed streams and sessions that stay open."""

import os
import subprocess
from datetime import datetime, timezone

import pytest
from ejabberd_server import wait_for

OCTOBER = datetime(2026, 10, 31, 23, 59, tzinfo=timezone.utc)
NOVEMBER = datetime(2026, 11, 1, tzinfo=timezone.utc)
HOUR = 3600


# Instead of the module's own clock: the time is that of a file.
CLOCK = """
-module(monthly_visitors_clock).
-export([login/0, seconds/0, tick/0]).
login() -> seconds().
seconds() -> {{ok, Text}} = file:read_file("{file}"), binary_to_integer(Text).
tick() -> 50.
"""


@pytest.fixture
def clock(tmp_path, copied_plugin):
    """Sets the time that the module takes for now."""
    file = tmp_path / "clock"
    (tmp_path / "monthly_visitors_clock.erl").write_text(CLOCK.format(file=file))
    subprocess.run(["erlc", "-o", copied_plugin / "ebin", tmp_path / "monthly_visitors_clock.erl"], check=True)

    def set_clock(time, hours=0):
        new = file.with_suffix(".new")
        new.write_text(str(int(time.timestamp()) + hours * HOUR))
        os.rename(new, file)

    set_clock(OCTOBER)
    return set_clock


@pytest.fixture
def server(ejabberd, clock, copied_plugin):
    server = ejabberd(plugin=copied_plugin).start()
    server.register_admin()
    server.wait_until_counting()
    return server


def test_a_resumed_stream_counts_a_user_of_the_new_month(server, clock):
    server.register("juliet", "romeo")
    lost = server.tcp("192.0.2.1").login("juliet", resource="gajim")
    lost.enable_resumption()
    assert server.report("2026-10") == {"geo-DE-HE-2925533": 1, "client-DESKTOP": 1}
    lost.lose()
    # No more than a moment of the sweep has passed.
    clock(NOVEMBER, 0)
    back = server.tcp("203.0.113.1")
    back.resume("juliet", lost.resumption)
    assert server.report("2026-11") == {"geo-GB-ENG-2643743": 1, "client-DESKTOP": 1}
    assert server.report("2026-10") == {"geo-DE-HE-2925533": 1, "client-DESKTOP": 1}
    back.close()


def test_sessions_that_only_stay_open_are_swept_over_a_day(server, clock):
    users = [f"user{i}" for i in range(60)]
    server.register(*users)
    clients = [server.tcp("192.0.2.1").login(user, resource="gajim") for user in users]
    gone = clients.pop()
    gone.close()

    def counted():
        return server.report("2026-11").get("client-DESKTOP", 0)

    assert server.report("2026-10")["client-DESKTOP"] == 60
    clock(NOVEMBER, 0)
    assert counted() == 0
    clock(NOVEMBER, 12)
    half = wait_for(counted, "the first half of the day")
    wait_for(lambda: server.report("2026-11").get("client-DESKTOP") == counted() and 15 < counted() < 45, "half of them")
    clock(NOVEMBER, 24)
    wait_for(lambda: counted() == 59, "the rest of the day")
    assert half < 59
    # Nobody twice, and nobody who was not there.
    clock(NOVEMBER, 48)
    server.tcp("203.0.113.1").login("user0", resource="converse")
    assert server.report("2026-11") == {"geo-DE-HE-2925533": 59, "client-DESKTOP": 59}
    assert server.report("2026-10") == {"geo-DE-HE-2925533": 60, "client-DESKTOP": 60}


def test_who_finds_the_store_full_is_swept_again(ejabberd, clock, copied_plugin):
    server = ejabberd({"pending_limit": 4, "flush_interval": "1h"}, plugin=copied_plugin).start()
    server.register_admin()
    server.wait_until_counting()
    users = [f"user{i}" for i in range(12)]
    server.register(*users)
    clients = []
    for user in users:
        clients.append(server.tcp("192.0.2.1").login(user, resource="gajim"))
        server.admin("monthly_visitors_flush", host="localhost")
    assert server.report("2026-10") == {"geo-DE-HE-2925533": 12, "client-DESKTOP": 12}
    clock(NOVEMBER, 24)
    wait_for(lambda: "was not counted: too many visits wait for the store" in server.log(), "the warning")
    # Each report has the store take what waits.
    wait_for(lambda: server.report("2026-11") == {"geo-DE-HE-2925533": 12, "client-DESKTOP": 12}, "the rest of them")
