"""A disk that hangs, here a pipe that nobody writes into: reading it waits for ever. Users log in, and the node ends."""

import os

import pytest
from ejabberd_server import wait_for

HOSTS = ["localhost", *(f"host{i}.example" for i in range(12))]
ADMIN = ("admin@localhost", "secret")


@pytest.fixture
def hanging(ejabberd):
    """A server with more hosts than Erlang has schedulers for files, and fewer of these than usual."""

    def hanging():
        server = ejabberd(hosts=HOSTS, distributed=True)
        server.arguments += ["+SDio", "2"]
        server.pipe = server.folder / "places.mmdb"
        os.mkfifo(server.pipe)
        return server

    return hanging


def lives(server):
    server.register("juliet")
    server.tcp("192.0.2.1").login("juliet", resource="gajim").ping()
    # The files of the node, too.
    assert server.evaluate('element(1, file:read_file("/etc/hostname")).') == "ok"


def test_a_database_that_hangs_at_boot_delays_nobody(hanging):
    server = hanging()
    server.set_options({"geoip": str(server.pipe)})
    server.start()
    lives(server)
    server.register_admin()
    assert "Counting visitors" not in server.log()
    status, answer = server.rest("monthly_visitors_flush", {"host": "localhost"}, ADMIN)
    assert status == 400 and "still being opened" in str(answer)
    wait_for(lambda: "a disk or network does not answer while the store or a database is opened" in server.log(), "the line")
    # Other options are taken at once.
    server.set_options({})
    server.write_config()
    server.admin("reload_config")
    for host in HOSTS:
        server.wait_until_counting(host=host)
    server.stop(patience=30)


def test_a_database_that_hangs_at_reload_delays_neither_logins_nor_the_end(hanging, month):
    server = hanging()
    options = {**server.config["modules"]["mod_monthly_visitors"], "flush_interval": "1h"}
    server.set_options(options)
    server.start()
    server.register_admin()
    for host in HOSTS:
        server.wait_until_counting(host=host)
    server.set_options({**options, "geoip": str(server.pipe)})
    server.write_config()
    server.admin("reload_config")
    lives(server)
    # The counter answers as before.
    assert server.report(month)["client-DESKTOP"] == 1
    assert server.rest("unregister", {"user": "juliet", "host": "localhost"})[0] == 200
    assert "stays until" not in server.log()
    lives(server)
    server.stop(patience=30)
    # The last visit is there: forgotten, juliet counted again.
    server.set_options({})
    server.start()
    server.wait_until_counting(times=2)
    assert sum(n for key, n in server.report(month).items() if key.startswith("geo-")) == 2


def test_a_disk_that_is_slow_holds_no_file_of_the_node(hanging, slow_disk):
    """Each sync of the stores takes 5 s while twelve commands wait for them."""
    server = hanging()
    server.set_options({"flush_interval": "1h"})
    server.env.update(slow_disk("/monthly_visitors/", 5000))
    server.start()
    server.register_admin()
    for host in HOSTS:
        server.wait_until_counting(host=host)
    for host in HOSTS:
        server.register("juliet", host=host)
        server.tcp("192.0.2.1", domain=host).login("juliet", resource="gajim")
    flushes = f"""
        [spawn(fun() -> mod_monthly_visitors_commands:flush(list_to_binary(Host)) end) || Host <- {[*HOSTS]}],
        timer:sleep(200),
        {{Time, {{ok, _}}}} = timer:tc(fun() -> file:read_file("/etc/hostname") end),
        Time < 2000000.""".replace("'", '"')
    assert server.evaluate(flushes) == "true"
    # All hosts are written at once when the node ends: one after the other would take more than a minute.
    for host in HOSTS:
        server.register("romeo", host=host)
        server.tcp("192.0.2.1", domain=host).login("romeo", resource="gajim")
    server.stop(patience=45)
    assert "are lost" not in server.log()


def test_a_host_that_hangs_does_not_hold_the_others(hanging):
    server = hanging()
    server.config["append_host_config"] = {"localhost": {"modules": {"mod_monthly_visitors": {"geoip": str(server.pipe)}}}}
    del server.config["modules"]["mod_monthly_visitors"]
    for host in HOSTS[1:]:
        server.config["append_host_config"][host] = {"modules": {"mod_monthly_visitors": {}}}
    server.start()
    for host in HOSTS[1:]:
        server.wait_until_counting(host=host)
    assert "Counting visitors of localhost" not in server.log()


def test_what_a_disk_does_not_take_at_the_end_is_lost_and_said_to_be(ejabberd, slow_disk):
    hosts = ["localhost", "example.net", "example.org"]
    server = ejabberd({"flush_interval": "1h"}, hosts=hosts)
    server.env.update(slow_disk("/monthly_visitors/", 200000))
    server.start()
    for host in hosts:
        server.wait_until_counting(host=host)
        server.register("juliet", host=host)
        server.tcp("192.0.2.1", domain=host).login("juliet", resource="gajim")
    server.stop(patience=60)
    for host in hosts:
        assert f"The last visitors of {host} are lost: " in server.log()
