"""Commands in prosodyctl and in the shell, and the metrics."""

import json
import re
import shutil

import pytest

from .server import HERE, lua, this_month

OLD = "\n".join(f"user{number} {month} DE-HE-2925533 IOS" for month in ("2018-05", "2019-03", "2020-09") for number in range(7)) + "\n"


@pytest.fixture
def old(server):
    """A server with three old months of 7 users."""

    def old(options="", **more):
        one = server(options, **more)
        lua("write_store.lua", one.folder / "data", "localhost", input=OLD)
        return one

    return old


def command(one, *arguments, expect=0):
    return one.ctl("mod_monthly_visitors", *arguments, expect=expect)


def server_without_data(old, kind):
    """What check says before the first start with a new store."""
    one = old(name="new")
    one.configure(f'mod_monthly_visitors_store = "{kind}:{one.folder}/visitors"')
    return command(one, "check").stdout


def test_help_is_given_and_nonsense_is_refused(server):
    one = server()
    assert "Usage: prosodyctl mod_monthly_visitors" in command(one, "help").stdout
    for arguments in (
        [],
        ["frobnicate"],
        ["report", "elsewhere.example"],
        ["report", "--colour=red"],
        ["report", "--format=picture"],
        ["report", "localhost", "2026-01", "2026-02", "2026-03"],
        ["purge"],
        ["purge", "localhost", "november"],
        ["forget", "juliet"],
        ["forget", "juliet@elsewhere.example"],
        ["copy"],
        ["copy", "nowhere"],
        ["copy", "typo.example"],
    ):
        command(one, *arguments, expect=2)


def test_report_shows_totals_with_and_without_a_server(old, names):
    one = old()
    table = command(one, "report").stdout
    assert "2018-05" in table and re.search(r"IOS +7", table)
    rows = command(one, "report", "localhost", "2018-05", "--format", "csv").stdout
    assert re.search(r"2018-05.*client-IOS\D+7", rows) and "2020" not in rows
    assert "2020-09" in command(one, "report", "2018-01", "2026-01", "--format=csv").stdout
    assert json.loads(command(one, "report", "--format=json").stdout)
    command(one, "report", "2011-01", expect=1)
    one.start()
    one.login(next(names))
    one.totals()
    one.flush()
    assert this_month() in command(one, "report").stdout
    assert this_month() in one.shell('monthly_visitors:report("localhost")')
    assert "2018" not in one.shell('monthly_visitors:report("localhost", "2020-09", nil, "csv")')
    one.shell('monthly_visitors:report("elsewhere.example")', expect=1)
    one.shell("monthly_visitors:report()", expect=1)


def test_purge_deletes_old_totals_with_and_without_a_server(old):
    one = old()
    assert command(one, "purge", "2019-01").stdout == "deleted: 2018-05\n"
    command(one, "purge", "localhost", "2019-01", expect=1)
    assert set(one.store()["totals"]) == {"2019-03", "2020-09"}
    one.start()
    assert "deleted: 2019-03" in command(one, "purge", "localhost", "2021-01").stdout
    # The newest month may still be open.
    assert set(one.store()["totals"]) == {"2020-09"}
    assert "nothing to delete" in one.shell('monthly_visitors:purge("localhost", "2021-01")')
    one.shell('monthly_visitors:purge("localhost", "november")', expect=1)


def test_purge_without_a_host_is_for_all_hosts_with_and_without_a_server(old):
    one = old(hosts=("localhost", "second.example"))
    lua("write_store.lua", one.folder / "data", "second.example", input=OLD)

    def months():
        return [set(one.store(host)["totals"]) for host in one.hosts]

    assert command(one, "purge", "2019-01").stdout.count("deleted: 2018-05") == 2
    assert months() == 2 * [{"2019-03", "2020-09"}]
    one.start()
    assert command(one, "purge", "2020-01").stdout.count("deleted: 2019-03") == 2
    assert months() == 2 * [{"2020-09"}]
    assert command(one, "purge", "2020-01", expect=1).stdout.count("nothing to delete") == 2


def test_a_file_format_is_of_one_host(old):
    one = old(hosts=("localhost", "second.example"))
    # The second has nobody's data yet.
    assert "Say which host" in command(one, "report", "--format=csv", expect=2).stderr
    assert json.loads(command(one, "report", "localhost", "--format=json").stdout)
    assert "second.example:\n" in command(one, "report").stdout


def test_old_totals_are_deleted_by_themselves(old):
    one = old("mod_monthly_visitors_retention_months = 20").start()
    one.says("retention_months is 20")
    assert set(one.store()["totals"]) == {"2019-03", "2020-09"}


def test_forget_deletes_a_marker_with_and_without_a_server(old):
    one = old()
    command(one, "forget", "user1@localhost")
    one.start()
    assert "forgotten" in command(one, "forget", "user2@localhost").stdout
    assert "forgotten" in one.shell('monthly_visitors:forget("user3@localhost")')
    # Names are prepared as those who log in are.
    assert "forgotten" in command(one, "forget", "USER5@LOCALHOST").stdout
    # The answer tells nobody whether somebody was here.
    assert "forgotten" in one.shell('monthly_visitors:forget("nobody@localhost")')
    one.end()
    assert "forgotten" in command(one, "forget", "User6@Localhost").stdout
    assert set(one.store()["users"]) == {"user0", "user4"}
    assert one.totals()["client-IOS"] == 21


def test_the_history_moves_to_the_sealed_store_by_a_command_and_a_line(old, names):
    one = old().start()
    people = [next(names) for _ in range(5)]
    for user in people:
        one.login(user)
    one.end()
    line = f"sealed:{one.folder}/sealed"
    assert "copied into" in command(one, "copy", line).stdout
    one.configure(f'mod_monthly_visitors_store = "{line}"')
    one.start()
    for user in people + [next(names)]:
        one.login(user)
    one.flush()
    rows = command(one, "report", "--format=csv").stdout
    assert re.search(rf"{this_month()}\S*client-\?\D+6\b", rows), rows
    assert re.search(r"2018-05\S*client-IOS\D+7\b", rows)
    # And back again, in the shell: closed months only, for no names are left.
    assert one.store()["totals"][this_month()]["client-?"] == 5
    shutil.rmtree(one.folder / "data/localhost")
    (one.folder / "data/localhost").mkdir()
    refused = one.ctl("shell", 'monthly_visitors:copy("localhost", "prosody:")', expect=1).stderr
    assert this_month() in refused and "now has: 2018-05, 2019-03, 2020-09" in refused
    assert set(one.store()["totals"]) == {"2018-05", "2019-03", "2020-09"}
    # The history can also be fetched after the line has changed.
    shutil.rmtree(one.folder / "sealed")
    one.end()
    command(one, "copy", line, "--from=prosody:")
    assert "2018-05" in command(one, "report").stdout


def test_check_says_what_is_right_and_wrong(old, places, tmp_path):
    one = old(f'mod_monthly_visitors_geoip = "{places}"')
    new = server_without_data(old, "sealed")
    assert "nothing recorded yet" in new
    found = command(one, "check").stdout
    assert "places.mmdb, built on 2026-01-01" in found and "3 months, 2018-05 to 2020-09" in found
    one.start()
    assert "3 months" in command(one, "check", "localhost").stdout
    assert "3 months" in one.shell('monthly_visitors:check("localhost")')
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"x" * 100)
    one.configure(
        f'mod_monthly_visitors_geoip = "{broken}"\nmod_monthly_visitors_client_patterns = {{ {{ "[", "X" }} }}\n'
        'mod_monthly_visitors_retention_months = "many"\nmod_monthly_visitors_tore = "x"\n'
    )
    wrong = [line for line in command(one, "check", expect=2).stderr.splitlines() if line.startswith("WRONG")]
    assert [line.split()[1].rstrip(":") for line in wrong] == [
        "geoip",
        "client_patterns",
        "retention_months",
        "mod_monthly_visitors_tore",
    ]


def test_check_tells_of_countries_without_a_database(old, places):
    one = old('mod_monthly_visitors_record_country = "DE"')
    assert "WRONG record_countries: needs geoip" in command(one, "check", expect=2).stderr
    one.configure('mod_monthly_visitors_record_country = "ALL"')
    assert "ok    record_countries: ALL" in command(one, "check").stdout
    one.configure(f'mod_monthly_visitors_record_country = "DE"\nmod_monthly_visitors_geoip = "{places}"')
    assert "ok    record_countries: DE" in command(one, "check").stdout


def test_check_tells_of_totals_that_cannot_be_read(old):
    one = old()
    totals = one.folder / "data/localhost/monthly%2dvisitors.dat"
    totals.write_text('return { ["2026-11"] = { ["geo-')
    assert "WRONG store: " in command(one, "check", expect=2).stderr
    one.start()
    found = one.ctl("shell", 'monthly_visitors:check("localhost")', expect=1).stderr
    assert "WRONG store: " in found and "WRONG server: visitors are not counted" in found
    assert command(one, "purge", "2019-01", expect=2).stderr


def test_check_in_the_shell_tells_of_the_options_that_are_written_and_of_those_in_force(old):
    one = old().start()
    one.configure('mod_monthly_visitors_retention_months = "many"')
    one.ctl("reload")
    one.says("The options stay as they were")
    found = one.ctl("shell", 'monthly_visitors:check("localhost")', expect=1).stderr
    assert "WRONG retention_months: must be" in found and "WRONG server: the options before are in force" in found


def test_who_is_not_counted_has_nothing_to_ask_for(server):
    one = server(
        hosts=(
            "localhost",
            'VirtualHost "guests.example"\nauthentication = "anonymous"\n',
            'VirtualHost "old.example"\nanonymous_login = true\n',
            'VirtualHost "without.example"\nmodules_disabled = { "monthly_visitors" }\n',
            'Component "rooms.example" "muc"\n',
        )
    )
    for host, reason in (
        ("guests.example", "Anonymous"),
        ("old.example", "Anonymous"),
        ("without.example", "not have the module"),
        ("rooms.example", "component|not have the module"),
    ):
        assert re.search(reason, command(one, "check", host, expect=2).stderr), host
        assert re.search(reason, command(one, "forget", f"juliet@{host}", expect=2).stderr), host
    assert "ok    store" in command(one, "check").stdout
    one.start()
    assert "Anonymous" in one.ctl("shell", 'monthly_visitors:report("guests.example")', expect=1).stderr


def test_the_shell_says_what_it_can_do(old):
    one = old().start()
    found = one.shell("monthly_visitors:help()")
    for name in ("report(host, first, last, format)", "purge(host, month)", "forget(jid)", "copy(host, url, from)", "check(host)"):
        assert f"monthly_visitors:{name} - " in found
    assert "first is not a text" in one.ctl("shell", 'monthly_visitors:report("localhost", 2020)', expect=1).stderr


def test_the_items_for_a_newer_shell_do_the_same(old, plugins):
    one = old(hosts=("localhost", "second.example"), module='monthly_visitors", "shell_items')
    one.plugins = f'{plugins}", "{HERE}/modules'
    one.configure()
    one.start()

    def call(*arguments, **more):
        return one.shell("shell_items:call(" + ", ".join(f'"{argument}"' for argument in arguments) + ")", **more)

    assert "2019-03" in call("monthly_visitors:report", "localhost", "2019-03")
    assert "deleted: 2018-05" in call("monthly_visitors:purge", "localhost", "2019-01")
    assert "forgotten" in call("monthly_visitors:forget", "user3@localhost")
    assert "copied into" in call("monthly_visitors:copy", "localhost", f"sealed:{one.folder}/copy")
    assert "2019-03 to 2020-09" in call("monthly_visitors:check", "localhost")
    assert "0 months" in call("monthly_visitors:check", "second.example")
    one.shell('module:unload("monthly_visitors", "second.example")')
    call("monthly_visitors:check", "second.example", expect=1)


def test_metrics_say_that_nobody_is_counted_and_forget_what_is_over(old, names, places):
    one = old(f'mod_monthly_visitors_geoip = "{places}.none"').start()
    one.says("Visitors are not counted")
    assert 'prosody_mod_monthly_visitors__recording{host="localhost"} 0' in one.metrics()
    one.configure()
    one.ctl("reload")
    one.says("Visitors are counted")
    one.login(next(names))
    one.totals(count=22)
    assert 'prosody_mod_monthly_visitors__recording{host="localhost"} 1' in one.metrics()
    assert 'prosody_mod_monthly_visitors__users{host="localhost",month="2018-05"} 7' in one.metrics()
    one.shell('monthly_visitors:purge("localhost", "2019-01")')
    found = [line for line in one.metrics() if 'month="2018-05"' in line]
    assert found == ['prosody_mod_monthly_visitors__users{host="localhost",month="2018-05"} 0']


def test_without_the_library_the_metric_says_so(server, tmp_path):
    one = server()
    one.env["LD_LIBRARY_PATH"] = str(tmp_path)
    one.start()
    one.says("cannot load the library")
    assert 'prosody_mod_monthly_visitors__recording{host="localhost"} 0' in one.metrics()
    found = one.ctl("shell", 'monthly_visitors:report("localhost")', expect=1).stderr
    assert "cannot load the library" in found


def test_metrics_tell_health_and_nothing_of_a_login(old, names, places):
    one = old(f'mod_monthly_visitors_geoip = "{places}"').start()

    def metrics():
        return sorted(line for line in one.metrics() if "{" in line)

    before = metrics()
    values = {re.sub(r"^prosody_mod_monthly_visitors__(\w+)\{(.*)\}.*", r"\1 \2", line): line.rsplit(" ", 1)[1] for line in before}
    assert values == {
        'recording host="localhost"': "1",
        'failing host="localhost"': "0",
        'pending host="localhost"': "0",
        'unwritten_seconds host="localhost"': "0",
        'database_built_seconds host="localhost",database="geoip"': "1767225600",
        'database_built_seconds host="localhost",database="asn"': "0",
        'users host="localhost",month="2018-05"': "7",
        'users host="localhost",month="2019-03"': "7",
        'users host="localhost",month="2020-09"': "7",
    }
    for count in range(1, 6):
        one.login(next(names), address="192.0.2.1")
        assert metrics() == before, "a number moved with a login"
        one.totals(count=21 + count)
        assert metrics() == before, "a number moved with a login"
