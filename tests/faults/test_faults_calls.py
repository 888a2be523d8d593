"""Every call about a file fails, one after the other: nothing is lost, it is
said once, and it works again when the fault ends."""

import os

import pytest

from conftest import ROOT, run


@pytest.mark.parametrize("kind", ["sealed", "prosody"])
def test_every_call_may_fail(kind, build, library_env, tmp_path):
    said = run([build(ROOT / "tests/faults/each_call.c"), kind, tmp_path, os.environ.get("WAYS", "some")], env=library_env).stdout
    print(said)
    assert int(said.split()[0]) > 100
