"""CleverTap's spelling and limits, one by one."""

import json
import unicodedata

import msgspec
import pytest
from hypothesis import given, strategies as st

from clevertap_sync import wire
from referrals.vocabulary import TITLES


def test_the_figures_are_the_published_ones():
    assert wire.MAX_RECORDS == 1000
    assert wire.MAX_BODY_BYTES == 1_048_576
    assert wire.MAX_RECORD_BYTES == 131_072
    assert wire.MAX_TEXT_BYTES == 512
    assert wire.MAX_PROPERTY_NAME == 120
    assert wire.MAX_EVENT_NAME == 512
    assert wire.MAX_IDENTITY == 1024
    assert (wire.MAX_LEVELS, wire.MAX_BRANCHES, wire.MAX_LIST_ITEMS) == (3, 5, 100)
    assert wire.CUSTOM_NAMES_LIMIT == 50


def test_all_our_names_together_leave_most_event_types_to_the_account():
    event_types = 512

    ours = 2 * len(TITLES) - 1 + 2 * wire.CUSTOM_NAMES_LIMIT

    assert ours == 111
    assert ours < event_types / 4


def test_a_body_joins_records_as_they_are():
    assert wire.encode_body([b'{"a":1}', b'{"b":2}']) == b'{"d":[{"a":1},{"b":2}]}'
    assert wire.encode_body([]) == b'{"d":[]}'


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_the_length_of_a_body_is_known_without_making_it(count):
    records = [b'{"a":1}'] * count

    assert wire.body_bytes(records) == len(wire.encode_body(records))


def test_the_probe_is_a_good_record_about_nobody_and_always_the_same():
    assert wire.probe_record() == wire.probe_record()
    assert wire.probe_record() == (
        b'{"identity":"referral-events-connection-check","ts":1767225600,"type":"event",'
        b'"evtName":"Referral Events Connection Check","evtData":{}}'
    )


@pytest.mark.parametrize(
    "name",
    [
        "App Launched",
        "applaunched",
        "APP  LAUNCHED",
        "app\tlaunched",
        "Identity Error",
        "Notification Bounced",
        "wzrk_d",
        "WZRK_FETCH",
        "Web Page Viewed",
        "Session Concluded",
        "CT Points Credited",
    ],
)
def test_a_name_that_clevertap_keeps_is_restricted_however_it_is_spelt(name):
    assert wire.is_restricted(name)


@pytest.mark.parametrize("name", ["App Launched 2", "Launched", "", "Web Page View"])
def test_another_name_is_not_restricted(name):
    assert not wire.is_restricted(name)


def test_no_restricted_name_begins_as_ours_do():
    assert len(wire.RESTRICTED_NAMES) == 50
    assert not [
        n for n in wire.RESTRICTED_NAMES if n.startswith(("referred", "generated"))
    ]


def test_the_bad_characters_of_a_name_are_told_once_each():
    assert wire.bad_characters("50% off! 60% off!\n") == "%!\n"
    assert wire.bad_characters("Zoë bought #1 (gold_plan) - 5/10 @ home?") == ""


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("plan_name", "plan_name"),
        ("größe", "größe"),
        (" Trial  Days ", "Trial  Days"),
        ("price.usd", "priceusd"),
        ("a\x00b\x7fc\x85d", "abcd"),
        ("#1 (b-c)/d", "#1 (b-c)/d"),
        ("%.", ""),
        (" . ", ""),
    ],
)
def test_a_property_name_is_cleaned(name, clean):
    assert wire.clean_property_name(name) == clean


@given(st.text())
def test_cleaning_twice_changes_nothing_more(name):
    clean = wire.clean_property_name(name)

    assert wire.clean_property_name(clean) == clean


@given(st.text(max_size=600) | st.text("é🦊\u0301", min_size=120, max_size=600))
def test_a_shortened_text_fits_and_is_how_the_text_begins(text):
    short = wire.shorten(text)

    assert text.startswith(short)
    assert len(short.encode()) <= 512
    if len(text.encode()) <= 512:
        assert short is text
    else:
        # No more is lost than one character of at most 16 code points.
        assert len(short.encode()) > 512 - 17 * 4


def test_a_letter_keeps_its_accents():
    text = "x" * 510 + "e\u0301" + "y"

    assert unicodedata.normalize("NFC", wire.shorten(text)) == "x" * 510


def test_an_emoji_keeps_its_parts():
    family = "👩\u200d👩\u200d👧"

    assert wire.shorten("x" * 500 + family + "y") == "x" * 500
    assert wire.shorten("x" * 508 + "👍🏽") == "x" * 508


def test_accents_without_end_are_cut_all_the_same():
    text = "e" + "\u0301" * 600

    assert wire.shorten(text) == "e" + "\u0301" * 255


def test_a_control_character_is_told_from_an_odd_space():
    assert wire.has_control_characters("a\u0085b")
    assert wire.has_control_characters("\x1b")
    assert not wire.has_control_characters("a\u00a0\u2028b")
    assert not wire.has_control_characters("")


def test_a_record_is_encoded_in_the_wires_order():
    record = wire.ObjectIdRecord("__g1", 1, "event", "N", msgspec.Raw(b'{"b":1,"a":2}'))

    assert list(json.loads(wire.encode(record))) == [
        "objectId",
        "ts",
        "type",
        "evtName",
        "evtData",
    ]
