"""Whatever is broken, users log in, the node lives, and one line of the log says what is wrong."""

import re
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
    # Shapes that no option has, and names.
    ({"retention_months": 2.5}, "retention_months"),
    ({"geoip": ["/a", "/b"]}, "geoip: must be a text or a whole number"),
    ({"store": {"sealed": "/a"}}, "store: must be a text or a whole number"),
    ({"clients": "gajim"}, "clients"),
    ({"clients": {"pattern": "gajim", "category": "X"}}, "clients"),
    ({"clients": [["gajim", "X"]]}, "clients"),
    ({"record_countries": {"DE": True}}, "record_countries"),
    ({"geiop": "/a"}, "geiop: there is no option of this name"),
    ({"_": 1}, "_: there is no option of this name"),
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
    wait_for(lambda: len([line for line in errors(server) if "Not counting" in line]) >= len(BROKEN), "all errors")
    for i, (options, expected) in enumerate(BROKEN):
        (line,) = [line for line in errors(server) if f"host{i}.example" in line]
        assert "Not counting visitors of" in line and expected in line, line
        assert len(line) < 4000
    # What is wrong is also what the commands say.
    server.register_admin()
    login = ("admin@host0.example", "secret")
    status, answer = server.rest("monthly_visitors_flush", {"host": "host0.example"}, login)
    assert status == 400 and "/nowhere/places.mmdb" in str(answer)
    assert server.process.poll() is None


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
    wait_for(lambda: "with the options of now" in server.log(), "the new options")
    server.tcp().login("romeo", resource="gajim")
    reload({"clients": [{"pattern": "%", "category": "THREE"}]})
    wait_for(lambda: "goes on with the old options" in server.log(), "the refusal")
    server.tcp().login("mercutio", resource="gajim")
    # A secret cannot change under an open store: its month would begin anew.
    secret = server.folder / "secret"
    secret.write_text("0123456789abcdef")
    reload({"clients": [{"pattern": "gajim", "category": "FOUR"}], "secret_file": str(secret)})
    wait_for(lambda: server.log().count("until the next start only: secret_file") == 1, "the second refusal")
    server.tcp().login("tybalt", resource="gajim")
    assert {key: value for key, value in server.report(month).items() if key.startswith("client-")} == {
        "client-ONE": 1,
        "client-TWO": 3,
    }


CRASHING = """
-module(monthly_visitors_nif).
-export([load_error/0, new/0, open/3, record/5, close/1, forget/2, flush/2, health/2]).
load_error() -> none.
new() -> make_ref().
open(_, _, _) -> ok.
close(_) -> ok.
record(A, B, C, D, E) -> erlang:error(badarg, [A, B, C, D, E]).
forget(A, B) -> erlang:error({case_clause, B}, [A, B]).
flush(A, B) -> erlang:error(badarg, [A, B]).
health(A, B) -> erlang:error(badarg, [A, B]).
"""


def test_a_crash_shows_nobody(ejabberd, copied_plugin, tmp_path):
    """With a binding that raises what it was given, at the level where ejabberd itself names nobody."""
    (tmp_path / "monthly_visitors_nif.erl").write_text(CRASHING)
    subprocess.run(["erlc", "-o", copied_plugin / "ebin", tmp_path / "monthly_visitors_nif.erl"], check=True)
    server = ejabberd(plugin=copied_plugin, loglevel="warning").start()
    server.register_admin()
    server.register("canary-user")
    wait_for(
        lambda: "error in monthly_visitors_nif:health/2"
        in str(server.rest("monthly_visitors_health", {"host": "localhost"}, ("admin@localhost", "secret"))),
        "the crash of a command",
    )
    client = server.tcp("192.0.2.77").login("canary-user", resource="canary-resource")
    client.ping()
    wait_for(lambda: "was not counted: internal error" in server.log(), "the warning")
    assert server.rest("unregister", {"user": "canary-user", "host": "localhost"})[0] == 200
    wait_for(lambda: "mark of a deleted account" in server.log(), "the second warning")
    server.stop()
    everything = server.log() + (server.folder / "output").read_text()
    for canary in ("canary-user", "canary-resource", "192.0.2.77", "192,0,2,77"):
        assert canary not in everything
    # The third: what was not written at the end.
    assert len(server.our_log()) == 3


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
    # A line of the log begins with its time; what does not belongs to the one before.
    entries = re.split(r"^(?=\d{4}-\d\d-\d\d )", server.log(), flags=re.MULTILINE)
    ours = [entry for entry in entries if "monthly_visitors" in entry and "@ejabberd_http_api" not in entry and "@mod_http_api" not in entry]
    assert len(ours) > 2
    assert not [entry for entry in ours if "canary" in entry or "192.0.2.77" in entry or "192,0,2,77" in entry]


def test_a_long_resource_is_counted_and_a_client_with_nul_does_no_harm(ejabberd, month):
    server = ejabberd().start()
    server.register_admin()
    server.register("juliet", "romeo")
    server.wait_until_counting()
    server.tcp("192.0.2.1").login("juliet", resource="gajim" + "x" * 1000)
    server.tcp("192.0.2.1").login("romeo", resource="gajimäöü漢字")
    assert server.report(month) == {"geo-DE-HE-2925533": 2, "client-DESKTOP": 2}
