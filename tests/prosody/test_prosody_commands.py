"""Commands in prosodyctl and in the shell, and the metrics."""

import json
import re
import shutil

import pytest

from conftest import lua, this_month

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
    # The answer tells nobody whether somebody was here.
    assert "forgotten" in one.shell('monthly_visitors:forget("nobody@localhost")')
    assert set(one.store()["users"]) == {"user0", "user4", "user5", "user6"}
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
    assert this_month() in one.ctl("shell", 'monthly_visitors:copy("localhost", "prosody:")', expect=1).stderr
    assert set(one.store()["totals"]) == {"2018-05", "2019-03", "2020-09"}
    # The history can also be fetched after the line has changed.
    shutil.rmtree(one.folder / "sealed")
    one.end()
    command(one, "copy", line, "--from=prosody:")
    assert "2018-05" in command(one, "report").stdout


def test_check_says_what_is_right_and_wrong(old, places, tmp_path):
    one = old(f'mod_monthly_visitors_geoip = "{places}"')
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
