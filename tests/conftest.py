"""What the tests share: paths, the compiler, the sample database, programs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
RELEASE = TARGET / "release"
LIBRARY = RELEASE / "libmonthly_visitors.so"
ABI = (ROOT / "crates/ffi/ABI").read_text().strip()
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# Longest time of any program, in seconds: only for one that hangs.
PATIENCE = 900

# "still reachable" is no leak: the default counter lives as long as the process.
VALGRIND = [
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect,possible",
    "--errors-for-leak-kinds=definite,indirect,possible",
    "--trace-children=no",
    "--track-fds=no",
]


def run(command, expect=0, **options):
    """Runs a program, which must end with the status `expect`."""
    options.setdefault("timeout", PATIENCE)
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, **options
    )
    assert done.returncode == expect, (
        f"{command[0]} ended with {done.returncode}, not {expect}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    )
    return done


@pytest.fixture(scope="session")
def library():
    """The shared library. Modules that test another build have a fixture of this name."""
    return LIBRARY


@pytest.fixture(scope="session")
def work(tmp_path_factory, library):
    """A folder with the shared library under the name that programs look for."""
    folder = tmp_path_factory.mktemp("work")
    (folder / f"libmonthly_visitors.so.{ABI}").symlink_to(library)
    return folder


@pytest.fixture(scope="session")
def library_env(work):
    return {**os.environ, "LD_LIBRARY_PATH": str(work)}


@pytest.fixture(scope="session")
def build(work):
    """Compiles a C program against the header and the library of this tree, once."""

    def build(source, name=None, flags=(), libraries=("-lmonthly_visitors", "-lpthread", "-ldl")):
        output = work / (name or Path(source).stem)
        if not output.exists():
            run(
                ["cc", "-std=c99", "-O1", "-g", *WARNINGS, *flags]
                + [f"-I{ROOT / 'include'}", f"-I{ROOT / 'tests/c'}", source, "-o", output, f"-L{RELEASE}", *libraries]
            )
        return output

    return build


@pytest.fixture(scope="session")
def host_program(build):
    """What `host.Host` runs."""
    return build(ROOT / "tests/c/tools/host.c", "host-tool")


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """The sample database, which knows documentation addresses only."""
    output = tmp_path_factory.mktemp("sample") / "sample.mmdb"
    run(
        ["cargo", "run", "-q", "--release", "--locked", "-p", "monthly-visitors", "--example", "sample_mmdb", "--"]
        + [ROOT / "demo/places.csv", output],
        cwd=ROOT,
    )
    return output


@pytest.fixture(scope="session")
def geolite():
    """The real database, which tests/setup fetches. Without it tests fail."""
    path = TARGET / "geolite/GeoLite2-City.mmdb"
    assert path.exists(), f"{path} is not there: run tests/setup"
    return path


@pytest.fixture
def settings(tmp_path, sample):
    """Makes a settings file; every call adds to the one file's lines."""

    def settings(store="sealed", **more):
        lines = [f'store = "{store}:{tmp_path / "store"}"', f'geoip = "{sample}"']
        lines += [f"{key} = {value!r}" for key, value in more.items()]
        lines += ["[[client]]", "pattern = '^Conversations%..*'", "category = 'ANDROID'"]
        path = tmp_path / "settings.toml"
        path.write_text("\n".join(lines) + "\n")
        (tmp_path / "store").mkdir(exist_ok=True)
        return path

    return settings


@pytest.fixture
def folder():
    """A folder that anybody may enter, for programs with fewer rights."""
    import tempfile

    path = Path(tempfile.mkdtemp(prefix="mv-tests-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)
