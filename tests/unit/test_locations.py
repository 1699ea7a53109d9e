"""Locations: what is known of each, and how they are spelt among other words."""

import re

import pytest

from clevertap_sync.clevertap.locations import (
    LABELS,
    PLACES,
    Location,
    find_base_url,
    spell_in_brackets,
    spell_in_sentence,
)
from clevertap_sync.models import Account
from tests import documented


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


@pytest.mark.parametrize("location", Location)
def test_a_location_has_a_name_and_a_host(location):
    place = PLACES.get(location)

    assert place, (
        f"Say in PLACES of clevertap/locations.py what {location} is called, with its article, "
        "and which host answers for it."
    )
    others = [each for each in PLACES.values() if each != place]
    assert place.host.endswith("api.clevertap.com")
    assert place.host not in {each.host for each in others}, "Two have the same host."
    assert place.label not in {each.label for each in others}, "Two have the same name."


@pytest.mark.parametrize(
    ("location", "address"),
    [
        (Location.EU1, "https://api.clevertap.com"),
        (Location.APS3, "https://aps3.api.clevertap.com"),
    ],
)
def test_a_location_leads_to_its_host(location, address):
    assert find_base_url(location) == address
    assert find_base_url(location, "http://127.0.0.1:1/{location}/") == (
        f"http://127.0.0.1:1/{location}"
    )


def test_the_quickstart_lists_every_location():
    listed = ", ".join(f"`{each}`" for each in Location)
    text = re.sub(r"\s+", " ", documented.page("quickstart"))

    assert f"{listed}, or the region's name" in text, (
        f"Correct the row of `--location` in docs/quickstart.md to: {listed}, or the region's "
        "name"
    )
