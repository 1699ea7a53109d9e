"""Plain events, read many at a time, are what they are when they are read one by one."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from referrals.event_forms import make_forms
from referrals.plain_events import read_plain_body, read_plain_events
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


def read(texts):
    """Return the events that are read of `texts` one by one, the forms looked at."""
    events, forms = read_plain_events(texts, NOW)
    assert forms == [event and make_forms([event])[0] for event in events]
    return events


def read_body(*texts, most=1_000, between=b","):
    """Return the events that are read of a body in one go, and whether it was cut."""
    cuts = []

    def cut():
        cuts.append(texts)
        return texts

    body = b'{"events":[' + between.join(texts) + b"]}"
    found = read_plain_body(body, most, NOW, cut=cut)
    return found, bool(cuts)


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
    assert read([text]) == [decode_event(text, now=NOW)]


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
    assert read([text]) == [None]


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

    assert read([sent.encode(), twice.encode()]) == [None, None]


def test_fractions_of_seconds_do_not_hide_a_key_that_stood_twice():
    # Written with six digits, both are four longer: together as long as what was lost.
    sent = to_json(OPEN, occurred_at="2026-11-23T10:15:00.25Z")
    twice = sent.replace(b'"id":', b'"id":"","id":')

    assert read([sent, twice]) == [None, None]


def test_only_what_is_not_plain_is_left_out():
    texts = [to_json(OPEN), to_json(OPEN, metadata={"note": "kept"}), to_json(CUSTOM)]

    first, left, last = read(texts)

    assert left is None
    assert isinstance(first, IncomingEvent)
    assert isinstance(last, IncomingEvent)
    assert first.occurred_at == datetime(2026, 11, 23, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize("sent", [OPEN, CUSTOM])
def test_whatever_is_read_as_plain_is_what_the_rules_make_of_it(sent):
    for text in (*texts_of(sent), *texts_with_a_key_twice(sent)):
        [event] = read([text])
        # As JSON, since equal times may have other offsets.
        assert event is None or to_bytes(event) == to_bytes(decode_event(text, now=NOW))


def to_bytes(event):
    return msgspec.json.encode(event)


@pytest.mark.parametrize(
    "text",
    [
        to_json(OPEN),
        to_json(CUSTOM),
        to_json(OPEN, occurred_at=999_999_999),
        to_json(OPEN, occurred_at="2026-11-23T10:15:00Z"),
        to_json({k: v for k, v in OPEN.items() if k != "occurred_at"}),
    ],
)
def test_a_body_of_plain_events_is_read_in_one_go(text):
    texts = [to_json(OPEN, id="before"), text, to_json(CUSTOM, id="behind")]

    found, is_cut = read_body(*texts)

    assert not is_cut
    assert found == read_plain_events(texts, NOW)
    assert found.events == [decode_event(each, now=NOW) for each in texts]


@pytest.mark.parametrize(
    "changes", [{"metadata": {"note": "kept"}}, {"referrer": "last"}, {"id": "a/b"}]
)
def test_a_body_is_cut_where_one_of_its_events_is_not_plain(changes):
    texts = [to_json(OPEN), to_json(OPEN, **changes), to_json(CUSTOM)]

    found, is_cut = read_body(*texts)

    assert found is None or is_cut
    assert found in (None, read_plain_events(texts, NOW))


@pytest.mark.parametrize(
    "odd",
    [
        b"[]",
        to_json(OPEN, unknown=1),
        to_json(OPEN, content=None),
        to_json(OPEN, content="\\"),
        to_json(OPEN, content="x" * 2_000),
        to_json(OPEN, occurred_at="2026-11-23T10:15:00.25Z"),
        to_json(CUSTOM, event_data={"n": 7}).replace(b"7", b"0.12345678901234567890"),
        to_json(OPEN).replace(b'"id":', b'"id":"","id":'),
        json.dumps(OPEN).encode(),
    ],
)
def test_other_bodies_are_read_one_by_one(odd):
    found, is_cut = read_body(to_json(OPEN), odd)

    assert (found, is_cut) == (None, False)


def test_a_long_event_is_not_plain_beside_one_that_has_to_be_looked_at():
    long = to_json(OPEN, content="x" * 2_000)

    found, is_cut = read_body(long, to_json(OPEN, metadata={"note": "kept"}))

    assert (found, is_cut) == (None, True)


def test_a_body_with_more_events_than_allowed_or_none_is_not_read():
    assert read_body(to_json(OPEN), to_json(CUSTOM), most=1) == (None, False)
    assert read_body() == (None, False)


@pytest.mark.parametrize("between", [b", ", b",\n"])
def test_blanks_between_events_leave_them_to_be_read_one_by_one(between):
    found = read_body(to_json(OPEN), to_json(CUSTOM), between=between)

    assert found == (None, False)


def test_a_list_that_was_lost_leaves_the_body_to_be_read_one_by_one():
    twice = b'{"events":[%b],"events":[%b]}' % (to_json(OPEN), to_json(CUSTOM))

    assert read_plain_body(twice, 1_000, NOW, cut=list) is None


@pytest.mark.parametrize("sent", [OPEN, CUSTOM])
def test_whatever_is_read_of_a_body_is_what_the_rules_make_of_it(sent):
    good = to_json(OPEN, id="good")
    for text in (*texts_of(sent), *texts_with_a_key_twice(sent)):
        found, _ = read_body(good, text)
        event = found and found.events[1]
        assert event is None or to_bytes(event) == to_bytes(decode_event(text, now=NOW))
