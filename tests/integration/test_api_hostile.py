"""Whatever a caller sends: an exact answer, never a 5xx, and nothing stored."""

import gzip
import json
import zlib

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings, strategies as st

from referrals.models import App, ReferralEvent
from tests import builders
from tests.builders import a_sent_event
from tests.unit.bombs import a_bomb

JSON = "application/json"
NDJSON = "application/x-ndjson"
DEEP = 100_000
GOOD = json.dumps(a_sent_event(id="e-1")).encode()


def with_field(text):
    """Return a good event with one more line of raw JSON in front."""
    return b"{" + text + b"," + GOOD[1:]


def batch(*events):
    return b'{"events":[' + b",".join(events) + b"]}"


# What is sent -> status and kind of problem.
BODIES = {
    "nothing": (b"", 400, "not-json"),
    "blanks": (b" \r\n\t ", 400, "not-json"),
    "a word": (b"hello", 400, "not-json"),
    "half an object": (b'{"id": "e-1"', 400, "not-json"),
    "something after it": (GOOD + b" x", 400, "not-json"),
    "two events side by side": (GOOD + GOOD, 400, "not-json"),
    "single quotes": (b"{'id': 'e-1'}", 400, "not-json"),
    "a trailing comma": (b'{"id": "e-1",}', 400, "not-json"),
    "a comment": (b"/* hi */" + GOOD, 400, "not-json"),
    "NaN": (with_field(b'"metadata": {"x": NaN}'), 400, "not-json"),
    "Infinity": (with_field(b'"metadata": {"x": -Infinity}'), 400, "not-json"),
    "a NUL byte": (b"\x00", 400, "not-json"),
    "a NUL byte in a text": (with_field(b'"channel": "a\x00b"'), 400, "not-json"),
    "an escaped NUL": (with_field(b'"name": "a\\u0000b"'), 422, "nothing-stored"),
    "an escaped NUL in a key": (
        with_field(b'"metadata": {"a\\u0000b": 1}'),
        422,
        "nothing-stored",
    ),
    "half a surrogate pair": (
        with_field(b'"metadata": {"x": "\\ud800"}'),
        422,
        "nothing-stored",
    ),
    "half a pair in the id": (b'{"id": "\\udfff"}', 422, "nothing-stored"),
    "half a pair as a field": (with_field(b'"\\ud800": 1'), 422, "nothing-stored"),
    "invalid UTF-8 in a text": (
        with_field(b'"content": "\xff\xfe"'),
        422,
        "nothing-stored",
    ),
    "invalid UTF-8 as a field": (with_field(b'"\xff": 1'), 400, "not-json"),
    "invalid UTF-8 in a list": (b'["\xff"]', 422, "wrong-shape"),
    "UTF-16": (GOOD.decode().encode("utf-16"), 400, "not-json"),
    "overlong UTF-8": (with_field(b'"content": "\xc0\x80"'), 422, "nothing-stored"),
    "only a byte order mark": (b"\xef\xbb\xbf", 400, "not-json"),
    "two byte order marks": (b"\xef\xbb\xbf" * 2 + GOOD, 400, "not-json"),
    "open brackets": (b"[" * DEEP, 400, "not-json"),
    "open braces": (b'{"a":' * DEEP, 400, "not-json"),
    "deep lists": (b"[" * DEEP + b"]" * DEEP, 400, "not-json"),
    "deep events": (batch(b"[" * DEEP + b"]" * DEEP), 400, "not-json"),
    "deep metadata": (
        with_field(b'"metadata": {"x":' + b"[" * 100 + b"]" * 100 + b"}"),
        422,
        "nothing-stored",
    ),
    "a huge integer": (
        with_field(b'"metadata": {"x": ' + b"9" * 5_000 + b"}"),
        422,
        "nothing-stored",
    ),
    "a huge exponent": (
        with_field(b'"metadata": {"x": 1e999}'),
        422,
        "nothing-stored",
    ),
    "a huge time": (
        b'{"id":"e-1","type":"app_open","occurred_at":1e300}',
        422,
        "nothing-stored",
    ),
    "a list": (b"[]", 422, "wrong-shape"),
    "a list of events": (b"[" + GOOD + b"]", 422, "wrong-shape"),
    "a text": (b'"hi"', 422, "wrong-shape"),
    "a number": (b"17", 422, "wrong-shape"),
    "null": (b"null", 422, "wrong-shape"),
    "an empty object": (b"{}", 422, "nothing-stored"),
    "no events": (b'{"events": []}', 422, "wrong-shape"),
    "events is null": (b'{"events": null}', 422, "wrong-shape"),
    "events is an event": (b'{"events": ' + GOOD + b"}", 422, "wrong-shape"),
    "something beside events": (
        b'{"events": [' + GOOD + b'], "app": "x"}',
        422,
        "wrong-shape",
    ),
    "something in front of events": (
        b'{"app": "x", "events": [' + GOOD + b"]}",
        422,
        "wrong-shape",
    ),
    "events in events": (batch(batch(GOOD)), 422, "nothing-stored"),
    "events of every wrong type": (
        batch(b"1", b'"x"', b"null", b"[]", b"true", b"{}"),
        422,
        "nothing-stored",
    ),
    "an unknown field": (with_field(b'"colour": "red"'), 422, "nothing-stored"),
    "1,001 events": (batch(*[b"{}"] * 1_001), 413, "too-many-events"),
    "an event of 33 KB": (
        with_field(b'"content": "' + b"x" * 33_000 + b'"'),
        422,
        "nothing-stored",
    ),
    "a body of 1 MB and a byte": (b" " * (1024 * 1024 + 1), 413, "too-large"),
    "a body of 5 MB": (b"x" * 5_000_000, 413, "too-large"),
}
LINES = {
    "nothing": (b"", 422, "wrong-shape"),
    "blank lines": (b"\r\n\n \t\n" * 1_000, 422, "wrong-shape"),
    "no JSON": (b"a\nb\n", 422, "nothing-stored"),
    "a batch": (batch(GOOD), 422, "nothing-stored"),
    "one event over several lines": (
        json.dumps(a_sent_event(), indent=1).encode(),
        422,
        "nothing-stored",
    ),
    "a carriage return alone": (GOOD + b"\r" + GOOD, 422, "nothing-stored"),
    "1,001 lines": (b"{}\n" * 1_001, 413, "too-many-events"),
    "open brackets": (b"[" * DEEP, 422, "nothing-stored"),
    "other white space": (b"\x0b\x0c\n\xc2\xa0", 422, "nothing-stored"),
}
BOMB = a_bomb(100)
COMPRESSED = {
    "nothing": (b"", 400, "bad-gzip"),
    "no gzip": (GOOD, 400, "bad-gzip"),
    "zlib": (zlib.compress(GOOD), 400, "bad-gzip"),
    "cut off": (gzip.compress(GOOD)[:-9], 400, "bad-gzip"),
    "cut in the checksum": (gzip.compress(GOOD)[:-1], 400, "bad-gzip"),
    "a wrong checksum": (gzip.compress(GOOD)[:-8] + b"\0" * 8, 400, "bad-gzip"),
    "something after it": (gzip.compress(GOOD) + b"more", 400, "bad-gzip"),
    "a header alone": (gzip.compress(b"")[:10], 400, "bad-gzip"),
    "nothing inside": (gzip.compress(b""), 400, "not-json"),
    "gzip inside": (gzip.compress(gzip.compress(GOOD)), 400, "not-json"),
    "many empty members": (gzip.compress(b"") * 20_000, 400, "not-json"),
    "a bomb": (BOMB, 413, "too-large"),
    "bombs one after the other": (BOMB * 5, 413, "too-large"),
    "8 MB and a byte": (gzip.compress(b" " * (8 * 1024**2 + 1)), 413, "too-large"),
    "8 MB": (gzip.compress(b" " * 8 * 1024**2), 400, "not-json"),
}
CONTENT_TYPES = [
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json-seq",
    "application/xml",
    "application/json; charset=latin-1",
    "application/json; charset=utf-16",
    "application/json; charset=",
    "application/json; charset=bogus",
    "application/json; charset*=utf-8''utf-8%ff",
    "*/*",
    "a" * 5_000,
    ";" * 5_000,
]
QUERIES = [
    "strict",
    "strict=yes",
    "strict=2",
    "dryrun=1",
    "strict=1&strict=0",
    "dry_run=1&dry_run=1",
    "dry_run=1&dry%5Frun=0",
    "dry_run=1&dry_run=perhaps",
    "dry_run[]=1",
    "a=1&" * 1_000,
    "[" * 2_000,
    "%00",
    "%ff=%ff",
    "strict=%EF%BC%91",
]


@pytest.fixture
def key(db):
    return builders.an_api_key(builders.an_app("shop"))


def send(key, body, *, content_type=JSON, query="", **headers):
    return Client().generic(
        "POST",
        f"/v1/events?{query}",
        body,
        headers={"Authorization": f"Bearer {key}", **headers},
        # The client leaves it out of a request without a body.
        CONTENT_TYPE=content_type,
    )


def assert_problem(answer, status, kind):
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (status, f"/docs#problem-{kind}")
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert ReferralEvent.objects.count() == 0


@pytest.mark.parametrize(("body", "status", "kind"), BODIES.values(), ids=BODIES.keys())
def test_hostile_json_is_a_problem(key, body, status, kind):
    assert_problem(send(key, body), status, kind)


@pytest.mark.parametrize(("body", "status", "kind"), LINES.values(), ids=LINES.keys())
def test_hostile_lines_are_a_problem(key, body, status, kind):
    assert_problem(send(key, body, content_type=NDJSON), status, kind)


@pytest.mark.parametrize(
    ("body", "status", "kind"), COMPRESSED.values(), ids=COMPRESSED.keys()
)
def test_hostile_gzip_is_a_problem(key, body, status, kind):
    answer = send(key, body, **{"Content-Encoding": "gzip"})

    assert_problem(answer, status, kind)


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_another_content_type_is_refused(key, content_type):
    answer = send(key, GOOD, content_type=content_type)

    assert_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd", "\xff"])
def test_another_encoding_is_refused(key, encoding):
    answer = send(key, GOOD, **{"Content-Encoding": encoding})

    assert_problem(answer, 415, "unsupported-media-type")
    assert answer.headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("query", QUERIES)
def test_a_parameter_that_means_nothing_is_refused(key, query):
    answer = send(key, GOOD, query=query)

    assert_problem(answer, 400, "bad-parameter")


def test_a_key_that_stands_twice_is_refused_and_nothing_stored(key):
    event = with_field(b'"channel": "sms"')

    answers = [
        send(key, event),
        send(key, b'{"events": [' + event + b"]}"),
        send(key, b'{"events": [1], "events": [' + event + b"]}"),
    ]

    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert answers[1].json()["results"][0]["code"] == "repeated_key"
    assert answers[1].json()["results"][0]["pointer"] == "/channel"
    assert answers[2].json()["pointer"] == "/events"
    assert not ReferralEvent.objects.exists()


def test_an_unknown_field_is_named_with_its_pointer(key):
    answer = send(key, with_field(b'"a/b~c": 1'))

    assert answer.json()["results"][0]["pointer"] == "/a~1b~0c"


def test_what_stands_beside_events_is_named_with_its_pointer(key):
    answer = send(key, b'{"events": [], "a/b~c": 1}')

    assert answer.json()["pointer"] == "/a~1b~0c"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_events_answer_no_other_method(client, key, method):
    answer = client.generic(method, "/v1/events", GOOD, content_type=JSON)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
def test_an_event_answers_no_other_method(client, key, method):
    answer = client.generic(method, "/v1/events/e-1", GOOD, content_type=JSON)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/v1/events/", "/v1/", "/v1/nothing", "/v1/events/a/b", "/v1/%00/%ff"]
)
def test_another_address_is_a_problem_too(key, path):
    answer = Client().post(path, GOOD, content_type=JSON)

    assert_problem(answer, 404, "not-found")


def test_absurd_headers_change_nothing(key):
    answer = send(
        key,
        GOOD,
        **{
            "Cookie": "sessionid=" + "x" * 4_000 + "; csrftoken=\xff",
            "Accept": "\xff" * 1_000,
            "Accept-Encoding": "gzip;q=NaN",
            "Accept-Language": "-" * 4_000,
            "If-None-Match": "*",
            "Range": "bytes=-1",
            "X-Forwarded-For": "' OR 1=1 --",
            "X-Http-Method-Override": "DELETE",
            "Expect": "200-ok",
            "Referer": "javascript:alert(1)",
        },
    )

    assert answer.status_code == 202


@pytest.mark.parametrize("length", ["", "-1", "1e3", "9" * 30, "0x10", " 5 "])
def test_a_content_length_that_is_no_number_is_no_500(key, length):
    answer = Client().generic(
        "POST",
        "/v1/events",
        GOOD,
        content_type=JSON,
        headers={"Authorization": f"Bearer {key}"},
        CONTENT_LENGTH=length,
    )

    assert 400 <= answer.status_code < 500
    assert ReferralEvent.objects.count() == 0


# Anything at all -----------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(
        ["app_install", "link_click", "custom", "smart_link", "email", "\0"]
    ),
)
FIELDS = st.sampled_from(
    [*a_sent_event(), "via", "status", "event_data", "name", "test"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | FIELDS, inner, max_size=4)
    ),
    max_leaves=10,
)
EVENTS = st.builds(
    lambda changes: {**a_sent_event(id="e-1"), **changes},
    st.dictionaries(FIELDS, VALUES, max_size=3),
)
FUZZ = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def assert_answered(answer):
    """Assert a success or a problem, and that the log has what the answer says."""
    body = answer.json()
    if answer.status_code == 202:
        stored = ReferralEvent.objects.count()
        assert body["accepted"] == stored
    else:
        assert 400 <= answer.status_code < 500
        assert body["status"] == answer.status_code
        assert ReferralEvent.objects.count() == 0
    ReferralEvent.objects.all().delete()
    App.objects.get().custom_names.all().delete()


@FUZZ
@given(body=st.binary(max_size=200), kind=st.sampled_from([JSON, NDJSON]))
def test_arbitrary_bytes_are_answered(key, body, kind):
    assert_answered(send(key, body, content_type=kind))


@FUZZ
@given(body=st.binary(max_size=200))
def test_arbitrary_bytes_as_gzip_are_answered(key, body):
    assert_answered(send(key, body, **{"Content-Encoding": "gzip"}))


@FUZZ
@given(value=VALUES)
@example({"events": {}})
def test_arbitrary_json_is_answered(key, value):
    assert_answered(send(key, json.dumps(value)))


@FUZZ
@given(events=st.lists(EVENTS, min_size=1, max_size=3))
def test_almost_good_events_are_answered(key, events):
    assert_answered(send(key, json.dumps({"events": events})))


@FUZZ
@given(events=st.lists(EVENTS | VALUES, min_size=1, max_size=3))
def test_almost_good_events_are_answered_on_trial(key, events):
    answer = send(key, json.dumps({"events": events}), query="dry_run=1")

    assert answer.status_code in (200, 422)
    assert ReferralEvent.objects.count() == 0
