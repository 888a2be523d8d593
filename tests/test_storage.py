"""Stores that cannot be opened, read or written: an error that names the file
and nobody, and nothing is lost."""

import json
import os
import subprocess

import pytest

from conftest import RELEASE, ROOT, run

STORES = pytest.mark.parametrize("kind", ["sealed", "prosody"])
STORAGE = -5
# Root may write anywhere, unless the right to do so is taken away.
AS_OTHERS = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []


@pytest.fixture
def attempt(build, library_env):
    program = build(ROOT / "tests/c/tools/attempt.c")

    def attempt(url, runner=(), logged=""):
        done = run([*runner, program, url], env=library_env)
        assert "canary" not in done.stdout + done.stderr
        assert logged in done.stderr
        status, _, message = done.stdout.rstrip("\n").partition(" ")
        return int(status), message

    return attempt


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@STORES
def test_full_disk(kind, build, library_env, tmp_path):
    """Writes fail as on a full disk, on any system."""
    (tmp_path / "store").mkdir()
    fault = build(
        ROOT / "tests/c/tools/fault.c", "fault.so", flags=["-shared", "-fPIC"], libraries=["-ldl"]
    )
    program = build(ROOT / "tests/c/tools/full_disk.c")
    env = {**library_env, "LD_PRELOAD": str(fault), "FULL_WHILE": str(tmp_path / "ballast")}
    assert str(tmp_path) in run([program, kind, tmp_path], env=env).stdout


def small_disk(folder):
    """The command that runs another one with a file system of 16 MiB mounted on
    `folder`, for itself alone."""
    script = 'mount -t tmpfs -o size=16m none "$0" && mkdir "$0/store" && exec "$@"'
    for unshare in [["unshare", "-m"], ["unshare", "-rm"]]:
        command = [*unshare, "sh", "-c", script, str(folder)]
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    pytest.fail("the full disk needs a mount of its own: allow `unshare -rm`, or run the tests as root")


@STORES
def test_full_disk_for_real(kind, build, library_env, tmp_path):
    command = small_disk(tmp_path)
    program = build(ROOT / "tests/c/tools/full_disk.c")
    assert str(tmp_path) in run([*command, program, kind, tmp_path], env=library_env).stdout


@STORES
def test_folder_that_may_not_be_written(kind, attempt, folder):
    runner = AS_OTHERS
    store = folder / "store"
    store.mkdir()
    assert attempt(f"{kind}:{store}", runner) == (0, "")
    before = contents(store)
    inside = [path for path in store.rglob("*") if path.is_dir()] + [store]
    for path in inside:
        path.chmod(0o555)
    try:
        for path in store.rglob("*"):
            if path.is_file():
                path.chmod(0o444)
        status, message = attempt(f"{kind}:{store}", runner)
        assert status == STORAGE and str(store) in message and "Permission denied" in message
        assert contents(store) == before
    finally:
        for path in inside:
            path.chmod(0o755)


def test_check_says_whether_it_may_be_written(tmp_path):
    store, keys = tmp_path / "store", tmp_path / "keys"

    def check(*arguments):
        command = [*AS_OTHERS, RELEASE / "monthly-visitors", *arguments, "check"]
        done = subprocess.run(command, capture_output=True, text=True)
        [line] = [line for line in done.stdout.splitlines() if " store: " in line]
        return done.returncode, line

    def refused(folder, doing):
        return (2, f"WRONG  store: cannot {doing} {folder}: Permission denied (os error 13)")

    store.mkdir()
    for kind in ["sealed", "prosody"]:
        store.chmod(0o755)
        assert check("--store", f"{kind}:{store}") == (0, f"ok     store: {kind}:{store}, months with totals: 0")
        store.chmod(0o555)
        assert check("--store", f"{kind}:{store}") == refused(store, "write to")
    assert check("--store", f"sealed:{store}/new") == refused(store, "make a folder in")
    keys.mkdir(mode=0o555)
    store.chmod(0o755)
    settings = tmp_path / "settings.toml"
    settings.write_text(f"store = 'sealed:{store}'\nkey_dir = '{keys}'\n")
    assert check("--config", settings) == refused(keys, "write to")
    keys.rmdir()
    assert check("--config", settings)[0] == 0
    assert list(store.iterdir()) == [] and not keys.exists()


@STORES
def test_path_through_a_file(kind, attempt, tmp_path):
    (tmp_path / "file").write_text("kept")
    for name in ["file", "file/store"]:
        status, message = attempt(f"{kind}:{tmp_path}/{name}")
        assert status == STORAGE and str(tmp_path / "file") in message
    assert (tmp_path / "file").read_text() == "kept"


def test_missing_folder(attempt, tmp_path):
    """The sealed store makes its folder; Prosody's is Prosody's to make."""
    assert attempt(f"sealed:{tmp_path}/new") == (0, "")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    status, message = attempt(f"prosody:{tmp_path}/missing")
    assert status == STORAGE and "missing" in message
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("text", ["", "return {", "return { [", "\0" * 100, "os.exit(0)", "return 7"])
def test_damaged_totals_of_prosody_are_kept(text, attempt, tmp_path):
    totals = tmp_path / "monthly%2dvisitors.dat"
    totals.write_text(text)
    status, message = attempt(f"prosody:{tmp_path}")
    assert status == STORAGE and totals.name in message
    assert totals.read_text() == text


def test_damaged_month_of_the_sealed_store_is_set_aside(attempt, tmp_path):
    store = tmp_path / "store"
    assert attempt(f"sealed:{store}") == (0, "")
    damaged = [path for path in store.iterdir() if path.suffix in (".sealed", ".fresh")]
    assert damaged
    kept = {}
    for path in damaged:
        bytes_ = bytearray(path.read_bytes())
        bytes_[len(bytes_) // 2] ^= 1
        path.write_bytes(bytes_)
        kept[path.name] = bytes(bytes_)
    assert attempt(f"sealed:{store}", logged=damaged[0].name) == (0, "")
    for bytes_ in kept.values():
        assert bytes_ in contents(store).values(), "a damaged file is not kept"


def test_damaged_closed_month_of_the_sealed_store(attempt, build, library_env, tmp_path):
    """It is said to be incomplete, and kept; the other months are not affected."""
    store = tmp_path / "store"
    assert attempt(f"sealed:{store}") == (0, "")
    month = store / "2020-01.json"
    month.write_text('{"month": ')
    assert attempt(f"sealed:{store}", logged=month.name) == (0, "")
    assert month.read_text() == '{"month": '
    settings = tmp_path / "settings.toml"
    settings.write_text(f"store = 'sealed:{store}'\n")
    report = build(ROOT / "c-examples/report.c", "example-report")
    assert "geo-?-?-? 1\n" in run([report, settings], env=library_env).stdout
    text = run([report, settings, "json"], env=library_env).stdout
    shown = {month["month"]: month for month in json.loads(text)["months"]}
    assert shown["2020-01"]["incomplete"] is True
