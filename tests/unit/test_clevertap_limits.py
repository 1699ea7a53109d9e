"""CleverTap's spelling and limits, one by one."""

import pytest
from hypothesis import given, strategies as st
from wcwidth import iter_graphemes

from clevertap_sync.clevertap import limits
from referrals.vocabulary import SIDES, TITLES

LIMIT = limits.MAX_TEXT_BYTES


def test_a_request_is_bounded_by_a_figure_of_ours():
    # CleverTap's own figures are in test_documented_limits.
    assert limits.MAX_BODY_BYTES == 1_048_576


def test_all_our_names_together_leave_most_event_types_to_the_account():
    built_in = sum(len(SIDES[each]) for each in TITLES)

    ours = built_in + 2 * limits.CUSTOM_NAMES_LIMIT

    assert ours < limits.EVENT_TYPES / 4


def test_a_body_joins_records_as_they_are():
    assert limits.encode_body([b'{"a":1}', b'{"b":2}']) == b'{"d":[{"a":1},{"b":2}]}'
    assert limits.encode_body([]) == b'{"d":[]}'


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_the_length_of_a_body_is_known_without_making_it(count):
    records = [b'{"a":1}'] * count

    assert limits.count_body_bytes(records) == len(limits.encode_body(records))


def test_the_probe_is_a_good_record_about_nobody_and_always_the_same():
    assert limits.make_probe_record() == limits.make_probe_record()
    assert limits.make_probe_record() == (
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
    assert limits.is_restricted(name)


@pytest.mark.parametrize("name", ["App Launched 2", "Launched", "", "Web Page View"])
def test_another_name_is_not_restricted(name):
    assert not limits.is_restricted(name)


def test_no_restricted_name_begins_as_ours_do():
    assert len(limits.RESTRICTED_NAMES) == 50
    assert not [
        n for n in limits.RESTRICTED_NAMES if n.startswith(("referred", "generated"))
    ]


def test_the_bad_characters_of_a_name_are_told_once_each():
    assert limits.find_bad_characters("50% off! 60% off!\n") == "%!\n"
    assert limits.find_bad_characters("Zoë bought #1 (gold_plan) - 5/10 @ home?") == ""


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
    assert limits.clean_property_name(name) == clean


@given(st.text())
def test_cleaning_twice_changes_nothing_more(name):
    clean = limits.clean_property_name(name)

    assert limits.clean_property_name(clean) == clean


@given(
    st.text(max_size=600) | st.text("é🦊\u0301\u200d🇫\r\n", min_size=120, max_size=600)
)
def test_a_shortened_text_fits_and_is_how_the_text_begins(text):
    short = limits.shorten_text(text)

    assert text.startswith(short)
    assert len(short.encode()) <= LIMIT
    if len(text.encode()) <= LIMIT:
        assert short is text
    else:
        # The next character would not have fitted.
        following = next(iter_graphemes(text[len(short) :]))
        assert len((short + following).encode()) > LIMIT


#: What people see as one, by the rule of UAX #29 that says so.
WHOLE = {
    "GB3, a line's end": "\r\n",
    "GB6, Hangul of letters": "\u1112\u1161\u11ab",
    "GB6, two leading letters": "\u1100\u1100\u1161",
    "GB7, a Hangul syllable and its tail": "가\u11a8",
    "GB8, two tails": "각\u11a8",
    "GB9, an accent": "e\u0301",
    "GB9, many accents": "a" + "\u0301\u0323\u0308" * 9,
    "GB9, a nukta": "\u0915\u093c",
    "GB9, a skin tone": "👍🏽",
    "GB9, a presentation": "❤\ufe0f",
    "GB9, a keycap": "1\ufe0f\u20e3",
    "GB9, a joiner at the end": "a\u200d",
    "GB9, the flag of England": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "GB9, voiced kana": "カ\uff9e",
    "GB9a, a vowel sign": "\u0ba8\u0bbf",
    "GB9a, Thai am": "\u0e01\u0e33",
    "GB9b, a number sign before a digit": "\u0600\u0661",
    "GB9c, a Devanagari conjunct": "\u0915\u094d\u0937",
    "GB9c, one with a joiner": "\u0915\u094d\u200d\u0937",
    "GB9c, one of three": "\u0938\u094d\u0924\u094d\u0930\u0940",
    "GB9c, a Bengali conjunct": "\u0995\u09cd\u09b7",
    "GB11, a family": "👩\u200d👩\u200d👧\u200d👦",
    "GB11, one with skin tones": "👩🏽\u200d🤝\u200d👨🏿",
    "GB11, a rainbow flag": "🏳\ufe0f\u200d🌈",
    "GB12, a flag": "🇫🇷",
}


@pytest.mark.parametrize("whole", WHOLE.values(), ids=list(WHOLE))
def test_what_people_see_as_one_character_is_not_cut(whole):
    for inside in range(1, len(whole)):
        room = LIMIT - len(whole[:inside].encode())
        assert limits.shorten_text("x" * room + whole) == "x" * room
        assert limits.shorten_text("é" + "x" * (room - 2) + whole) == "é" + "x" * (
            room - 2
        )
    fitting = "x" * (LIMIT - len(whole.encode())) + whole
    assert limits.shorten_text(fitting + "y") == fitting


#: What stands side by side as two, by the rule that says so.
APART = {
    "GB4, after a line's end": ("\n", "\u0301"),
    "GB5, before a line's end": ("e\u0301", "\r\n"),
    "GB4, after a control character": ("\u200b", "\u0301"),
    "GB999, two letters": ("e\u0301", "é"),
    "GB999, two kanji": ("漢", "字"),
    "GB999, two syllables": ("각", "가"),
    "GB999, two emoji": ("👩", "👧"),
    "GB9c, two consonants without virama": ("\u0915", "\u0937"),
    "GB9c, a virama of Tamil, which joins nothing": ("\u0b95\u0bcd", "\u0ba4"),
    "GB11, a joiner after a letter": ("a\u200d", "👧"),
    "GB13, two flags": ("🇫🇷", "🇩🇪"),
    "GB13, the third of three halves": ("🇫🇷", "🇩"),
}


@pytest.mark.parametrize(("first", "second"), APART.values(), ids=list(APART))
def test_between_two_characters_a_text_is_cut(first, second):
    fitting = "x" * (LIMIT - len(first.encode())) + first

    assert limits.shorten_text(fitting + second) == fitting


def test_a_flag_counts_from_where_the_flags_begin():
    # An odd letter before them would pair them otherwise.
    assert limits.shorten_text("x" * (LIMIT - 12) + "🇫🇷🇩🇪") == "x" * (LIMIT - 12) + "🇫🇷"
    assert (
        limits.shorten_text("x" * (LIMIT - 12) + "🇫x🇫🇷🇩🇪") == "x" * (LIMIT - 12) + "🇫x"
    )


def test_a_character_longer_than_the_limit_is_cut_only_where_nothing_stands_before_it():
    accents = "\u0301" * LIMIT

    assert limits.shorten_text("e" + accents) == "e" + "\u0301" * (LIMIT // 2 - 1)
    assert limits.shorten_text("xe" + accents) == "x"


def test_a_control_character_is_told_from_an_odd_space():
    assert limits.has_control_characters("a\u0085b")
    assert limits.has_control_characters("\x1b")
    assert not limits.has_control_characters("a\u00a0\u2028b")
    assert not limits.has_control_characters("")


def test_a_record_is_encoded_in_the_wires_order():
    parts = [
        limits.OBJECT_ID_START,
        limits.encode("__\\g1"),
        limits.encode_time(1),
        limits.encode_opening('"N"'),
        b'{"b":1,"a":2}}',
    ]

    assert b"".join(parts) == (
        rb'{"objectId":"__\\g1","ts":1,"type":"event","evtName":"\"N\"",'
        rb'"evtData":{"b":1,"a":2}}'
    )
