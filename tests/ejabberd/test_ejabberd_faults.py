"""Whatever is broken, users log in, the node lives, and one line of the log says what is wrong."""

import os
import subprocess

import pytest
from ejabberd_server import wait_for


def errors(server):
    return [line for line in server.our_log() if "[error]" in line]


def lives(server):
    """The node serves a user from login to ping."""
    server.register("juliet")
    server.tcp("192.0.2.1").login("juliet", resource="gajim").ping()
    assert server.process.poll() is None


def test_a_missing_binding_is_one_line(ejabberd, copied_plugin):
    (copied_plugin / "priv/lib/monthly_visitors_nif.so").unlink()
    server = ejabberd(plugin=copied_plugin).start()
    (line,) = wait_for(lambda: errors(server), "the error")
    assert "Not counting visitors of localhost: its C part was not built" in line
    lives(server)


def test_a_missing_library_is_one_line(ejabberd, tmp_path):
    server = ejabberd()
    server.library = tmp_path
    server.start()
    (line,) = wait_for(lambda: errors(server), "the error")
    assert "Not counting visitors of localhost" in line and "libmonthly_visitors.so" in line
    lives(server)


def test_a_binding_that_is_none_is_one_line(ejabberd, copied_plugin):
    (copied_plugin / "priv/lib/monthly_visitors_nif.so").write_text("no library")
    server = ejabberd(plugin=copied_plugin).start()
    (line,) = wait_for(lambda: errors(server), "the error")
    assert "Not counting visitors of localhost" in line
    lives(server)


BROKEN = [
    ({"geoip": "/nowhere/places.mmdb"}, "/nowhere/places.mmdb"),
    ({"geoip": "/etc/passwd"}, "/etc/passwd"),
    ({"store": "floppy:/x"}, "store"),
    ({"store": "x"}, "store"),
    ({"store": "sealed:/proc/nowhere"}, "/proc/nowhere"),
    ({"pattern_syntax": "perl"}, "pattern_syntax"),
    ({"record_countries": ["Germany"]}, "record_countries"),
    ({"record_countries": "Germany"}, "record_countries"),
    ({"retention_months": -1}, "retention_months"),
    ({"flush_interval": "soon"}, "flush_interval"),
    ({"flush_interval": 5}, "flush_interval"),
    ({"pending_limit": 0}, "pending_limit"),
    ({"secret_file": "/nowhere/secret"}, "secret_file"),
    ({"clients": [{"pattern": "%", "category": "X"}]}, "client"),
    ({"clients": [{"pattern": "x"}]}, "clients"),
    ({"clients": [{"pattern": "x", "category": "X", "colour": "red"}]}, "clients"),
    ({"clients": [{"pattern": "x", "category": ""}]}, "client"),
    ({"geoip": "/a\0b"}, "NUL"),
    ({"geoip": "/" + "a" * 4000}, "too long"),
]


def test_each_bad_option_is_one_line(ejabberd):
    server = ejabberd(hosts=[f"host{i}.example" for i in range(len(BROKEN))])
    del server.config["modules"]["mod_monthly_visitors"]
    server.config["append_host_config"] = {
        f"host{i}.example": {"modules": {"mod_monthly_visitors": options}} for i, (options, _) in enumerate(BROKEN)
    }
    server.start()
    wait_for(lambda: len(errors(server)) >= len(BROKEN), "all errors")
    for i, (options, expected) in enumerate(BROKEN):
        (line,) = [line for line in errors(server) if f"host{i}.example" in line]
        assert "Not counting visitors of" in line and expected in line, line
        assert len(line) < 4000
    assert server.process.poll() is None


def test_a_store_that_does_not_answer_delays_nobody(ejabberd):
    """Opening a pipe waits for whoever writes into it, here for ever."""
    server = ejabberd()
    pipe = server.folder / "places.mmdb"
    os.mkfifo(pipe)
    server.set_options({"geoip": str(pipe)})
    server.start()
    lives(server)
    assert "ounting visitors" not in server.log()
    # Nor the end of the node, which would wait for a store that is open.
    server.stop(patience=40)


def test_a_fixed_option_is_taken_at_reload_and_a_bad_one_refused(ejabberd, month):
    server = ejabberd({"geoip": "/nowhere/places.mmdb"})
    server.start()
    server.register_admin()
    server.register("juliet", "romeo", "mercutio", "tybalt")
    wait_for(lambda: errors(server), "the error")

    def reload(options):
        server.set_options(options)
        server.write_config()
        server.admin("reload_config")

    reload({"clients": [{"pattern": "gajim", "category": "ONE"}]})
    server.wait_until_counting()
    server.tcp().login("juliet", resource="gajim")
    reload({"clients": [{"pattern": "gajim", "category": "TWO"}]})
    wait_for(lambda: "with new options" in server.log(), "the new options")
    server.tcp().login("romeo", resource="gajim")
    reload({"clients": [{"pattern": "%", "category": "THREE"}]})
    wait_for(lambda: "goes on with the old options" in server.log(), "the refusal")
    server.tcp().login("mercutio", resource="gajim")
    # A secret cannot change under an open store: its month would begin anew.
    secret = server.folder / "secret"
    secret.write_text("0123456789abcdef")
    reload({"clients": [{"pattern": "gajim", "category": "FOUR"}], "secret_file": str(secret)})
    wait_for(lambda: server.log().count("goes on with the old options: secret_file") == 1, "the second refusal")
    server.tcp().login("tybalt", resource="gajim")
    assert {key: value for key, value in server.report(month).items() if key.startswith("client-")} == {
        "client-ONE": 1,
        "client-TWO": 3,
    }


CRASHING = """
-module(monthly_visitors_nif).
-export([load_error/0, new/0, open/3, record/5, close/1, forget/2, flush/2]).
load_error() -> none.
new() -> make_ref().
open(_, _, _) -> ok.
close(_) -> ok.
record(A, B, C, D, E) -> erlang:error(badarg, [A, B, C, D, E]).
forget(A, B) -> erlang:error({case_clause, B}, [A, B]).
flush(A, B) -> erlang:error(badarg, [A, B]).
"""


def test_a_crash_shows_nobody(ejabberd, copied_plugin, tmp_path):
    """With a binding that raises what it was given, at the level where ejabberd itself names nobody."""
    (tmp_path / "monthly_visitors_nif.erl").write_text(CRASHING)
    subprocess.run(["erlc", "-o", copied_plugin / "ebin", tmp_path / "monthly_visitors_nif.erl"], check=True)
    server = ejabberd(plugin=copied_plugin, loglevel="warning").start()
    server.register_admin()
    server.register("canary-user")
    wait_for(lambda: server.rest("monthly_visitors_flush", {"host": "localhost"}, ("admin@localhost", "secret"))[0] == 400)
    client = server.tcp("192.0.2.77").login("canary-user", resource="canary-resource")
    client.ping()
    wait_for(lambda: "was not counted: internal error" in server.log(), "the warning")
    assert server.rest("unregister", {"user": "canary-user", "host": "localhost"})[0] == 200
    wait_for(lambda: "mark of a deleted account" in server.log(), "the second warning")
    server.stop()
    everything = server.log() + (server.folder / "output").read_text()
    for canary in ("canary-user", "canary-resource", "192.0.2.77", "192,0,2,77"):
        assert canary not in everything
    assert len(server.our_log()) == 2


def test_our_lines_name_nobody(ejabberd, month):
    server = ejabberd({"pending_limit": 2, "flush_interval": "1h"}, loglevel="debug").start()
    server.register_admin()
    users = [f"canary{i}" for i in range(5)]
    server.register(*users)
    server.wait_until_counting()
    for user in users:
        server.tcp("192.0.2.77").login(user, resource="gajim-canary")
    wait_for(lambda: "was not counted: too many visits wait for the store" in server.log(), "the warning")
    server.rest("unregister", {"user": "canary1", "host": "localhost"})
    server.stop()
    ours = [line for line in server.log().splitlines() if "mod_monthly_visitors:" in line or "monthly_visitors_nif" in line]
    assert ours
    assert not [line for line in ours if "canary" in line or "192.0.2.77" in line or "192,0,2,77" in line]


def test_a_long_resource_is_counted_and_a_client_with_nul_does_no_harm(ejabberd, month):
    server = ejabberd().start()
    server.register_admin()
    server.register("juliet", "romeo")
    server.wait_until_counting()
    server.tcp("192.0.2.1").login("juliet", resource="gajim" + "x" * 1000)
    server.tcp("192.0.2.1").login("romeo", resource="gajimäöü漢字")
    assert server.report(month) == {"geo-DE-HE-2925533": 2, "client-DESKTOP": 2}
