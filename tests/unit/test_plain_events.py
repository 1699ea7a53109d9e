"""Plain events, read many at a time, are what they are when they are read one by one."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from referrals.plain_events import read_plain_events
from referrals.schema import IncomingEvent, decode_event
from tests.unit.odd_changes import texts_of, texts_with_a_key_twice

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
OPEN = {
    "id": "open-1",
    "type": "app_open",
    "occurred_at": 1795428900,
    "user": {"identities": {"email": "ann@example.com", "custom_id": "42"}},
    "referrer": {"identities": {"email": "bob@example.com"}},
    "channel": "whatsapp",
}
CUSTOM = OPEN | {
    "id": "custom-1",
    "type": "custom",
    "name": "Level Reached",
    "event_data": {"level": 7, "plan": "gold", "is_new": True},
}


def to_json(event, **changes):
    return json.dumps(event | changes, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "text",
    [
        to_json(OPEN),
        to_json(CUSTOM),
        json.dumps(OPEN).encode(),
        to_json(OPEN, occurred_at="2026-11-23T10:15:00Z"),
        to_json(OPEN, occurred_at="2026-11-23T10:15:00.25Z"),
        to_json(OPEN, occurred_at=999_999_999),
        to_json(OPEN, content="Straße, 10:15").replace(b"\\u00df", "ß".encode()),
        to_json({k: v for k, v in OPEN.items() if k != "occurred_at"}),
    ],
)
def test_a_plain_event_is_read_as_it_is_alone(text):
    assert read_plain_events([text], NOW) == [decode_event(text, now=NOW)]


@pytest.mark.parametrize(
    "text",
    [
        b"[",
        to_json(OPEN, id=".."),
        to_json(OPEN, id="a/b"),
        to_json(OPEN, id="a b"),
        to_json(OPEN, id="x" * 201),
        to_json(OPEN, id="ü"),
        to_json(OPEN, type="identify"),
        to_json(OPEN, unknown=1),
        to_json(OPEN, name="Mine"),
        to_json(OPEN, event_data={"plan": "gold"}),
        to_json(OPEN, metadata={"note": "kept"}),
        to_json(OPEN, referrer="last"),
        to_json(OPEN, content=None),
        to_json(OPEN, content="\\"),
        to_json(OPEN, content="x" * 2_000),
        to_json(OPEN, occurred_at=1795428900123),
        to_json(OPEN, occurred_at=946684799),
        to_json(OPEN, occurred_at=1795428900.5),
        to_json(OPEN, occurred_at="2026-12-01T10:15:00Z"),
        to_json(OPEN, occurred_at="2026-11-23T10:15:00.0000001Z"),
        to_json(OPEN, occurred_at="2026-11-23T10:15:00+02:00"),
        to_json(OPEN, user={"identities": {"": "ann"}}),
        to_json(OPEN, referrer={"identities": {"": "bob"}}),
        to_json({k: v for k, v in OPEN.items() if k != "user"}),
        to_json(CUSTOM, name="App Install"),
        to_json(CUSTOM, event_data={"level": 2**63}),
        to_json(CUSTOM, event_data={"share": 0.5}),
        to_json(CUSTOM, event_data={"list": [1]}),
    ],
)
def test_what_is_not_plain_is_left_to_the_rules(text):
    assert read_plain_events([text], NOW) == [None]


@pytest.mark.parametrize("spaces", ["", " "])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"email":', '"email":"eve@example.com","email":'),
        ('"channel":', '"channel":"sms","channel":'),
        ('"occurred_at":', '"occurred_at":1795428901,"occurred_at":'),
        # As much longer as what went is shorter.
        ('"occurred_at":1795428900', '"via":"smart_link","via":"smart_invite"'),
    ],
)
def test_no_event_is_plain_where_one_has_a_key_twice(spaces, old, new):
    sent = to_json(OPEN).decode()
    twice = sent.replace(old, new, 1).replace(":", f":{spaces}")

    assert read_plain_events([sent.encode(), twice.encode()], NOW) == [None, None]


def test_fractions_of_seconds_do_not_hide_a_key_that_stood_twice():
    # Written with six digits, both are four longer: together as long as what was lost.
    sent = to_json(OPEN, occurred_at="2026-11-23T10:15:00.25Z")
    twice = sent.replace(b'"id":', b'"id":"","id":')

    assert read_plain_events([sent, twice], NOW) == [None, None]


def test_only_what_is_not_plain_is_left_out():
    texts = [to_json(OPEN), to_json(OPEN, metadata={"note": "kept"}), to_json(CUSTOM)]

    first, left, last = read_plain_events(texts, NOW)

    assert left is None
    assert isinstance(first, IncomingEvent)
    assert isinstance(last, IncomingEvent)
    assert first.occurred_at == datetime(2026, 11, 23, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize("sent", [OPEN, CUSTOM])
def test_whatever_is_read_as_plain_is_what_the_rules_make_of_it(sent):
    for text in (*texts_of(sent), *texts_with_a_key_twice(sent)):
        [event] = read_plain_events([text], NOW)
        # As JSON, since equal times may have other offsets.
        assert event is None or to_bytes(event) == to_bytes(decode_event(text, now=NOW))


def to_bytes(event):
    return msgspec.json.encode(event)
