"""Several hosts: their stores, keys and databases, and counts that they bring along."""

import subprocess

from ejabberd_server import TARGET, wait_for

HOSTS = ("localhost", "example.net")


def log_in(server, user, host="localhost"):
    server.tcp("192.0.2.1", domain=host).login(user, resource="gajim").close()


def test_host_stands_for_the_name_of_the_host_in_store_and_key_dir(ejabberd, month):
    server = ejabberd(hosts=HOSTS)
    server.set_options({"store": f"sealed:{server.folder}/counts/@HOST@", "key_dir": f"{server.folder}/keys/@HOST@"})
    for folder in ("counts", "keys"):
        (server.folder / folder).mkdir()
    server.start()
    server.register_admin()
    for host in HOSTS:
        server.wait_until_counting(host=host)
        server.register("juliet", host=host)
        log_in(server, "juliet", host)
        server.admin("monthly_visitors_flush", host=host)
        assert list((server.folder / "counts" / host).glob(f"{month}.*"))
        # The keys are there, and not beside the counts.
        assert (server.folder / "keys" / host / f"{month}.key").exists()
        assert not list((server.folder / "counts" / host).glob("*.key"))
    server.stop()
    server.start()
    for host in HOSTS:
        server.wait_until_counting(times=2, host=host)
        log_in(server, "juliet", host)
        assert server.report(month, host) == {"geo-?-?-?": 1, "client-?": 1}


def test_two_hosts_in_one_store_are_told_so_and_neither_counts(ejabberd):
    server = ejabberd(hosts=HOSTS)
    server.set_options({"store": f"sealed:{server.folder}/counts"})
    server.start()
    wait_for(lambda: server.log().count("Not counting visitors") == 2, "both lines")
    for host, other in (HOSTS, HOSTS[::-1]):
        assert f"Not counting visitors of {host}, trying again every minute: store: {other} has the same; write @HOST@" in server.log()
    assert not (server.folder / "counts").exists()


def test_a_second_server_at_the_same_store_is_told_who_has_it(ejabberd):
    """As a second node of a cluster with a shared disk would be."""
    first = ejabberd()
    first.set_options({"store": f"sealed:{first.folder}/counts"})
    first.start()
    first.wait_until_counting()
    second = ejabberd()
    second.set_options({"store": f"sealed:{first.folder}/counts"})
    second.start()
    wait_for(lambda: "Not counting visitors of localhost, trying again every minute: cannot record" in second.log(), "the refusal")
    assert f"the store is in use by process {first.process.pid}" in second.log()


def peak(server):
    """The most memory that the server ever had, in bytes."""
    status = open(f"/proc/{server.process.pid}/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_hosts_that_name_the_same_database_share_one_copy(ejabberd, ejabberd_places, geolite):
    """With twelve hosts more, the node never has as much memory more as one more copy would take."""
    def peak_of(hosts, database):
        server = ejabberd({"geoip": str(database)}, hosts=hosts).start()
        for host in hosts:
            server.wait_until_counting(host=host)
        memory = peak(server)
        server.kill()
        return memory

    many = [f"host{i}.example" for i in range(13)]
    one = peak_of(many[:1], geolite)
    copy = one - peak_of(many[:1], ejabberd_places)
    assert copy > 10_000_000, "the database is to be seen in the memory"
    assert peak_of(many, geolite) - one < copy


def test_counts_of_prosody_come_along_as_the_guide_says(ejabberd, month, tmp_path):
    prosody = tmp_path / "localhost"
    (prosody / "monthly%2dvisitors").mkdir(parents=True)
    (prosody / "monthly%2dvisitors.dat").write_text(
        'return {\n\t["2025-10"] = {\n\t\t["geo-DE-HE-2925533"] = 7;\n\t\t["client-IOS"] = 7;\n\t};\n};\n'
    )
    server = ejabberd()
    target = server.folder / "spool/monthly_visitors/localhost"
    target.parent.mkdir(parents=True)
    command = [TARGET / "release/monthly-visitors", "--store", f"prosody:{prosody}", "--host", "localhost", "copy", "--to", f"sealed:{target}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    server.start()
    server.register_admin()
    server.register("juliet")
    server.wait_until_counting()
    log_in(server, "juliet")
    assert server.report("2025-10") == {"geo-DE-HE-2925533": 7, "client-IOS": 7}
    assert server.report(month) == {"geo-DE-HE-2925533": 1, "client-DESKTOP": 1}


def test_an_account_deleted_while_the_store_is_closed_is_forgotten_when_it_opens(ejabberd, month):
    server = ejabberd().start()
    server.register_admin()
    server.register("juliet")
    server.wait_until_counting()
    log_in(server, "juliet")
    options = server.config["modules"]["mod_monthly_visitors"]
    server.stop()
    server.set_options({**options, "geoip": "/nowhere/places.mmdb"})
    server.start()
    wait_for(lambda: "Not counting visitors of localhost, trying" in server.log(), "the refusal")
    assert server.rest("unregister", {"user": "juliet", "host": "localhost"})[0] == 200
    login = ("admin@localhost", "secret")
    status, answer = server.rest("monthly_visitors_forget", {"user": "juliet", "host": "localhost"}, login)
    assert status == 400 and "/nowhere/places.mmdb" in str(answer)
    server.set_options(options)
    server.write_config()
    server.admin("reload_config")
    server.wait_until_counting(times=2)
    server.register("juliet")
    log_in(server, "juliet")
    wait_for(lambda: server.report(month) == {"geo-DE-HE-2925533": 2, "client-DESKTOP": 2} or log_in(server, "juliet"), "juliet to count again")
