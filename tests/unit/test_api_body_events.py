"""What is looked for in a whole body at once is found in each of its events."""

import json

import pytest

from referrals.api.body_events import decode_events
from referrals.schema import EventProblem
from tests.harness.memory import measure_peak

JSON = "application/json"
NDJSON = "application/x-ndjson"
GOOD = (
    '{"id":"good","type":"app_open","user":{"identities":{"email":"ann@example.com"}},'
    '"referrer":{"identities":{"email":"bob@example.com"}}}'
)


def in_company(media_type, text):
    """Return what becomes of an event between two good ones."""
    events = [GOOD, text, GOOD]
    lines = "\n".join(events)
    body = lines if media_type == NDJSON else f'{{"events":[{",".join(events)}]}}'
    before, found, after = decode_events(media_type, body.encode())
    assert before == after == decode_events(JSON, GOOD.encode())[0]
    return found


@pytest.mark.parametrize("media_type", [JSON, NDJSON])
@pytest.mark.parametrize(
    ("old", "new", "code", "pointer"),
    [
        ("good", "good\\u0000", "bad_text", "/id"),
        ("ann@", "\\u0000@", "bad_text", "/user/identities/email"),
        ('"email":"ann', '"email":"eve","email":"ann', "repeated_key", None),
        ('"email":"ann', '"email":"\\u003a","email":"a', "repeated_key", None),
        ('"id":"good"', '"id":"good","channel":null,"channel":"sms"', "repeated_key", None),
    ],
)  # fmt: skip
def test_what_is_wrong_with_one_event_is_found_among_good_ones(
    media_type, old, new, code, pointer
):
    found = in_company(media_type, GOOD.replace(old, new, 1))

    assert isinstance(found, EventProblem)
    assert found.code == code
    assert pointer is None or found.pointer == pointer


@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_a_null_means_left_out_among_good_events(media_type):
    sent = json.loads(GOOD)
    sent["user"]["identities"]["custom_id"] = None

    found = in_company(media_type, json.dumps(sent, separators=(",", ":")))

    assert not isinstance(found, EventProblem)
    assert found.user.identities == {"email": "ann@example.com"}


def test_a_key_that_stands_twice_is_found_where_no_event_has_an_escape():
    text = GOOD.replace('"id":"good"', '"id":"first","id":"good"')

    (found,) = decode_events(JSON, text.encode())

    assert isinstance(found, EventProblem)
    assert (found.code, found.pointer) == ("repeated_key", "/id")


def test_a_body_with_long_events_is_not_there_once_more_while_they_are_read():
    number, text = 500, "x" * 8_000
    custom = f'"type":"custom","name":"Read","event_data":{{"text":"{text}"}}'
    events = [
        GOOD.replace("good", f"id-{n}").replace('"type":"app_open"', custom)
        for n in range(number)
    ]
    body = f'{{"events":[{",".join(events)}]}}'.encode()

    found, peak = measure_peak(lambda: decode_events(JSON, body))

    assert [event.id for event in found] == [f"id-{n}" for n in range(number)]
    # The texts of all of them, and what is short.
    assert peak < 1.5 * len(body)
