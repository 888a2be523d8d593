"""What the tests of the Prosody plugin share: its files, and servers that end."""

import itertools
import os
import shutil

import pytest

from .server import ABI, RELEASE, ROOT, Server, make, run


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """A folder with the shared library under the name that programs look for."""
    folder = tmp_path_factory.mktemp("libraries")
    (folder / f"libmonthly_visitors.so.{ABI}").symlink_to(RELEASE / "libmonthly_visitors.so")
    return folder


@pytest.fixture(scope="session")
def plugins(tmp_path_factory):
    """The folder of plugins that `make install-prosody` fills."""
    folder = tmp_path_factory.mktemp("plugins")
    make("install-prosody", f"DESTDIR={folder}", "plugindir=/modules")
    return folder / "modules"


@pytest.fixture(scope="session")
def places(tmp_path_factory):
    """The sample database, which knows documentation addresses only."""
    output = tmp_path_factory.mktemp("places") / "places.mmdb"
    made = RELEASE / "examples/sample_mmdb"
    if not made.exists():
        run(
            ["cargo", "build", "-q", "--release", "--locked", "-p", "monthly-visitors", "--example", "sample_mmdb"],
            cwd=ROOT,
        )
    run([made, ROOT / "demo/places.csv", output])
    return output


@pytest.fixture
def server(tmp_path, plugins, libraries):
    """Makes servers, and ends them."""
    servers = []

    def make_server(options="", name="server", **more):
        one = Server(tmp_path / name, plugins, libraries, options, **more)
        servers.append(one)
        return one

    yield make_server
    for one in servers:
        one.end()
        one.check_log()
        shutil.rmtree(one.folder, ignore_errors=True)


@pytest.fixture
def names():
    """User names that occur nowhere else."""
    random = os.urandom(4).hex()
    return (f"visitor{random}n{number}" for number in itertools.count())
