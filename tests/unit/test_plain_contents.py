"""The row of an event that is kept as it was sent is the one that the log would make of it."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from referrals.fraud_rules import FIRST_RULES
from referrals.log.drafts import judge_event
from referrals.log.plain_contents import make_plain_contents
from referrals.log.rows import build_row
from referrals.schema import (
    EventProblem,
    build_event,
    decode_event,
    list_warnings,
)
from referrals.vocabulary import EventType
from tests.unit.odd_changes import texts_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
OPEN = {
    "id": "open-1",
    "type": "app_open",
    "occurred_at": "2026-11-23T10:15:00Z",
    "user": {"identities": {"email": "ann@example.com", "custom_id": "42"}},
    "referrer": {"identities": {"email": "bob@example.com"}},
    "channel": "whatsapp",
}


def make_rows(events, *fingerprints, request_id=""):
    return make_plain_contents(
        events, list(map(msgspec.json.encode, events)), fingerprints, request_id
    )


def decode(**changes):
    kept = {k: v for k, v in (OPEN | changes).items() if v is not None}
    return decode_event(json.dumps(kept).encode(), now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"content": "spring sale", "via": "smart_invite", "test": True},
        {"type": "link_click", "user": None},
        {"type": "app_install", "channel": None},
        {"occurred_at": 1795428900.25, "user": {"identities": {}}},
    ],
)
def test_the_row_is_the_one_of_an_event_that_was_built_and_judged(changes):
    event = decode(**changes)
    built = build_event(event, received_at=NOW, hash_signal=str)
    row = build_row(judge_event(built, FIRST_RULES), "f" * 32, "request")

    assert make_rows([event], "f" * 32, request_id="request") == [row]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Level Reached"},
        {"name": "Paid", "event_data": {"a": [1]}, "test": True},
    ],
)
def test_a_custom_event_waits_for_the_number_of_its_name(changes):
    event = decode(type="custom", **changes)
    built = build_event(event, received_at=NOW, hash_signal=str)

    assert make_rows([event], "f" * 32) == [judge_event(built, FIRST_RULES)]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "custom", "name": "Level Reached "},
        {"type": "identify", "referrer": None, "channel": None},
        {"occurred_at": None},
        {"name": ""},
        {"event_data": {}},
        {"metadata": {}},
        {"status": "valid"},
        {"test": False},
        {"channel": "carrier pigeon"},
        {"referrer": "last"},
        {"referrer": None, "via": "smart_link"},
        {"user": {"identities": {"email": "a@example.com"}, "ip": ""}},
        {"user": {"identities": {"email": "a@example.com"}, "device_id": "1"}},
        {"user": {"identities": {"email": "a@example.com"}, "advertising_id": "1"}},
        {"user": {"identities": {"email": "a@example.com "}}},
        {"user": {"identities": {"email": " a@example.com"}}},
        {"user": {"identities": {"email": "a@example.com\t"}}},
        {"user": {"identities": {"email": "\u200ba@example.com"}}},
        {"user": {"identities": {"Email": "bob@example.com"}}},
        {"user": {"identities": {"phone": "bob@example.com"}}},
    ],
)
def test_any_other_event_has_no_plain_row(changes):
    assert make_rows([decode(**changes)], "f" * 32) == [None]


def test_rows_keep_the_order_of_their_events():
    events = [decode(id="a"), decode(id="b", test=False), decode(id="c")]

    first, none, last = make_rows(events, "1" * 32, "2" * 32, "3" * 32)

    assert none is None
    assert (first.key, first.fingerprint, bytes(first.body)[:9]) == (
        "a",
        "1" * 32,
        b'{"id":"a"',
    )
    assert (last.key, last.fingerprint, bytes(last.body)[:9]) == (
        "c",
        "3" * 32,
        b'{"id":"c"',
    )


@pytest.mark.parametrize("content", ["spring", "Straße", 'a "b" \\ c'])
def test_what_a_neighbour_says_changes_nothing(content):
    blank = {"identities": {"email": " a@example.com"}}
    events = [
        decode(content=content),
        decode(id="b", content="b c"),
        decode(user=blank),
    ]

    _, plain, doubtful = make_rows(events, "1" * 32, "2" * 32, "3" * 32)

    assert plain == make_rows([events[1]], "2" * 32)[0]
    assert plain is not None
    assert doubtful is None


@pytest.mark.parametrize("sent", [OPEN, OPEN | {"type": "custom", "name": "Level"}])
def test_whatever_is_kept_as_sent_is_what_building_and_judging_make_of_it(sent):
    read = [decode_event(text, now=NOW) for text in texts_of(sent)]
    events = [event for event in read if not isinstance(event, EventProblem)]
    contents = make_rows(events, *"f" * len(events))

    for event, content in zip(events, contents, strict=True):
        assert content is None or (content, list_warnings(event)) == (keep(event), ())


def keep(event):
    """Return what the log keeps of an event that has to be built and judged."""
    built = build_event(event, received_at=NOW, hash_signal=str)
    judged = built if event.status else judge_event(built, FIRST_RULES)
    return judged if event.type is EventType.CUSTOM else build_row(judged, "f", "")
