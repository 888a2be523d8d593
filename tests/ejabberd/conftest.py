"""The plugin, built once, and servers that run it."""

import csv
import ipaddress
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ejabberd_server import ROOT, TARGET, Server, make  # noqa: E402

CLIENTS = [
    {"pattern": "^Conversations%.", "category": "ANDROID"},
    {"pattern": "^[Gg]ajim", "category": "DESKTOP"},
    {"pattern": "^converse", "category": "WEB"},
]


@pytest.fixture(scope="session")
def ejabberd_library(tmp_path_factory):
    """A folder with the library, named as programs look for it."""
    folder = tmp_path_factory.mktemp("library")
    built = TARGET / "release/libmonthly_visitors.so"
    assert built.exists(), "make build comes first"
    abi = (ROOT / "crates/ffi/ABI").read_text().strip()
    (folder / "libmonthly_visitors.so").symlink_to(built)
    (folder / f"libmonthly_visitors.so.{abi}").symlink_to(built)
    return folder


@pytest.fixture(scope="session")
def ejabberd_plugin(tmp_path_factory):
    """The plugin as `make ejabberd` builds it."""
    target = tmp_path_factory.mktemp("plugin")
    make("ejabberd", f"TARGET={target}", f"BUILT={TARGET / 'release'}")
    return target / "ejabberd/mod_monthly_visitors"


@pytest.fixture
def copied_plugin(tmp_path, ejabberd_plugin):
    """The built plugin, to be spoilt."""
    folder = tmp_path / "copied/mod_monthly_visitors"
    folder.parent.mkdir()
    subprocess.run(["cp", "-r", ejabberd_plugin, folder], check=True)
    return folder


@pytest.fixture(scope="session")
def ejabberd_places(tmp_path_factory):
    """The sample database."""
    output = tmp_path_factory.mktemp("places") / "places.mmdb"
    program = TARGET / "release/examples/sample_mmdb"
    command = [program] if program.exists() else ["cargo", "run", "-q", "--release", "--locked", "-p", "monthly-visitors", "--example", "sample_mmdb", "--"]
    subprocess.run([*command, ROOT / "demo/places.csv", output], check=True, cwd=ROOT)
    return output


@pytest.fixture(scope="session")
def place_key():
    """Where the list that the sample database was made from puts an address."""
    with open(ROOT / "demo/places.csv", newline="") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))

    def place_key(text):
        address = ipaddress.ip_address(text)
        if address.version == 6 and address.ipv4_mapped:
            address = address.ipv4_mapped
        for row in rows:
            if address in ipaddress.ip_network(row["network"]):
                return "geo-" + "-".join(row[part] or "?" for part in ("country", "subdivision", "geoname_id"))
        return "geo-?-?-?"

    return place_key


@pytest.fixture(scope="session")
def slow_disk(tmp_path_factory):
    """What to set in a server's environment so that each sync below a path takes longer."""
    shim = tmp_path_factory.mktemp("slow") / "slow_disk.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", shim, Path(__file__).with_name("slow_disk.c"), "-ldl"], check=True)
    return lambda path, ms: {"LD_PRELOAD": str(shim), "SLOW_PATH": path, "SLOW_MS": str(ms)}


@pytest.fixture
def ejabberd(tmp_path, ejabberd_plugin, ejabberd_library, ejabberd_places):
    """Makes servers with the module, and ends them. They are not yet started."""
    servers = []

    def make_server(options=None, plugin=ejabberd_plugin, **config):
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        server = Server(folder, plugin, ejabberd_library, **config)
        if options is not False:
            server.set_options({"geoip": str(ejabberd_places), "clients": CLIENTS, **(options or {})})
        servers.append(server)
        return server

    yield make_server
    for server in servers:
        server.kill()


@pytest.fixture
def month():
    """The present month. A test that runs over its end fails, once a month."""
    return datetime.now(timezone.utc).strftime("%Y-%m")
