"""Locations as they are spelt among other words."""

import pytest

from clevertap_sync.clevertap.locations import (
    LABELS,
    Location,
    spell_in_brackets,
    spell_in_sentence,
)
from clevertap_sync.models import Account


@pytest.mark.parametrize(
    ("location", "spelt"),
    [
        (Location.EU1, "Europe"),
        (Location.US1, "the United States"),
        (Location.MEC1, "the Middle East (UAE)"),
        (Location.SK1, "South Korea"),
    ],
)
def test_a_location_reads_well_after_in(location, spelt):
    assert spell_in_sentence(location) == spelt


def test_an_account_has_no_brackets_in_its_brackets():
    account = Account(account_id="ABC-DEF-123Z", location=Location.MEC1)

    assert str(account) == "ABC-DEF-123Z (Middle East, UAE)"
    assert {spell_in_brackets(each) for each in Location} == {
        *(LABELS[each] for each in Location if each is not Location.MEC1),
        "Middle East, UAE",
    }
