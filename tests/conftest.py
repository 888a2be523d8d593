"""What the end-to-end tests share: the built library, the program, a compiler."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BUILT = TARGET / "release"
ABI = (ROOT / "crates/ffi/ABI").read_text().strip()
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, check=True, **options):
    """Runs a command with captured output; shows that output when it fails."""
    options.setdefault("timeout", 600)
    options.setdefault("text", True)
    done = subprocess.run([str(word) for word in command], capture_output=True, **options)
    if check and done.returncode != 0:
        pytest.fail(f"{shlex.join(map(str, command))}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """A folder with the shared library under the name that programs look for."""
    folder = tmp_path_factory.mktemp("lib")
    for name in (f"libmonthly_visitors.so.{ABI}", "libmonthly_visitors.so"):
        (folder / name).symlink_to(BUILT / "libmonthly_visitors.so")
    return folder


@pytest.fixture(scope="session")
def environment(library):
    """The environment of programs that are linked with the library."""
    return {**os.environ, "LD_LIBRARY_PATH": str(library)}


@pytest.fixture(scope="session")
def compiled(library, tmp_path_factory):
    """Compiles a C source strictly against the header and the library, once."""
    folder = tmp_path_factory.mktemp("bin")
    done = {}

    def compile_one(source):
        source = ROOT / source
        if source not in done:
            program = folder / f"{source.parent.name}-{source.stem}"
            run("cc", *STRICT, "-g", "-I", ROOT / "include", source, "-o", program,
                "-L", library, "-lmonthly_visitors", "-pthread", "-ldl")
            done[source] = program
        return done[source]

    return compile_one


@pytest.fixture(scope="session")
def program():
    """The program monthly-visitors."""
    return BUILT / "monthly-visitors"


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """The sample database, made from the readable list of the demo."""
    path = tmp_path_factory.mktemp("sample") / "places.mmdb"
    run("cargo", "run", "-q", "--release", "--locked", "-p", "monthly-visitors", "--example", "sample_mmdb", "--",
        ROOT / "demo/places.csv", path, cwd=ROOT)
    return path


@pytest.fixture(scope="session")
def geolite():
    """The real GeoLite2 City database of July 2018."""
    path = TARGET / "geolite/GeoLite2-City.mmdb"
    assert path.is_file(), f"{path} is missing: run tests/setup"
    return path


@pytest.fixture
def settings(tmp_path, sample):
    """Writes a settings file, and returns its path."""
    def write(store="sealed:{}/store", geoip=None, extra="", name="settings.toml"):
        path = tmp_path / name
        path.write_text(
            f'store = "{store.format(tmp_path)}"\ngeoip = "{geoip or sample}"\nhost = "example.net"\n{extra}\n'
            '[[client]]\npattern = "^Conversations%."\ncategory = "ANDROID"\n'
            '[[client]]\npattern = "^Zom"\ncategory = "IOS"\n'
        )
        return path

    return write
