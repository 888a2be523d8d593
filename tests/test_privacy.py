"""The claims of docs/privacy.md as attacks on bytes: files, messages and
memory of a real host. Each attack has a control, which must find something."""

import base64
import hashlib
import ipaddress
import random
import re
import string
import struct
import urllib.parse

import pytest

import sealed_file
from conftest import RELEASE, ROOT, run
from host import Host

DAY = 86400
OCTOBER, NOVEMBER, DECEMBER = 1791633600, 1794312000, 1796904000
USERS = 10_000
ARGUMENT, STORAGE, GEOIP = -1, -5, -6


@pytest.fixture
def host(host_program, library_env, tmp_path):
    """Starts hosts, and ends those that are left."""
    hosts = []

    def host(settings):
        hosts.append(Host(host_program, library_env, tmp_path / "host.log"))
        hosts[-1].do("open", settings)
        return hosts[-1]

    yield host
    for one in hosts:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def store(tmp_path, sample):
    """Makes settings of a store of their own: (settings, folder)."""

    def store(name="store", kind="sealed", **more):
        folder = tmp_path / name
        if kind == "prosody":
            folder.mkdir(exist_ok=True)
        lines = [f"store = '{kind}:{folder}'", f"geoip = '{sample}'"]
        lines += [f"{key} = {value!r}" for key, value in more.items()]
        lines += ["[[client]]", "pattern = '^Conversations%.'", "category = 'ANDROID'"]
        path = tmp_path / f"{name}.toml"
        path.write_text("\n".join(lines) + "\n")
        return path, folder

    return store


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def listing(folder):
    """What `ls` shows: names, modes, sizes, numbers of links, and the times of
    modification of all but `lock`, which tells when a server started."""
    shown = {}
    for path in sorted([folder, *folder.rglob("*")]):
        about = path.stat()
        time = None if path.name == "lock" else about.st_mtime_ns
        shown[str(path.relative_to(folder))] = (about.st_mode, about.st_size, about.st_nlink, time)
    return shown


# --- P1: no identity in any byte ---------------------------------------------

SEEN = 8  # Bytes at the start of a form: enough to know it, few enough to find each.


def forms(text):
    """The ways in which a text may be written."""
    texts = {text, text.lower(), text.upper(), urllib.parse.quote(text, safe="")}
    texts.add("".join(c if c.isalnum() else f"%{ord(c):02x}" for c in text))
    plain = {x.encode() for x in texts}
    written = {code.encode() for x in plain for code in (x.hex(), x.hex().upper())}
    wide = {x.encode(code) for x in texts for code in ("utf-16-le", "utf-16-be")}
    based = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # The first characters of a text that begins within a group depend on what is before it.
        based |= {encode(b"\0" * shift + x)[4 * (shift > 0) :] for x in plain for shift in range(3)}
    return {x for x in plain | written | wide | based if len(x) >= SEEN}


def address_forms(text):
    """Without what all addresses of the documentation begin with."""
    address = ipaddress.ip_address(text)
    packed = address.packed[4:]
    return forms(str(address)[9:]) | forms(address.exploded[10:]) | {packed, packed[::-1]}


def index(canaries, forms=forms):
    """From the start of each form to whose it is."""
    return {form[:SEEN]: canary for canary in canaries for form in forms(canary)}


def found(wanted, data):
    """The canaries of an index that are somewhere in the bytes."""
    return {wanted[data[i : i + SEEN]] for i in range(len(data) - SEEN + 1) if data[i : i + SEEN] in wanted}


def people(count, seed):
    """Users, resources and addresses that nothing else looks like."""
    draw = random.Random(seed)

    def text(size):
        return "".join(draw.choices(string.ascii_letters + string.digits, k=size))

    users = [f"{text(14)}@example.net" for _ in range(count)]
    resources = [f"{text(9)}.{text(9)}" for _ in range(count)]
    addresses = [str(ipaddress.IPv6Address(0x20010DB8 << 96 | draw.getrandbits(96))) for _ in range(count)]
    return users, resources, addresses


def known(users, resources, addresses):
    return index(users) | index(resources) | index(addresses, address_forms)


def record_all(host, users, resources, addresses, time=NOVEMBER):
    for user, resource, address in zip(users, resources, addresses):
        host.do("login", user, address, resource, time)


def test_no_identity_is_in_any_byte_that_is_written(host, store, tmp_path):
    persons = people(USERS, 1)
    wanted = known(*persons)
    settings, folder = store(flush_interval="50ms")
    server = host(settings)
    record_all(server, *persons)
    server.do("flush")
    for user in persons[0][:20]:
        server.do("forget", user)
    answers = server.do("report")
    during = files(folder)
    key = during["2026-11.key"]
    inside = [sealed_file.plaintext(data, key) for name, data in during.items() if name.endswith((".sealed", ".fresh"))]
    assert b"geo-" in inside[0], "the control: the files cannot be read"
    server.login(["juliet@example.net"], DECEMBER)
    server.login(["juliet@example.net"], DECEMBER + DAY)
    server.do("flush")
    after = files(folder)
    assert "2026-11.json" in after and "2026-11.key" not in after
    answers += server.do("report")
    server.do("close")
    written = [*during.values(), *during, *inside, *after.values(), *after, answers, (tmp_path / "host.log").read_bytes()]
    for data in written:
        assert not found(wanted, data.encode() if isinstance(data, str) else data)


def test_control_every_user_is_found_in_the_prosody_store(host, store):
    persons = people(500, 2)
    settings, folder = store(kind="prosody")
    server = host(settings)
    record_all(server, *persons)
    server.do("close")
    told = "\n".join(files(folder)).encode()
    assert found(known(*persons), told) == set(persons[0])


@pytest.mark.parametrize("around", [b"", b"\0", b"ab"])
def test_control_every_form_is_found(around):
    users, resources, addresses = people(3, 3)
    wanted = known(users, resources, addresses)
    for text in users + resources:
        for form in forms(text):
            assert found(wanted, around + form + b"\n") == {text}
        for code in ("b64encode", "urlsafe_b64encode"):
            assert found(wanted, getattr(base64, code)(around + text.encode() + b"....")) == {text}
    for text in addresses:
        for form in address_forms(text):
            assert found(wanted, around + form + b"\n") == {text}


def test_no_identity_is_in_what_the_program_writes(store, tmp_path):
    persons = people(300, 4)
    settings, folder = store()
    logins = tmp_path / "logins.csv"
    lines = ["user,ip,resource,time"]
    lines += [f"{user},{address},{resource},{NOVEMBER}" for user, resource, address in zip(*persons)]
    lines += [f"{user},{address},{resource},never" for user, resource, address in zip(*persons)]
    logins.write_text("\n".join(lines) + "\n")
    program = [RELEASE / "monthly-visitors", "--config", settings]
    done = run([*program, "record", "--from", logins])
    assert "300" in done.stderr + done.stdout
    said = done.stdout + done.stderr
    for command in (["report"], ["check"], ["forget", persons[0][0]]):
        more = run([*program, *command])
        said += more.stdout + more.stderr
    wanted = known(*persons)
    assert found(wanted, logins.read_bytes()) >= set(persons[0]), "the control"
    for data in [said.encode(), *files(folder).values(), "\n".join(files(folder)).encode()]:
        assert not found(wanted, data)


# --- P2: a closed month depends on its totals alone -----------------------------


def closed_store(host, settings, logins, draw):
    """A store whose November is closed. The server is killed three times; then
    all log in again, as users do."""
    for _ in range(3):
        server = host(settings)
        draw.shuffle(logins)
        for login in logins[: draw.randrange(len(logins))]:
            server.do("login", *login, NOVEMBER)
        server.kill()
    server = host(settings)
    draw.shuffle(logins)
    for login in logins:
        server.do("login", *login, NOVEMBER)
    server.login(["juliet@example.net"], DECEMBER)
    server.login(["juliet@example.net"], DECEMBER + DAY)
    server.do("flush")
    server.do("close")
    server.leave()


def logins_of(prefix, users=2000):
    return [(f"{prefix}{i}", f"192.0.2.{i * 7 % 256}", f"Conversations.{prefix}" if i % 3 else "") for i in range(users)]


def stores_of(host, store, kind, changed=lambda logins: logins):
    draw = random.Random(5)
    both = []
    for name, prefix in (("one", "juliet"), ("other", "romeo")):
        settings, folder = store(name, kind, flush_interval="5ms")
        logins = logins_of(prefix)
        closed_store(host, settings, changed(logins) if name == "other" else logins, draw)
        both.append(folder)
    return both


def of_november(folder):
    """The bytes of all but December, whose files are encrypted."""
    return {name: data for name, data in files(folder).items() if "2026-12." not in name}


def test_a_closed_month_depends_on_its_totals_alone(host, store):
    one, other = stores_of(host, store, "sealed")
    assert set(of_november(one)) == {"2026-11.json", "closed-before", "lock"}
    assert of_november(one) == of_november(other)
    assert listing(one) == listing(other)


def test_control_other_totals_are_other_files(host, store):
    one, other = stores_of(host, store, "sealed", changed=lambda logins: logins[1:])
    assert of_november(one) != of_november(other)


def test_control_the_prosody_store_depends_on_the_users(host, store):
    one, other = stores_of(host, store, "prosody")
    assert set(listing(one)) != set(listing(other))


# --- P3: the order is hidden, even from who has the key -------------------------


def plaintexts(host, store, orders):
    """What the key reads after the same users came in each of the orders: all
    stores begin as copies of one, so that they have one key."""
    settings, folder = store("first")
    server = host(settings)
    server.login(["juliet@example.net"], NOVEMBER)
    server.do("close")
    start = files(folder)
    read = []
    for number, order in enumerate(orders):
        settings, folder = store(f"order{number}", flush_interval="1h")
        folder.mkdir(0o700)
        for name, data in start.items():
            (folder / name).write_bytes(data)
        server = host(settings)
        record_all(server, *zip(*order))
        server.do("close")
        found = {name: data for name, data in files(folder).items() if name.endswith((".sealed", ".fresh"))}
        read.append({name: sealed_file.plaintext(data, start["2026-11.key"]) for name, data in found.items()})
        assert sum(len(sealed_file.markers(plain)) for plain in read[-1].values()) == 1 + len(order)
    return read


def test_the_order_of_logins_is_hidden_even_with_the_key(host, store):
    logins = list(zip(*people(3000, 6)))
    permuted = random.Random(7).sample(logins, len(logins))
    one, other, less = plaintexts(host, store, [logins, permuted, logins[1:]])
    assert one == other
    assert one != less, "the control: other users are other plaintexts"


# --- P4: nothing without the key ---------------------------------------------------


def guesses(users, data):
    """For each user whatever might be kept of them by who has no key: hashes
    without one, and with all that the files tell."""
    known = [bytes(16), bytes(32)]
    known += [data[at : at + size] for at, size in ((17, 8), (25, 24), (49, 24), (0, 32), (41, 32)) if data]
    siphash_keys = {key.ljust(16, b"\0")[:16] for key in known}
    siphash_keys |= {sealed_file.derived("monthly-visitors 2026 marker", key)[:16] for key in known if key}
    for user in users:
        name = user.encode()
        codes = {hashlib.new(kind, name).digest()[:8] for kind in ("md5", "sha1", "sha256", "sha512", "blake2b")}
        codes |= {hashlib.sha256(key + name).digest()[:8] for key in known}
        codes |= {struct.pack("<Q", sealed_file.siphash(key, name)) for key in siphash_keys}
        yield user, codes | {code[::-1] for code in codes}


def recovered(users, data, keys=()):
    """The users whom an attacker finds in the bytes of a file. With keys (the
    key, the secret) it is read first."""
    here = {data[i : i + 8] for i in range(len(data) - 7)}
    found = {user for user, codes in guesses(users, data) if codes & here}
    for key, secret in keys:
        try:
            markers = set(sealed_file.markers(sealed_file.plaintext(data, key, secret)))
        except ValueError:
            continue
        found |= {user for user in users if sealed_file.marker(user.encode(), key, secret) in markers}
    return found


def test_without_the_key_the_list_of_all_accounts_finds_nobody(host, store, tmp_path):
    accounts = people(1000, 8)[0]
    came = set(random.Random(9).sample(accounts, 500))
    secret = tmp_path / "secret"
    secret.write_bytes(b"kept off the disk with the data\n")
    settings, folder = store(secret_file=str(secret))
    server = host(settings)
    server.login(sorted(came), NOVEMBER)
    server.do("close")
    stored = files(folder)
    (data,) = [data for name, data in stored.items() if name.endswith(".sealed")]
    key, words = stored["2026-11.key"], secret.read_bytes().rstrip()
    assert recovered(accounts, data) == set()
    # Half of it is not enough: the key without the secret, and the reverse.
    assert recovered(accounts, data, [(key, b""), (bytes(32), words)]) == set()
    # The controls: with both, or where the hash has no key, all are found, and nobody else.
    assert recovered(accounts, data, [(key, words)]) == came
    unkeyed = sorted(sealed_file.siphash(bytes(16), user.encode()) for user in came)
    assert recovered(accounts, struct.pack(f"<{len(unkeyed)}Q", *unkeyed)) == came


def test_without_the_key_the_size_tells_no_number_below_a_step(host, store):
    sizes = []
    for number, users in enumerate((1, 100, 300, 1000)):
        settings, folder = store(f"size{number}")
        server = host(settings)
        server.login([f"user{i}@example.net" for i in range(users)], NOVEMBER)
        server.do("close")
        sizes.append((folder / "2026-11.sealed").stat().st_size)
    assert sizes[0] == sizes[1] == sizes[2] == 4185
    assert sizes[3] > sizes[0], "the control"


# --- P5: the key is gone after the month ---------------------------------------------


def secrets_of(key):
    """All that reads the month or tells of a user: the key, and what is derived."""
    yield "key", key
    yield "key of markers", sealed_file.derived("monthly-visitors 2026 marker", key)[:16]
    yield "key of the file", sealed_file.derived("monthly-visitors 2026 file", key)


def places_of(key, host, folders):
    """Where something of the key is."""
    places = {f"memory: {name}" for name, secret in secrets_of(key) if secret in host.memory()}
    for folder in folders:
        for name, data in files(folder).items():
            places |= {f"{name}: {secret}" for secret, wanted in secrets_of(key) if wanted in data or wanted.hex().encode() in data}
    return places


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_key_is_gone_when_the_month_is_closed(elsewhere, host, store, tmp_path):
    more = {"key_dir": str(tmp_path / "keys")} if elsewhere else {}
    settings, folder = store(flush_interval="5ms", **more)
    server = host(settings)
    keys = tmp_path / "keys" if elsewhere else folder
    folders = {folder, keys}
    for start in range(0, USERS, 1000):
        server.login([f"user{i}@example.net" for i in range(start, start + 1000)], NOVEMBER)
        server.do("flush")
    key = (keys / "2026-11.key").read_bytes()
    before = places_of(key, server, folders)
    assert {"2026-11.key: key", "memory: key", "memory: key of markers"} <= before, "the control"
    server.login(["juliet@example.net"], DECEMBER)
    server.login(["juliet@example.net"], DECEMBER + DAY)
    server.do("flush")
    assert "2026-11.json" in files(folder)
    assert places_of(key, server, folders) == set()
    december = (keys / "2026-12.key").read_bytes()
    assert "memory: key" in places_of(december, server, folders), "the control"
    server.do("close")
    assert {place for place in places_of(december, server, folders) if place.startswith("memory")} == set()


# --- P6: messages and log lines --------------------------------------------------------


def hostile(server, canary):
    """What goes wrong with logins, one after another; returns the answers."""
    name = canary.encode()
    said = []
    for user in (name, name + b"\xff\xfe", name * 300, b"", b"\xc3\x28" + name, name + b"\x1b[2J"):
        for ip in (canary, "192.0.2.256", f"[{canary}]", "2001:db8::1%" + canary, "fe80::" + canary, "9" * 5000, ""):
            for resource in (name * 300, name + b"\xff", b"\xf0\x9f" + name, b""):
                for time in (NOVEMBER, OCTOBER, -1, 1 << 62):
                    said.append(server.ask("login", user, ip, resource, time))
    said += [server.ask("forget", user) for user in (name, name + b"\xff", name * 300, b"")]
    return said


def test_no_message_and_no_log_line_names_anybody(host, store, sample, tmp_path):
    canary = "Kq7xW2mZp9Rt4v"
    wanted = index([canary])
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(sample.read_bytes()[:-200])
    said = []
    for kind in ("sealed", "prosody"):
        settings, folder = store(kind, kind, flush_interval="5ms", retention_months=1)
        server = host(settings)
        said += hostile(server, canary)
        said.append(server.ask("flush"))
        # Files that are damaged meanwhile; a name in them is a canary, too.
        damaged = [path for path in folder.rglob("*") if path.suffix in (".sealed", ".fresh", ".dat")]
        assert damaged
        server.do("close")
        for path in damaged:
            if path.exists() and path.stat().st_size:
                path.write_bytes(b"return { [\"" + canary.encode())
        said.append(server.ask("open", settings))
        said += hostile(server, canary)
        text = settings.read_text()
        settings.write_text(text.replace(str(sample), str(broken)))
        said.append(server.ask("open", settings))
        settings.write_text(text.replace(str(sample), str(tmp_path)))
        said.append(server.ask("open", settings))
    assert {0, ARGUMENT, STORAGE, GEOIP} <= {status for status, _ in said}, "not enough has gone wrong"
    log = (tmp_path / "host.log").read_bytes()
    assert {b"1", b"2"} <= {line[:1] for line in log.splitlines()}, "not enough was logged"
    assert not found(wanted, log)
    for _, message in said:
        assert not found(wanted, message)
    assert found(wanted, b"2 no place for " + canary.encode()) == {canary}, "the control"


# --- P7: no oracle ---------------------------------------------------------------------


def told_of(host, store, name, kind, user):
    """All that the caller of the API and the owner of the disk are told when
    `user` is forgotten and logs in; juliet is known."""
    settings, folder = store(name, kind, flush_interval="1h")
    server = host(settings)
    server.login(["juliet@example.net"], NOVEMBER)
    server.do("flush")
    known = (server.log.stat().st_size, listing(folder))
    told = [server.ask("login", user, "192.0.2.1", "", NOVEMBER)]
    counts = server.do("report")
    server.do("close")
    return told, listing(folder), server.log.stat().st_size - known[0], counts


def forgotten(host, store, name, user):
    settings, folder = store(name, flush_interval="1h")
    server = host(settings)
    server.login(["juliet@example.net"], NOVEMBER)
    server.do("flush")
    before = server.log.stat().st_size
    told = [server.ask("forget", user), server.ask("forget", user), server.ask("flush"), server.ask("report")]
    server.do("close")
    return told, listing(folder), server.log.stat().st_size - before


def test_a_login_tells_nobody_whether_the_user_was_here(host, store):
    known = told_of(host, store, "known", "sealed", "juliet@example.net")
    new = told_of(host, store, "new", "sealed", "romeo@example.net")
    assert known[0] == new[0] == [(0, b"")] and known[2] == new[2]
    assert known[3] != new[3], "the control: the totals do say so"


def test_forgetting_tells_nobody_whether_the_user_was_here(host, store):
    assert forgotten(host, store, "known", "juliet@example.net") == forgotten(host, store, "new", "romeo@example.net")


def test_control_the_prosody_store_tells_who_was_here(host, store):
    known = told_of(host, store, "known", "prosody", "juliet@example.net")
    new = told_of(host, store, "new", "prosody", "romeo@example.net")
    assert set(known[1]) != set(new[1])


def test_no_function_asks_for_a_user():
    """Only those that record or forget take one, and they answer a status."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "include/monthly_visitors.h").read_text(), flags=re.S)
    takes = dict(re.findall(r"(\w+)\s+(?:\w+ )*?(mv_\w+)\([^)]*const char \*user\b", text))
    names = set(re.findall(r"(mv_\w+)\([^)]*const char \*user\b", text))
    assert names == {"mv_record", "mv_record_login", "mv_forget"} and set(takes) == {"mv_status"}
