"""What counts crashes, and comes back; nobody is lost, and no line names anybody."""

import pytest
from ejabberd_server import wait_for

STATE = "whereis(monthly_visitors_localhost)"


@pytest.fixture
def server(ejabberd):
    server = ejabberd(distributed=True)
    server.config["modules"]["mod_monthly_visitors"]["store"] = f"sealed:{server.folder}/canary-password"
    server.start()
    server.register_admin()
    server.register("canary-user", "juliet", "romeo")
    server.wait_until_counting()
    return server


def log_in(server, user):
    client = server.tcp("192.0.2.1").login(user, resource="gajim")
    client.ping()
    return client


def test_the_process_of_a_host_comes_back_and_nobody_is_lost(server, month):
    """Killed, and by a message that it cannot understand."""
    before = server.evaluate(f"pid_to_list({STATE}).")
    server.evaluate(f"exit({STATE}, kill).")
    log_in(server, "juliet")
    wait_for(lambda: server.evaluate(f"{STATE}.") not in ("undefined", before), "the process")
    wait_for(lambda: "went on while its process crashed" in server.log(), "the line")
    log_in(server, "romeo")
    # It has all its duties again: settings, forgetting, closing.
    server.config["modules"]["mod_monthly_visitors"]["clients"] = [{"pattern": "gajim", "category": "OTHER"}]
    server.write_config()
    server.admin("reload_config")
    wait_for(lambda: server.log().count("with the options of now") == 2, "the options")
    assert server.rest("unregister", {"user": "romeo", "host": "localhost"})[0] == 200
    server.register("romeo")
    log_in(server, "romeo")
    assert server.report(month) == {"geo-DE-HE-2925533": 3, "client-DESKTOP": 2, "client-OTHER": 1}
    server.stop()
    assert not [line for line in server.our_log() if "lost" in line or "stays" in line]


def test_processes_that_crash_all_the_time_end_alone(server, month):
    """The node and the counting go on; the next change of the options starts them again."""
    for _ in range(12):
        server.evaluate(f"catch exit({STATE}, kill), timer:sleep(50).")
    wait_for(lambda: server.evaluate("whereis(monthly_visitors_sup).") == "undefined", "the supervisor to give up")
    log_in(server, "juliet")
    assert server.report(month) == {"geo-DE-HE-2925533": 1, "client-DESKTOP": 1}
    server.config["modules"]["mod_monthly_visitors"]["retention_months"] = 12
    server.write_config()
    server.admin("reload_config")
    wait_for(lambda: server.evaluate(f"is_pid({STATE}).") == "true", "the process")
    server.stop()
    server.start()
    assert server.report(month) == {"geo-DE-HE-2925533": 1, "client-DESKTOP": 1}


def test_the_sweep_comes_back(server):
    sweep = "whereis(mod_monthly_visitors_sweep)"
    before = server.evaluate(f"{sweep}.")
    server.evaluate(f"exit({sweep}, kill).")
    wait_for(lambda: server.evaluate(f"{sweep}.") not in ("undefined", before), "the sweep")


def test_a_crash_prints_neither_users_nor_options(server):
    """Each process is made to crash by what it does not know, with a user in the message, and after it has forgotten one."""
    client = log_in(server, "canary-user")
    server.evaluate('monthly_visitors_host:forget(<<"localhost">>, <<"canary-user">>).')
    canary = 'fun() -> <<"canary-user">> end'
    for process in ("monthly_visitors_localhost", "mod_monthly_visitors_sweep", "monthly_visitors_turns"):
        server.evaluate(f"""
            catch gen_server:cast({process}, {{forget, {canary}}}),
            catch gen_server:call({process}, {{no_such_call, {canary}}}, 1000),
            catch sys:replace_state({process}, fun(S) -> setelement(1, S, broken) end),
            catch gen_server:call({process}, {{forget, {canary}}}, 1000),
            catch gen_server:cast({process}, reload),
            timer:sleep(300).""")
    assert "crash" in server.log().lower() or "terminating" in server.log()
    client.close()
    server.stop()
    entries = server.log().split("\n20")
    ours = [entry for entry in entries if "monthly_visitors" in entry]
    assert len(ours) > 3
    for entry in ours:
        assert "canary" not in entry, entry
