"""Everything that can be switched is in the reference."""

from pathlib import Path
from typing import get_args

import pytest

from clevertap_sync.clevertap.locations import LABELS, Location
from clevertap_sync.sandbox import ACCOUNTS, control, verdicts
from clevertap_sync.sandbox.faults import Ending, Fault, Poison, Tamper
from clevertap_sync.sandbox.rules import Rules

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "sandbox.md"
FIELDS = {
    name for struct in (Rules, Fault, Poison) for name in struct.__struct_fields__
}
WORDS = FIELDS | set(get_args(Tamper)) | (set(get_args(Ending)) - {"answer"})
PAGES = {"/style.css", "/refresh.js", "/icon.svg"}
ADDRESSES = {*control._READ, *control._ORDERS} - PAGES


@pytest.fixture(scope="module")
def reference():
    return REFERENCE.read_text(encoding="utf-8")


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_switch_is_in_the_reference(reference, word):
    assert f"`{word}`" in reference or f'"{word}"' in reference


@pytest.mark.parametrize("address", sorted(ADDRESSES))
def test_every_address_is_in_the_reference(reference, address):
    assert f"/_sandbox{address}" in reference


@pytest.mark.parametrize("location", Location)
def test_every_location_has_an_account_of_its_own_in_the_reference(reference, location):
    account = ACCOUNTS[location]
    row = f"| `{location}` {LABELS.get(location)} | {account.account_id} | {account.passcode} |"

    assert f"\n{row}\n" in reference, (
        f'Add the row "{row}" to the accounts in docs/reference/sandbox.md.'
    )
    assert list(ACCOUNTS.values()).count(account) == 1, (
        "Two locations begin with the same letters: tell their accounts apart in "
        "sandbox/accounts.py."
    )


def test_every_code_that_has_a_wording_has_a_meaning():
    assert verdicts.MEANINGS.keys() == verdicts._WORDING.keys()
