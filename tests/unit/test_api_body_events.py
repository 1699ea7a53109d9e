"""What is looked for in a whole body at once is found in each of its events."""

import json
from functools import partial

import pytest

from referrals.api import body_events
from referrals.api.body_events import decode_body, decode_events, decode_in_runs
from referrals.api.problems import ProblemError
from referrals.schema import EventProblem
from tests.harness.memory import measure_peak

JSON = "application/json"
NDJSON = "application/x-ndjson"
EMOJI = "\U0001f600"
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


#: Events of all kinds, as JSON. The last can be read by a lenient decoder only.
VARIED = [
    *[GOOD.replace("good", f"id-{n}") for n in range(9)],
    "{}",
    GOOD.replace('"id":"good"', '"id":"first","id":"good"'),
    GOOD.replace("ann@", "\\u003aann@"),
    GOOD.replace("ann@", f"{EMOJI}@"),
    GOOD.replace("good", "x" * 33_000),
    "[1, 2]",
    GOOD.replace("ann@", "\\ud83d\\ude00@"),
    GOOD.replace("}}}", '}},"content":"\\ud83d"}'),
]


def write_body(media_type, events):
    if media_type == NDJSON:
        return "\n".join(events).encode()
    return f'{{"events": [{" , ".join(events)}] }}'.encode()


@pytest.mark.parametrize("media_type", [JSON, NDJSON])
@pytest.mark.parametrize("count", [len(VARIED) - 1, len(VARIED)])
@pytest.mark.parametrize("at_once", [1, 6, 100])
def test_events_are_the_same_where_a_body_is_read_in_runs(
    media_type, count, at_once, monkeypatch
):
    monkeypatch.setattr(body_events, "_AT_ONCE", at_once)
    body = write_body(media_type, VARIED[:count])

    runs = list(decode_in_runs(media_type, body))

    whole = decode_body(media_type, body)
    assert [event for run in runs for event in run.events] == whole.events
    assert len(runs) == -(-count // at_once)
    for run in runs:
        for event, form in zip(run.events, run.forms, strict=True):
            assert form is None or json.loads(form)["id"] == event.id


def test_what_is_wrong_with_a_whole_body_is_said_before_any_run():
    with pytest.raises(ProblemError):
        decode_in_runs(JSON, b'{"events":[]}')


def count_in_runs(body):
    return sum(len(run.events) for run in decode_in_runs(JSON, body))


def test_a_large_body_with_emoji_is_never_there_as_texts():
    """Each character of its texts takes four bytes."""
    data = {f"k{n}": EMOJI + "v" * 60 for n in range(85)}
    custom = f'"type":"custom","name":"Read","event_data":{json.dumps(data, ensure_ascii=False)}'
    event = GOOD.replace('"type":"app_open"', custom)
    events = [event.replace("good", f"id-{n}") for n in range(1_000)]
    for halved in (False, True):
        if halved:
            events = [each.replace('"k1": "', '"k1": "\\ud83d') for each in events]
        body = write_body(JSON, events)

        count, peak = measure_peak(partial(count_in_runs, body))

        assert count == 1_000
        # What some events take. Where the body is lenient, there are copies of it.
        assert peak < (4 if halved else 1.25) * len(body)


@pytest.mark.parametrize(
    "body",
    [
        '{"events":[%s],"events":[%s]}',
        '{"events":[%s],"events":[]}',
        '{"events":[],"events":[%s]}',
        '{"events":[{"events":[%s]}], "events":[%s]}',
        '{"ev\\u0065nts":[%s],"events":[%s]}',
        '{"events":[%s],"ev\\u0065nts":[%s]}',
    ],
)
@pytest.mark.parametrize("event", [GOOD, '{"content":"\\ud83d"}'])
def test_two_lists_of_events_are_refused(body, event):
    with pytest.raises(ProblemError) as refused:
        decode_events(JSON, body.replace("%s", event).encode())

    assert refused.value.pointer == "/events"
    assert "stands twice" in refused.value.detail


@pytest.mark.parametrize("half", ["", "\\ud83d"])
def test_the_word_events_may_stand_in_an_event(half):
    more = '}},"content":"\\"events\\":[]' + half + '","events":1}'
    event = GOOD.replace("}}}", more)

    found = decode_events(JSON, write_body(JSON, [event, GOOD]))

    assert isinstance(found[0], EventProblem)
    assert found[1] == decode_events(JSON, GOOD.encode())[0]


@pytest.mark.parametrize("bad", ['"\\ud83d"', "NaN"])
def test_a_key_that_stands_twice_hides_nothing_that_is_lenient(bad):
    event = GOOD.replace('"email":"ann', f'"email":{bad},"email":"ann')

    first, second = decode_events(JSON, write_body(JSON, [event, GOOD]))

    assert isinstance(first, EventProblem)
    assert (first.code, first.pointer, first.id) == (
        "repeated_key",
        "/user/identities/email",
        "good",
    )
    assert not isinstance(second, EventProblem)


def test_as_many_constants_as_a_request_may_have_values_cost_their_events_only():
    data = ",".join(f'"{n}":NaN' for n in range(100))
    events = [f'{{"metadata":{{{data}}}}}'] * 980

    found = decode_events(JSON, write_body(JSON, events))

    assert {event.pointer for event in found} == {"/metadata/0"}


def test_a_body_that_is_no_object_is_not_looked_through():
    with pytest.raises(ProblemError) as refused:
        decode_events(JSON, b'[NaN,"\\ud83d"]')

    assert refused.value.kind.status == 400
