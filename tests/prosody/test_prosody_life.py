"""The life of a server: daemon, reload, hosts, month's end, what goes missing."""

import calendar
import re
import shutil
import time
from pathlib import Path

from .networks import database
from .server import ABI, RELEASE, make, run, wait_for


def test_a_daemon_counts(server, names):
    one = server().start(daemonize=True)
    for _ in range(5):
        one.login(next(names))
    assert one.totals(count=5) == {"geo-?-?-?": 5, "client-?": 5}
    # What is pending at the end is written.
    one.login(next(names))
    one.end()
    assert one.totals() == {"geo-?-?-?": 6, "client-?": 6}
    one.start(daemonize=True)
    one.login(next(names))
    assert one.totals(count=7)


def test_a_daemon_holds_its_store_from_the_start(server):
    one = server().start(daemonize=True)
    one.says("Visitors are counted")
    other = server(name="other")
    other.configure(f'mod_monthly_visitors_store = "prosody:{one.folder}/data"')
    other.start()
    assert f"in use by process {one.daemon}" in other.says("Visitors are not counted")


def test_a_shutdown_writes_what_is_pending(server, names):
    one = server('mod_monthly_visitors_flush_interval = "1h"').start()
    one.login(next(names))
    assert one.store()["totals"] == {}
    one.end()
    assert one.totals() == {"geo-?-?-?": 1, "client-?": 1}


def test_reload_takes_new_options(server, names, places):
    one = server().start()
    one.login(next(names), "Zom-1", "192.0.2.1")
    one.totals(count=1)
    one.configure(f'mod_monthly_visitors_geoip = "{places}"\nmod_monthly_visitors_client_patterns = {{ ["^Zom"] = "IOS" }}')
    one.ctl("reload")
    one.says("Visitors are counted", 2)
    one.login(next(names), "Zom-1", "192.0.2.1")
    assert one.totals(count=2) == {"geo-?-?-?": 1, "client-?": 1, "geo-DE-HE-2925533": 1, "client-IOS": 1}
    # Without a change nothing is opened again.
    one.ctl("reload")
    wait_for("the reload", lambda: one.log().count("SIGHUP") == 2)
    one.shell('config:get("localhost", "data_path")')
    assert len([x for x in one.own_log() if "Visitors are counted" in x]) == 2


def test_a_bad_option_changes_nothing_at_reload_and_is_one_line_at_start(server, names):
    one = server().start()
    bad = 'mod_monthly_visitors_client_patterns = { { "[", "X" } }\nmod_monthly_visitors_retenton_months = 3'
    one.configure(bad)
    one.ctl("reload")
    line = one.says("The options stay as they were")
    assert 'pattern 1 ("[")' in line and "\terror\t" in line
    assert "mod_monthly_visitors_retenton_months" in one.says("There is no option")
    one.login(next(names))
    assert one.totals(count=1)
    one.end()
    lines = len(one.own_log())
    one.start()
    one.says("Visitors are not counted")
    one.login(next(names))
    assert [x.split("\t")[1] for x in one.own_log()[lines:]] == ["warn", "error"]
    assert one.totals() == {"geo-?-?-?": 1, "client-?": 1}


def test_each_reload_says_what_is_wrong_and_when_it_is_right_again(server):
    one = server().start()
    one.configure('mod_monthly_visitors_pattern_syntax = "perl"')
    for count in (1, 2):
        one.ctl("reload")
        one.says("The options stay as they were: pattern_syntax", count)
    one.configure()
    one.ctl("reload")
    one.says("Visitors are counted", 2)


def test_a_wrong_secret_at_a_reload_leaves_the_one_before_in_force(server, names, tmp_path):
    one = server()
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef")
    sealed = f'mod_monthly_visitors_store = "sealed:{one.folder}/sealed"\nmod_monthly_visitors_secret_file = '
    one.configure(sealed + f'"{secret}"')
    one.start()
    one.login(next(names))
    one.configure(sealed + f'"{tmp_path}/none"')
    one.ctl("reload")
    assert "secret_file" in one.says("The options stay as they were")
    one.login(next(names))
    assert re.search(r"client-\?\D*2\b", one.shell('monthly_visitors:report("localhost", nil, nil, "csv")'))


def test_patterns_are_a_list_or_a_map_and_numbers_have_bounds(server):
    one = server()
    for option, text in (
        ('client_patterns = { { "^Zom", "IOS" }, ["^x"] = "X" }', "either a list without gaps or a map"),
        ('client_patterns = { { "^Zom", "IOS" }, nil, { "^x", "X" } }', "either a list without gaps or a map"),
        ("pending_limit = 1e20", "pending_limit"),
        ("flush_interval = math.huge", "flush_interval"),
    ):
        one.configure(f"mod_monthly_visitors_{option}")
        found = one.ctl("mod_monthly_visitors", "check", expect=2).stderr
        assert text in found and "traceback" not in found
    one.start()
    one.says("Visitors are not counted: flush_interval")


def test_history_in_another_storage_is_told_of(server):
    one = server('default_storage = "memory"').start()
    assert "memory storage" in one.says("is not continued")


def test_module_reload_in_the_shell_counts_nobody_twice(server, names):
    one = server().start()
    people = [next(names) for _ in range(5)]
    for _ in range(3):
        for user in people:
            one.login(user)
        one.shell('module:reload("monthly_visitors", "localhost")')
    assert one.totals(count=5) == {"geo-?-?-?": 5, "client-?": 5}
    one.shell('module:unload("monthly_visitors", "localhost")')
    one.login(next(names))
    one.shell('module:load("monthly_visitors", "localhost")')
    one.login(next(names))
    assert one.totals(count=6)


def test_each_host_has_totals_of_its_own_in_both_stores(server, names, places):
    one = server(f'mod_monthly_visitors_geoip = "{places}"', hosts=("one.example", "two.example"))
    for store in ("prosody", "sealed"):
        if store == "sealed":
            one.configure(
                f'mod_monthly_visitors_store = "sealed:{one.folder}/sealed"\n'
                f'mod_monthly_visitors_key_dir = "{one.folder}/keys"\n'
            )
        one.start()
        same = next(names)
        for host, count in (("one.example", 2), ("two.example", 1)):
            one.login(same, host=host)
            for _ in range(count):
                one.login(next(names), host=host)
        reports = [one.shell(f'monthly_visitors:report("{host}", nil, nil, "csv")') for host in one.hosts]
        one.end()
        assert [re.findall(r"client-\?\D*(\d+)", report) for report in reports] == [["3"], ["2"]]
    assert one.totals("one.example", 3) and one.totals("two.example", 2)
    for host in ("one%2eexample", "two%2eexample"):
        assert list((one.folder / "sealed" / host).iterdir())
        assert list((one.folder / "keys" / host).iterdir())
    assert (one.folder / "sealed").stat().st_mode & 0o777 == 0o700


def test_a_folder_as_store_has_one_of_its_own_for_each_host(server, names):
    one = server(hosts=("one.example", "two.example"))
    one.configure(f'mod_monthly_visitors_store = "prosody:{one.folder}/data"')
    one.start()
    for host in one.hosts:
        one.login(next(names), host=host)
        assert one.totals(host, 1)
    one.end()
    one.ctl("mod_monthly_visitors", "copy", f"prosody:{one.folder}/back")
    for host in ("one%2eexample", "two%2eexample"):
        assert (one.folder / "back" / host / "monthly%2dvisitors.dat").exists()


def test_a_database_is_read_once_for_all_hosts(server, names, geolite):
    read = []
    for hosts in (["one.example"], ["one.example", "two.example", "three.example", "four.example"]):
        one = server(f'mod_monthly_visitors_geoip = "{geolite}"', name=hosts[-1], hosts=hosts).start()
        for host in hosts:
            one.login(next(names), address="8.8.8.8", host=host)
            assert "geo-US-?-?" in one.totals(host, 1)
        (line,) = re.findall(r"^rchar: (\d+)$", Path(f"/proc/{one.process.pid}/io").read_text(), re.M)
        read.append(int(line))
    size = geolite.stat().st_size
    assert read[0] > size, "it was not read, but mapped"
    assert read[1] < read[0] + size / 2


def test_networks_are_counted_by_either_name_of_the_option(server, names, tmp_path):
    (tmp_path / "networks.mmdb").write_bytes(database(b"\xc0\0\x02\0", 24, 64496))
    one = server(
        hosts=(
            f'VirtualHost "one.example"\nmod_monthly_visitors_isp_mmdb_path = "{tmp_path}/networks.mmdb"\n',
            f'VirtualHost "two.example"\nmod_monthly_visitors_asn = "{tmp_path}/networks.mmdb"\n',
        )
    ).start()
    for host in ("one.example", "two.example"):
        one.login(next(names), address="192.0.2.7", host=host)
        one.login(next(names), address="198.51.100.1", host=host)
        counts = one.totals(host, 2)
        assert {key: count for key, count in counts.items() if key.startswith("asn-")} == {"asn-AS64496": 1, "asn-?": 1}


def test_without_the_library_there_is_one_line_and_logins_go_on(server, names, tmp_path):
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    library = libraries / f"libmonthly_visitors.so.{ABI}"
    library.symlink_to(RELEASE / "libmonthly_visitors.so")
    one = server()
    one.libraries, one.env["LD_LIBRARY_PATH"] = libraries, str(libraries)
    one.start()
    one.login(next(names))
    # Removed while the server runs: it goes on with what it has.
    library.unlink()
    one.login(next(names))
    one.shell('module:reload("monthly_visitors", "localhost")')
    one.login(next(names))
    assert one.totals(count=3)
    one.end()
    lines = len(one.own_log())
    one.start()
    one.login(next(names))
    found = one.own_log()[lines:]
    assert len(found) == 1 and "\terror\t" in found[0], found
    assert f"libmonthly_visitors.so.{ABI}" in found[0]
    assert f"libmonthly_visitors.so.{ABI}" in one.ctl("mod_monthly_visitors", "report", expect=2).stderr
    # It is back: told to reload, the server counts again.
    library.symlink_to(RELEASE / "libmonthly_visitors.so")
    one.ctl("reload")
    one.says("Visitors are counted", 3)
    one.login(next(names))
    assert one.totals(count=4)


def test_without_the_binding_there_is_one_line_too(server, names, tmp_path):
    folder = tmp_path / "plugins"
    make("install-prosody", f"DESTDIR={folder}", "plugindir=/modules")
    (folder / "modules/mod_monthly_visitors/lmonthly_visitors.so").unlink()
    one = server()
    one.plugins = folder / "modules"
    one.configure()
    one.start()
    one.login(next(names))
    found = one.own_log()
    assert len(found) == 1 and "lmonthly_visitors is not installed for Lua 5.4" in found[0], found


def test_a_broken_database_is_one_line_and_logins_go_on(server, names, tmp_path):
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"\0" * 1000)
    one = server(f'mod_monthly_visitors_mmdb_path = "{broken}"').start()
    one.login(next(names), address="192.0.2.1")
    assert len(one.own_log()) == 1
    assert "broken.mmdb" in one.says("Visitors are not counted")


def test_a_replaced_database_is_used_and_a_broken_one_is_not(server, names, places, tmp_path):
    database = tmp_path / "city.mmdb"
    other = tmp_path / "other.mmdb"
    lines = "network,country,subdivision,geoname_id,city\n192.0.2.0/24,NO,03,3143244,Oslo\n"
    (tmp_path / "other.csv").write_text(lines)
    run([RELEASE / "examples/sample_mmdb", tmp_path / "other.csv", other])
    shutil.copy(places, database)
    one = server(f'mod_monthly_visitors_mmdb_path = "{database}"').start()
    one.login(next(names), address="192.0.2.1")
    one.totals(count=1)
    other.rename(database)
    counted = ["geo-DE-HE-2925533"]

    def oslo():
        one.login(next(names), address="192.0.2.1")
        counted.append("x")
        time.sleep(1)
        return "geo-NO-03-3143244" in one.totals()

    # "Within a minute", and some more for a busy machine.
    wait_for("the new database", oslo, 120)
    database.write_bytes(b"no database")
    one.says("city.mmdb")
    one.login(next(names), address="192.0.2.1")
    counts = one.totals(count=len(counted) + 1)
    assert counts["geo-NO-03-3143244"] + counts["geo-DE-HE-2925533"] == len(counted) + 1


def test_a_store_that_cannot_be_written_costs_nothing_but_patience(server, names):
    one = server("mod_monthly_visitors_flush_interval = 0.02").start()
    one.login(next(names))
    one.totals(count=1)
    marks = one.folder / "data/localhost/monthly%2dvisitors"
    away = marks.with_name("away")
    marks.rename(away)
    marks.write_text("in the way")
    for _ in range(20):
        one.login(next(names))
    assert "\terror\t" in one.says("visits wait in memory")
    assert any(x.endswith(" 1") for x in one.metrics() if "failing{" in x)
    marks.unlink()
    away.rename(marks)
    one.says("can be written again")
    one.flush()
    assert one.totals(count=21)
    assert len(one.store()["users"]) == 21


def test_a_deleted_account_is_forgotten(server, names):
    # In the sealed store: what is in the data directory Prosody deletes itself.
    one = server(hosts=('VirtualHost "localhost"\nauthentication = "internal_plain"\n',))
    one.configure(f'mod_monthly_visitors_store = "sealed:{one.folder}/sealed"')
    one.start()

    def counted():
        return re.findall(r"client-\?\D*(\d+)", one.shell('monthly_visitors:report("localhost", nil, nil, "csv")'))

    user, other = next(names), next(names)
    for _ in range(2):
        for name in (user, other):
            one.canaries.add(name)
            one.ctl("register", name, "localhost", "secret")
            one.login(name)
        one.shell(f'user:delete("{user}@localhost")')
    # Whoever takes the name then is somebody else.
    assert counted() == ["3"]


def test_who_stays_over_the_end_of_the_month_is_counted_within_a_day(server, names, tmp_path):
    (faketime,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    clock = tmp_path / "clock"

    def set_clock(text):
        then = calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M"))
        clock.with_suffix(".new").write_text(f"{then - int(time.time()):+d}")
        clock.with_suffix(".new").rename(clock)

    set_clock("2026-10-31 23:58")
    one = server("mod_monthly_visitors_flush_interval = 0.02")
    one.env |= {"LD_PRELOAD": str(faketime), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    # Timers go on as they are.
    one.env |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    one.start()
    user, gone = next(names), next(names)
    one.login(user, "Zom", stay=True)
    one.login(gone)
    wait_for("October", lambda: one.store()["users"] == {user: "2026-10", gone: "2026-10"})
    # The month ends and the sweep begins; a day later it is done.
    set_clock("2026-11-01 00:10")
    one.login(gone, stay=True)
    # The totals of a batch are written before its markers.
    wait_for("November", lambda: one.store()["users"] == {user: "2026-10", gone: "2026-11"})
    assert "2026-11" in one.store()["totals"]
    begun = time.monotonic()
    wait_for("the sweep to begin", lambda: time.monotonic() > begun + 21 and one.get("/"))
    set_clock("2026-11-02 01:00")
    wait_for("who stayed", lambda: one.store()["users"] == {user: "2026-11", gone: "2026-11"})
    found = one.store()["totals"]["2026-11"]
    assert found == {"geo-?-?-?": 2, "client-?": 2}
