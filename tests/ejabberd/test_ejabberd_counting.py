"""Logins of every kind are counted once, at their place and client."""

from collections import Counter

from ejabberd_clients import Tcp
from ejabberd_server import wait_for

RESOURCES = {"Conversations.a1": "ANDROID", "gajim.XY": "DESKTOP", "converse.js-7": "WEB", "psi": "?"}
ADDRESSES = [
    "192.0.2.1", "192.0.2.70", "192.0.2.130", "198.51.100.7", "198.51.100.99", "203.0.113.5", "8.8.8.8",
    "2001:db8::1", "2001:db8:4000::2", "2001:db8:8000::3", "::ffff:192.0.2.9", "::ffff:203.0.113.200", "2a00::1",
]


def test_300_logins_over_every_transport_give_the_expected_totals(ejabberd, month, place_key):
    server = ejabberd().start()
    server.register_admin()
    server.wait_until_counting()
    expected = Counter()
    clients = []
    resources = list(RESOURCES.items())
    for i in range(300):
        address = ADDRESSES[i % len(ADDRESSES)]
        resource, category = resources[i % len(resources)]
        server.register(f"user{i}")
        if i % 3 == 0:
            client = server.tcp(address, version=1 + i // 3 % 2)
        else:
            client = (server.websocket if i % 3 == 1 else server.bosh)(address)
        clients.append(client.login(f"user{i}", resource=resource))
        expected[place_key(address)] += 1
        expected[f"client-{category}"] += 1
    # Coming again, from elsewhere and with another client, changes nothing.
    for i in range(0, 300, 10):
        clients.append(server.tcp("203.0.113.1").login(f"user{i}", resource="gajim.again"))
    assert server.report(month) == expected
    assert sum(n for key, n in expected.items() if key.startswith("geo-")) == 300
    for client in clients:
        client.close()


def test_two_spellings_of_a_name_are_one_user(ejabberd, month):
    server = ejabberd().start()
    server.register_admin()
    server.register("alice")
    server.wait_until_counting()
    server.tcp("192.0.2.1").login("alice", resource="gajim.1")
    server.tcp("192.0.2.1").login("ALICE", resource="gajim.2")
    assert server.report(month) == {"geo-DE-HE-2925533": 1, "client-DESKTOP": 1}


def test_an_address_that_is_none_is_an_unknown_place(ejabberd, month):
    server = ejabberd().start()
    server.register_admin()
    server.register("socket", "mapped")
    server.wait_until_counting()
    # ejabberd gives {local, _} for the first, a mapped IPv4 address for the second.
    Tcp(0, path=server.folder / "c2s.sock").login("socket", resource="gajim")
    Tcp(server.plain).login("mapped", resource="gajim")
    assert server.report(month) == {"geo-?-?-?": 2, "client-DESKTOP": 2}


def test_anonymous_users_are_left_out(ejabberd, month):
    server = ejabberd(auth_method=["internal", "anonymous"], anonymous_protocol="sasl_anon").start()
    server.register_admin()
    server.register("juliet")
    server.wait_until_counting()
    for _ in range(3):
        server.tcp("192.0.2.1").login("", mechanism="ANONYMOUS")
    server.tcp("192.0.2.1").login("juliet", resource="gajim")
    assert server.report(month) == {"geo-DE-HE-2925533": 1, "client-DESKTOP": 1}


def test_each_host_has_its_own_counts(ejabberd, month):
    server = ejabberd(hosts=("localhost", "example.net")).start()
    server.register_admin()
    server.register("juliet")
    server.register("juliet", "romeo", host="example.net")
    server.wait_until_counting(host="localhost")
    server.wait_until_counting(host="example.net")
    server.tcp("192.0.2.1").login("juliet", resource="gajim")
    for user in ("juliet", "romeo"):
        server.tcp("203.0.113.1", domain="example.net").login(user, resource="gajim")
    assert server.report(month) == {"geo-DE-HE-2925533": 1, "client-DESKTOP": 1}
    assert server.report(month, "example.net") == {"geo-GB-ENG-2643743": 2, "client-DESKTOP": 2}
    stores = sorted(folder.name for folder in (server.folder / "spool/monthly_visitors").iterdir())
    assert stores == ["example.net", "localhost"]


def test_sessions_that_were_there_before_the_module_are_counted(ejabberd, month):
    server = ejabberd(options=False).start()
    server.register_admin()
    server.register("juliet")
    stays = server.tcp("192.0.2.1").login("juliet", resource="gajim")
    server.set_options({"clients": [{"pattern": "gajim", "category": "DESKTOP"}]})
    server.write_config()
    server.admin("reload_config")
    server.wait_until_counting()
    wait_for(lambda: server.report(month) == {"geo-?-?-?": 1, "client-DESKTOP": 1}, "the session to be counted")
    stays.close()
