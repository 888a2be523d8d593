"""Logins on a real server, and what is counted."""

import random
from collections import Counter

# An address as a proxy gives it, and the place that it counts as.
ADDRESSES = [
    ("192.0.2.1", "DE-HE-2925533"),
    ("192.0.2.70", "DE-BE-2950159"),
    ("198.51.100.9", "US-TX-5525577"),
    ("198.51.100.241", "CN-?-?"),
    ("203.0.113.7", "GB-ENG-2643743"),
    ("::ffff:203.0.113.7", "GB-ENG-2643743"),
    ("::FFFF:192.0.2.1", "DE-HE-2925533"),
    ("2001:db8::1", "DE-HE-2925533"),
    ("2001:db8:4000::1", "GB-ENG-2643743"),
    ("2001:DB8:8000::1", "US-CA-5391959"),
    ("192.0.2.1:5222", "DE-HE-2925533"),
    ("[2001:db8::1]:5222", "DE-HE-2925533"),
    ('"[2001:db8::1]"', "DE-HE-2925533"),
    ("10.1.2.3", "?-?-?"),
    ("2a00::1", "?-?-?"),
    ("fe80::1%eth0", "?-?-?"),
    ("unknown", "?-?-?"),
    ("not an address", "?-?-?"),
    ("999.999.999.999", "?-?-?"),
    ("x" * 500, "?-?-?"),
    (None, "?-?-?"),
]

RESOURCES = [
    ("zom1.2", "IOS"),
    ("ChatSecureZom-7", "ANDROID"),
    ("Conversations.x7Qf", "ANDROID"),
    ("gajim.ABCD", "?"),
    ("a'b\"c<d>&e %s %d ü", "?"),
    ("r" * 900, "?"),
]

PATTERNS = """
local client_patterns = {}
client_patterns["^zom%d+.*"] = "IOS"
client_patterns["^ChatSecureZom-.*"] = "ANDROID"
client_patterns["^Conversations%..*"] = "ANDROID"
mod_monthly_visitors_client_patterns = client_patterns
"""


def test_300_logins_over_tcp_websocket_and_bosh_give_the_expected_totals(server, names, places):
    one = server(f'mod_monthly_visitors_mmdb_path = "{places}"\n{PATTERNS}').start()
    expected, people = Counter(), []
    for number in range(300):
        kind = ("tcp", "websocket", "bosh")[number % 3]
        # Through TCP comes who is not behind a proxy.
        address, place = (None, "?-?-?") if kind == "tcp" else ADDRESSES[number // 3 % len(ADDRESSES)]
        resource, client = RESOURCES[number % len(RESOURCES)]
        people.append((next(names), f"{resource}{number}"[-1000:] if client == "?" else f"{resource}{number}", address, kind))
        expected.update([f"geo-{place}", f"client-{client}"])
    for user, resource, address, kind in people:
        one.login(user, resource, address, kind)
    # Whoever comes again is not counted again, wherever from.
    for user, _, _, _ in random.Random(30).sample(people, 30):
        one.login(user, "Conversations.again", "192.0.2.70")
    # The totals of a batch are written before its markers.
    one.flush()
    assert one.totals() == expected
    found = one.store()
    assert set(found["users"]) == {user for user, *_ in people}
    assert set(found["users"].values()) == set(found["totals"])
    # The search for names in the log can find some: the server itself names them.
    assert any(user in one.log() for user, *_ in people)


def test_more_specific_patterns_of_a_map_come_first_and_an_array_keeps_its_order(server, names):
    array = '{ { "^Zom", "SHORT" }, { "^Zom%-x", "LONG" } }'
    one = server(
        hosts=(
            'VirtualHost "map.example"\n'
            'mod_monthly_visitors_client_patterns = { ["^Z"] = "C1"; ["^Zo"] = "C2"; ["^Zom"] = "C3";'
            ' ["^Zom%-"] = "C4"; ["^Zom%-x"] = "C5"; [".*"] = "C0"; ["^Zom%d*%a?[xyz]*"] = "NEVER" }\n',
            f'VirtualHost "array.example"\nmod_monthly_visitors_client_patterns = {array}\n',
        )
    ).start()
    for resource in ("Zap", "Zoe", "Zom", "Zom-1", "Zom-x1", "else"):
        one.login(next(names), resource, host="map.example")
    one.login(next(names), "Zom-x1", host="array.example")
    expected = {f"client-C{number}": 1 for number in range(6)}
    assert one.totals("map.example", 6) == {**expected, "geo-?-?-?": 6}
    assert one.totals("array.example", 1) == {"client-SHORT": 1, "geo-?-?-?": 1}


def test_only_listed_countries_count_by_either_name_of_the_option(server, names, places):
    one = server(
        f'mod_monthly_visitors_geoip_mmdb_path = "{places}"\n',
        hosts=(
            'VirtualHost "one.example"\nmod_monthly_visitors_record_country = "de"\n',
            'VirtualHost "some.example"\nmod_monthly_visitors_record_countries = { "DE", "gb" }\n',
            'VirtualHost "all.example"\nmod_monthly_visitors_record_country = "ALL"\n',
        ),
    ).start()
    for host in ("one.example", "some.example", "all.example"):
        for address in ("192.0.2.1", "203.0.113.7", "198.51.100.9"):
            one.login(next(names), address=address, host=host)
    assert one.totals("all.example", 3)["geo-US-TX-5525577"] == 1
    assert one.totals("one.example", 1) == {"geo-DE-HE-2925533": 1, "client-?": 1}
    assert one.totals("some.example", 2)["geo-GB-ENG-2643743"] == 1


def test_anonymous_users_are_left_out(server, names):
    one = server(
        hosts=("localhost", 'VirtualHost "guests.example"\nauthentication = "anonymous"\nallow_anonymous_storage = true\n')
    ).start()
    for _ in range(3):
        one.login(None, host="guests.example")
    one.login(next(names))
    one.totals(count=1)
    assert one.store("guests.example") == {"totals": {}, "users": {}}
    assert "guests.example" in one.says("not counted")


def test_a_resumed_stream_counts_its_user(server, names):
    one = server(module=None).start()
    user = next(names)
    one.canaries.add(user)
    client = one.login(user, kind="tcp", stay=True)
    client.enable_resumption()
    client.drop()
    one.clients.remove(client)
    # From now on it is counted, and the user is not among the connected ones.
    one.module = "monthly_visitors"
    one.configure()
    one.shell('module:load("monthly_visitors", "localhost")')
    assert one.store() == {"totals": {}, "users": {}}
    again = one.login_resumed(user, client.token)
    assert one.totals(count=1) == {"geo-?-?-?": 1, "client-?": 1}
    again.drop()
