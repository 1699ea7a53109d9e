"""Words of platforms as they are compared, and values that are none."""

import pytest

from referrals.sources.mapping.words import (
    fold_word,
    is_nothing,
    name_channel,
    weigh_value,
    write_text,
)
from referrals.vocabulary import INVITE_CHANNELS


@pytest.mark.parametrize(
    "text", ["COMPLETE_REGISTRATION", "Complete Registration", "complete-registration"]
)
def test_case_blanks_underscores_and_hyphens_do_not_count(text):
    assert fold_word(text) == "completeregistration"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "  ",
        "None",
        "null",
        "undefined",
        " None ",
        "00000000-0000-0000-0000-000000000000",
        "0" * 16,
    ],
    ids=repr,
)
def test_a_value_that_says_nothing_is_none(value):
    assert is_nothing(value)


@pytest.mark.parametrize(
    "value", [0, False, "0", "none", "nobody", "00", [], {}], ids=repr
)
def test_every_other_value_is_one(value):
    assert not is_nothing(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (True, "true"),
        (False, "false"),
        (42, "42"),
        (10**30, "1" + "0" * 30),
        (2.0, "2"),
        (2.5, "2.5"),
        (None, None),
        ([1], None),
        ({"a": 1}, None),
    ],
    ids=repr,
)
def test_a_scalar_is_written_as_platforms_write_it(value, text):
    assert write_text(value) == text


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("WhatsApp", "whatsapp"),
        ("Facebook Messenger", "facebookmessenger"),
        ("fb", "facebook"),
        ("mobile_share", "nativeshare"),
        ("Invite::WhatsApp::x", "whatsapp"),
        ("Newsletter", "Newsletter"),
        ("Invite::Pigeon", "Invite::Pigeon"),
    ],
)
def test_a_channel_is_one_of_ours_or_as_it_was_sent(text, channel):
    assert name_channel(text) == channel


@pytest.mark.parametrize("channel", sorted(INVITE_CHANNELS))
def test_every_channel_of_ours_is_itself(channel):
    assert name_channel(channel) == channel


def test_a_weight_is_no_more_than_the_json_and_stops():
    assert weigh_value({"a": [1, "xy"]}, 100) == 2 + 2 + 1 + 2
    assert 100 < weigh_value(["x" * 40] * 1000, 100) <= 1100
