"""docs/unsafe.md lists each `unsafe` of the sources, with its reason."""

import pytest

import unsafe_list
from conftest import ROOT


def test_the_list_is_what_the_sources_say():
    page = unsafe_list.PAGE.read_text()
    assert page.endswith(unsafe_list.table()), "run `python3 tests/unsafe_list.py`"


def test_each_has_a_reason_and_is_at_the_border():
    rows = unsafe_list.table().removeprefix(unsafe_list.START).splitlines()
    assert len(rows) > 40
    for row in rows:
        assert row.startswith("| `ffi/src/") and not row.endswith("|  |"), row


@pytest.mark.parametrize("crate, file", [("core", "lib.rs"), ("report", "lib.rs"), ("cli", "main.rs")])
def test_the_other_crates_forbid_it(crate, file):
    assert "#![forbid(unsafe_code)]\n" in (ROOT / "crates" / crate / "src" / file).read_text()


def test_control_a_block_without_a_reason_is_seen():
    assert list(unsafe_list.rows("fn f() {\n    unsafe { g() }\n}")) == [("f", "block", "")]
    assert list(unsafe_list.rows("// SAFETY: it is.\nunsafe impl Send for X {}")) == [("X", "`Send`", "it is.")]
    assert list(unsafe_list.rows("/// # Safety\n///\n/// Mind.\nunsafe fn f() {")) == [("f", "function", "its caller: Mind.")]
