"""Whatever is sent to a hook: a bounded answer of the few that there are, and no 500.

The test client raises what a view raised, so that none of these ends in a fault of ours.
"""

import gzip
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec
import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings, strategies as st

from integration_project.web import request_limits
from referrals.hooks.known_sources import clear_known_sources
from referrals.models import ReferralEvent, Source
from referrals.sources.presets import PLATFORMS, load_preset
from referrals.sources.samples import sign_sample
from referrals.sources.verifiers import (
    HmacVerifier,
    StandardVerifier,
    TimestampVerifier,
)
from tests import builders
from tests.integration.hooks.calling import call_hook, sample_of, signed
from tests.integration.hooks.wire import call_by_wsgi, signed_lines
from tests.platforms import SECRET
from tests.unit.bombs import a_bomb

pytestmark = pytest.mark.django_db

CALLED = [each for each in PLATFORMS if each != "segment"]
POSTED = [each for each in CALLED if "POST" in load_preset(each).methods]
MEBIBYTE = 1024 * 1024
DEEP = 100_000


BODIES = {
    "nothing": b"",
    "blanks": b" \r\n\t ",
    "a word": b"hello",
    "half an object": b'{"id": "e-1"',
    "two objects side by side": b"{}{}",
    "NaN": b'{"id": NaN, "name": -Infinity}',
    "a NUL byte": b"\x00",
    "NUL in texts": b'{"id": "a\\u0000b", "name": "\\u0000", "\\u0000": 1}',
    "half a surrogate pair": b'{"id": "\\ud800", "name": "\\udfff", "\\ud800": {}}',
    "invalid UTF-8": b'{"id": "\xff\xfe", "\xff": 1}',
    "UTF-16": '{"id": "e-1"}'.encode("utf-16"),
    "byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "open brackets": b"[" * DEEP,
    "open braces": b'{"a":' * DEEP,
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "texts in texts": json.dumps(json.dumps(json.dumps({"id": "x"}))).encode(),
    "a huge integer": b'{"id": ' + b"9" * 5_000 + b', "timestamp": 1e999}',
    "a list": b"[]",
    "a list of everything": b'[1, "x", null, [], true, {}, 1.5]',
    "a text": b'"hi"',
    "a number": b"17",
    "null": b"null",
    "true": b"true",
    "an empty object": b"{}",
    "a key that stands twice": b'{"id": 1, "id": 2, "name": "INSTALL", "name": []}',
    "a form": b"id=1&name=INSTALL&id=2&" + b"a=%00%ff&" * 400,
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///">]><a>&b;</a>',
    "10,000 items": json.dumps([{"id": n} for n in range(10_000)]).encode(),
    "10,000 items in it": json.dumps(
        {
            name: [{"id": n} for n in range(10_000)]
            for name in ("data", "events", "items", "batch")
        }
    ).encode(),
    "10,000 keys": json.dumps({f"k{n}": n for n in range(10_000)}).encode(),
}
CONTENT_TYPES = [
    "",
    "text/plain",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/json; charset=bogus",
    "application/cloudevents+json",
    "a" * 5_000,
    ";" * 5_000,
    "\xff",
]
MALFORMED = [
    *("", " ", "v1,", ",", "v1", "=", "\xff", "0" * 8_000, "v1,\x00", "Basic "),
    *("t=,v1=", "t=1,t=2,v1=0", "sha256=", "Basic Og==", "Bearer ", "v1,v1,v1 v1,"),
]
BOMB = a_bomb(20)
COMPRESSED = {
    "nothing": b"",
    "no gzip": b"{}",
    "cut off": gzip.compress(b"{}")[:-9],
    "a wrong checksum": gzip.compress(b"{}")[:-8] + b"\0" * 8,
    "a bomb": BOMB,
    "bombs one after the other": BOMB * 5,
    "1 MB and a byte": gzip.compress(b" " * (MEBIBYTE + 1)),
}


def assert_alive(client, source):
    """Assert that the source takes a sound call after all that, and stores it once."""
    before = ReferralEvent.objects.count()
    answers = [call_hook(client, source, sample_of(source)) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    assert ReferralEvent.objects.count() - before == 1


@pytest.mark.parametrize("platform", POSTED)
def test_hostile_bodies_with_a_good_signature_are_taken(client, app, platform):
    source = builders.a_source(app, platform)

    answers = {
        name: call_hook(client, source, signed(source, body))
        for name, body in BODIES.items()
    }

    assert {name for name, each in answers.items() if each.status_code != 200} == set()
    assert {each.content for each in answers.values()} == {b""}
    assert_alive(client, source)


@pytest.mark.parametrize("media", CONTENT_TYPES)
def test_the_content_type_decides_over_no_signature(app, media):
    source = builders.a_source(app, "growsurf")
    call = signed(source, sample_of(source).body)
    lines = [*signed_lines(call), ("Content-Type", media)]
    path = f"/v1/hooks/{source.public_id}".encode()

    status, _, text = call_by_wsgi("POST", path, lines, call.body)

    assert (status, text) == (200, b"")


@pytest.mark.parametrize("body", COMPRESSED.values(), ids=COMPRESSED.keys())
def test_what_does_not_unpack_to_a_body_is_too_large(client, app, body):
    source = builders.a_source(app, "growsurf")

    answer = call_hook(
        client, source, signed(source, body), **{"Content-Encoding": "gzip"}
    )

    assert (answer.status_code, answer.content) == (413, b"")
    assert not ReferralEvent.objects.exists()


def test_a_signature_is_over_what_was_compressed(client, app):
    source = builders.a_source(app, "growsurf")
    call = sample_of(source)
    packed = msgspec.structs.replace(call, body=gzip.compress(call.body))

    answer = call_hook(client, source, packed, **{"Content-Encoding": "x-GZIP "})

    assert (answer.status_code, ReferralEvent.objects.count()) == (200, 1)


def test_a_body_of_1_mb_is_taken_and_a_byte_more_is_not(client, app):
    source = builders.a_source(app, "growsurf")
    start = b'{"event": "x", "more": "'
    whole = start + b"x" * (MEBIBYTE - len(start) - 2) + b'"}'

    answers = [
        call_hook(client, source, signed(source, each))
        for each in (whole, whole + b" ")
    ]

    assert [each.status_code for each in answers] == [200, 413]


class TestForgeries:
    @pytest.mark.parametrize("platform", CALLED)
    def test_without_its_secret_or_with_another_body_it_is_no_call(
        self, client, app, platform
    ):
        source = builders.a_source(app, platform)
        call = sample_of(source)
        bare = msgspec.structs.replace(call, headers=(), query=(), path_secret="")
        changed = msgspec.structs.replace(call, body=call.body + b"0")
        is_signed = isinstance(
            source.preset.verifier, HmacVerifier | TimestampVerifier | StandardVerifier
        )

        answers = [
            call_hook(client, source, each).status_code for each in (bare, changed)
        ]

        assert answers == [401, 401 if is_signed else 200]

    def test_nothing_of_a_forged_call_is_read(
        self, client, app, django_assert_num_queries
    ):
        source = builders.a_source(app, "growsurf")
        call_hook(client, source, sample_of(source, secret="another"))

        with django_assert_num_queries(0):
            for body in BODIES.values():
                call = msgspec.structs.replace(sample_of(source), body=body)
                assert call_hook(client, source, call).status_code == 401

    def test_a_replay_is_stored_once_whatever_its_age(self, client, app):
        source = builders.a_source(app, "friendbuy")
        call = sample_of(source)

        answers = [call_hook(client, source, call).status_code for _ in range(3)]

        assert (set(answers), ReferralEvent.objects.count()) == ({200}, 1)

    @pytest.mark.parametrize("seconds", [-301, 301, 10**12])
    def test_an_old_time_is_refused_where_each_attempt_has_its_own(
        self, client, app, seconds
    ):
        source = builders.a_source(app, "standard_webhooks")
        at = datetime.now(UTC)
        at = (
            at + timedelta(seconds=-seconds)
            if abs(seconds) < 1_000
            else datetime(1970, 1, 2, tzinfo=UTC)
        )
        call = sign_sample(source.preset, SECRET, now=at)

        assert call_hook(client, source, call).status_code == 401

    @pytest.mark.parametrize("platform", CALLED)
    def test_a_malformed_signature_is_a_wrong_one(self, client, app, platform):
        source = builders.a_source(app, platform)
        header = source.preset.header or "X-Nothing"
        call = sample_of(source)
        if source.preset.header is None:
            call = msgspec.structs.replace(call, query=(), path_secret="x")

        answers = [
            call_hook(client, source, call, **{header: text}).status_code
            for text in MALFORMED
        ]

        assert set(answers) == {401}


class TestQueries:
    @pytest.mark.parametrize("platform", ["adjust", "kochava", "branch"])
    @pytest.mark.parametrize("number", [300, 3_000])
    def test_many_parameters_are_taken(self, client, app, platform, number):
        source = builders.a_source(app, platform)
        call = sample_of(source)
        more = [(f"p{n}", "x") for n in range(number - len(call.query))]
        many = msgspec.structs.replace(call, query=(*call.query, *more))

        assert call_hook(client, source, many).status_code == 200

    def test_300_parameters_in_8_kb_become_the_event(self, client, app):
        source = builders.a_source(app, "adjust")
        call = sample_of(source)
        room = request_limits.MAX_URL_BYTES - len(urlencode(call.query)) - 100
        each = room // (300 - len(call.query)) - len("&p100=")
        more = tuple((f"p{n}", "x" * each) for n in range(300 - len(call.query)))

        answer = call_hook(
            client, source, msgspec.structs.replace(call, query=(*call.query, *more))
        )

        assert (answer.status_code, ReferralEvent.objects.count()) == (200, 1)

    @pytest.mark.parametrize(
        "query",
        [
            *("%00=%00", "%ff=%ff", "%", "%zz=%2", "=", "&" * 8_000, "a" * 8_000),
            *("a[]=1&a[b]=2", "a=1;b=2", "a=%ED%A0%80", "a=" + "%25" * 2_000),
        ],
    )
    @pytest.mark.parametrize("platform", ["adjust", "kochava", "growsurf"])
    def test_queries_that_mean_nothing_are_taken(self, app, platform, query):
        source = builders.a_source(app, platform)
        call = sample_of(source)
        secret = f"/{call.path_secret}" if call.path_secret else ""
        parameter = getattr(source.preset.verifier, "parameter", "")
        known = f"{parameter}={SECRET}&" if parameter else ""

        status, _, text = call_by_wsgi(
            call.method,
            f"/v1/hooks/{source.public_id}{secret}".encode(),
            signed_lines(call),
            call.body,
            query=f"{known}{query}".encode(),
        )

        assert (status, text) == (200, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "BREW"])
def test_other_methods_are_no_signature_failure(client, app, method):
    source = builders.a_source(app, "growsurf")

    answer = client.generic(method, f"/v1/hooks/{source.public_id}")

    assert (answer.status_code, answer.content) == (405, b"")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "secret", ["%2F", "%00", "%0A", "%ff", "%ED%A0%80", "..", "%2e%2e", "x" * 8_000]
)
def test_a_secret_in_the_address_may_be_anything_else(app, secret):
    source = builders.a_source(app, "adjust")
    path = f"/v1/hooks/{source.public_id}/{secret}".encode()

    status, _, text = call_by_wsgi("GET", path)

    # A slash makes it another address.
    assert (status, text) == (404 if secret == "%2F" else 401, b"")


# Anything at all -----------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(["app_install", "INSTALL", "None", "true", "{}", "?a=b", "\0"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)
#: What a column of JSON can hold.
SAVED = st.recursive(
    st.integers(-(2**53), 2**53) | st.booleans() | st.text("abc./*[]{}$"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "event", "each", "path", "id"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
FUZZ = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEW = ("branch", "appsflyer", "getsocial", "growsurf", "friendbuy", "cloudevents")


@pytest.fixture
def sources(app):
    return [builders.a_source(app, each) for each in FEW]


def assert_bounded(source, body):
    answer = call_hook(Client(), source, signed(source, body))
    assert (answer.status_code, answer.content) == (200, b"")


@FUZZ
@given(body=st.binary(max_size=200), number=st.integers(0, len(FEW) - 1))
def test_arbitrary_bytes_are_answered(sources, body, number):
    assert_bounded(sources[number], body)


@FUZZ
@given(value=VALUES, number=st.integers(0, len(FEW) - 1))
def test_arbitrary_json_is_answered(sources, value, number):
    assert_bounded(sources[number], json.dumps(value).encode())


@FUZZ
@given(data=st.data(), number=st.integers(0, len(FEW) - 1), value=VALUES)
def test_almost_good_calls_are_answered(sources, data, number, value):
    """A sample in which something stands that its platform would never send."""
    source = sources[number]
    samples = [each.body for each in source.preset.samples if each.body]
    body = msgspec.json.decode(msgspec.json.encode(data.draw(st.sampled_from(samples))))
    place = body
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            place[key] = value
            break
        place = place[key]

    assert_bounded(source, json.dumps(body).encode())


@FUZZ
@given(mapping=SAVED, keys=SAVED, chosen=SAVED, number=st.integers(0, len(FEW) - 1))
def test_whatever_a_row_says_ends_in_an_answer(sources, mapping, keys, chosen, number):
    """No page saves such a row; one that is there all the same is busy, or taken."""
    source = sources[number]
    changes = {"mapping": mapping, "referrer_keys": keys, "chosen_events": chosen}
    Source.objects.filter(pk=source.pk).update(**changes)
    clear_known_sources()
    client = Client(raise_request_exception=False)

    answer = call_hook(client, source, sample_of(source))

    assert (answer.status_code in (200, 503), answer.content) == (True, b"")
