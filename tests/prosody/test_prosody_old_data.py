"""The plugin takes over what the Lua plugin wrote, and leaves what that can read."""

from conftest import lua, this_month

HOST = "localhost"


MONTHS = ("2018-05", "2020-09", this_month())


def history(people, months=MONTHS):
    """Logins, first of all three months and later of fewer, as the Lua plugin takes them."""
    lines = []
    for number, user in enumerate(people):
        for month in months[number % len(months) :]:
            kind = number % 3 if len(months) == 3 else 0
            place, client = (("DE-HE-2925533", "IOS"), ("CN-?-?", "ANDROID"), ("?-?-?", "?"))[kind]
            lines.append(f"{user} {month} {place} {client}")
    return "\n".join(lines) + "\n"


def test_old_data_is_taken_over_and_totals_continue(server, names):
    one = server()
    people = [next(names) for _ in range(30)] + ["o.hara", "under_score", "dash-ed", "ünïcöde"]
    lua("write_store.lua", one.folder / "data", HOST, input=history(people))
    before = one.store()
    assert len(before["users"]) == 34
    one.start()
    # Everybody of this month comes again, and five who were never here.
    fresh = [next(names) for _ in range(5)]
    for user in people + fresh:
        one.login(user)
    one.flush()
    after = one.store()
    expected = before["totals"][this_month()]
    for key in ("geo-?-?-?", "client-?"):
        expected[key] = expected.get(key, 0) + 5
    assert after["totals"][this_month()] == expected
    for month in ("2018-05", "2020-09"):
        assert after["totals"][month] == before["totals"][month]
    assert after["users"] == {user: this_month() for user in people + fresh}


def test_the_lua_plugin_can_go_on_afterwards(server, names):
    one = server().start()
    people = [next(names) for _ in range(6)]
    for user in people:
        one.login(user)
    one.end()
    lua("write_store.lua", one.folder / "data", HOST, input=history(people[:3] + [next(names)], MONTHS[-1:]))
    after = one.store()
    assert after["totals"] == {
        this_month(): {"geo-?-?-?": 6, "client-?": 6, "geo-DE-HE-2925533": 1, "client-IOS": 1}
    }, "the three were counted again"
    one.start()
    one.login(people[0])
    one.login(next(names))
    one.flush()
    assert one.store()["totals"][this_month()]["client-?"] == 7


def test_damaged_totals_are_kept_and_said_and_logins_go_on(server, names):
    one = server()
    totals = one.folder / "data/localhost/monthly%2dvisitors.dat"
    totals.parent.mkdir()
    totals.write_text('return {\n\t["2026-09"] = {\n\t\t["geo-DE')
    one.start()
    line = one.says("not counted")
    assert "error" in line and "monthly%2dvisitors.dat" in line
    one.login(next(names))
    assert totals.read_text().endswith("geo-DE")
    # Mended, and told so.
    totals.write_text('return {\n\t["2026-09"] = {\n\t\t["geo-DE-HE-2925533"] = 2;\n\t};\n};\n')
    one.ctl("reload")
    one.says("Visitors are counted")
    one.login(next(names))
    assert one.totals()["geo-DE-HE-2925533"] == 2
    one.flush()
    assert one.totals()["client-?"] == 1
