"""The commands, through ejabberdctl and REST, for administrators only."""

import pytest
from ejabberd_server import ROOT, wait_for

COMMANDS = {
    "monthly_visitors_report": {"host": "localhost", "month": "2026-11"},
    "monthly_visitors_purge": {"host": "localhost", "before": "2020-01"},
    "monthly_visitors_forget": {"user": "juliet", "host": "localhost"},
    "monthly_visitors_flush": {"host": "localhost"},
    "monthly_visitors_health": {"host": "localhost"},
}


@pytest.fixture
def server(ejabberd):
    server = ejabberd(distributed=True, hosts=("localhost", "example.net")).start()
    server.register_admin()
    server.register("juliet", "romeo")
    server.wait_until_counting()
    server.wait_until_counting(host="example.net")
    return server


def test_ejabberdctl_runs_each_command(server, month):
    server.tcp("192.0.2.1").login("juliet", resource="gajim")
    assert server.ctl("monthly_visitors_report", "localhost", month) == (0, "client-DESKTOP\t1\ngeo-DE-HE-2925533\t1")
    assert server.ctl("monthly_visitors_flush", "localhost") == (0, "done")
    assert server.ctl("monthly_visitors_purge", "localhost", "2020-01") == (0, "done")
    assert server.ctl("monthly_visitors_forget", "JULIET", "localhost") == (0, "done")
    status, health = server.ctl("monthly_visitors_health", "localhost")
    values = dict(line.split("\t") for line in health.splitlines())
    assert status == 0 and values["failing"] == "0" and int(values["geoip_built"]) > 0
    # Forgotten, the user counts again.
    server.tcp("192.0.2.1").login("juliet", resource="gajim")
    assert server.report(month) == {"geo-DE-HE-2925533": 2, "client-DESKTOP": 2}


def test_ejabberdctl_tells_of_failures(server):
    for arguments, expected in [
        (("monthly_visitors_report", "localhost", "November"), "YYYY-MM"),
        (("monthly_visitors_report", "nowhere.example", "2026-11"), "not counted"),
        (("monthly_visitors_purge", "localhost", "yesterday"), "YYYY-MM"),
        (("monthly_visitors_forget", "a b", "localhost"), "not the name of a user"),
        (("monthly_visitors_flush", "nowhere.example"), "not counted"),
    ]:
        status, text = server.ctl(*arguments)
        assert status == 1 and expected in text, f"{arguments}: {status} {text}"


def test_ejabberdctl_explains_each_command(server):
    for command, arguments in COMMANDS.items():
        status, text = server.ctl("help", command)
        assert status == 0
        assert all(argument in text for argument in arguments), text


def test_rest_runs_each_command_for_administrators(server):
    for command, arguments in COMMANDS.items():
        status, answer = server.rest(command, arguments, ("admin@localhost", "secret"))
        assert status == 200, f"{command}: {answer}"


def test_rest_refuses_whoever_is_no_administrator(server):
    for command, arguments in COMMANDS.items():
        for login in [None, ("juliet@localhost", "secret"), ("admin@localhost", "wrong")]:
            status, answer = server.rest(command, arguments, login)
            assert status in (401, 403), f"{command} as {login}: {status} {answer}"


def test_rest_tells_of_failures(server):
    for command, arguments in [
        ("monthly_visitors_report", {"host": "localhost", "month": "13"}),
        ("monthly_visitors_purge", {"host": "localhost", "before": "x\0y"}),
        ("monthly_visitors_forget", {"user": "", "host": "localhost"}),
        ("monthly_visitors_flush", {"host": "nowhere.example"}),
    ]:
        status, answer = server.rest(command, arguments, ("admin@localhost", "secret"))
        assert status == 400, f"{command}: {status} {answer}"


def test_commands_go_with_the_last_host(server):
    def status(host):
        return server.rest("monthly_visitors_flush", {"host": host}, ("admin@localhost", "secret"))

    modules = server.config["modules"]
    options = modules.pop("mod_monthly_visitors")
    server.config["append_host_config"] = {"localhost": {"modules": {"mod_monthly_visitors": options}}}
    server.write_config()
    server.admin("reload_config")
    wait_for(lambda: status("example.net")[0] == 400, "the first host to stop")
    assert status("localhost")[0] == 200
    del server.config["append_host_config"]
    server.write_config()
    server.admin("reload_config")
    wait_for(lambda: status("localhost") == (400, "unknown_command"), "the commands to go")


def test_a_deleted_account_is_forgotten(server, month):
    server.tcp("192.0.2.1").login("romeo", resource="gajim")
    assert server.rest("unregister", {"user": "romeo", "host": "localhost"})[0] == 200
    server.register("romeo")
    server.tcp("192.0.2.1").login("romeo", resource="gajim")
    assert server.report(month) == {"geo-DE-HE-2925533": 2, "client-DESKTOP": 2}


def test_the_example_of_the_guide_lets_the_administrator_in_and_nobody_else(ejabberd):
    guide = (ROOT / "docs/ejabberd.md").read_text()
    example = guide[guide.index("listen:\n") :]
    example = example[: example.index("```")]
    server = ejabberd(hosts=("example.net",), distributed=True)
    for key in ("listen", "acl", "api_permissions"):
        del server.config[key]
    assert "5280" in example
    (server.folder / "example.yml").write_text(example.replace("5280", str(server.http)))
    server.config["include_config_file"] = [str(server.folder / "example.yml")]
    server.start(wait=False)
    server.wait_until_counting(host="example.net")
    wait_for(lambda: server.ctl("status")[0] == 0, "ejabberdctl")
    for user in ("admin", "juliet"):
        assert server.ctl("register", user, "example.net", "secret")[0] == 0
    for command, arguments in COMMANDS.items():
        arguments = {**arguments, "host": "example.net"}
        for user, expected in (("admin", 200), ("juliet", 403)):
            status, answer = server.rest(command, arguments, (f"{user}@example.net", "secret"))
            assert status == expected, f"{command} as {user}: {status} {answer}"
