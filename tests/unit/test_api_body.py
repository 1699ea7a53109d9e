"""Reading a body: how much, from where, and in how small pieces."""

import gzip
import io
import tracemalloc

import pytest
from django.core.handlers.wsgi import WSGIRequest

from referrals.api import gunzip as api_gunzip
from referrals.api.body import read_body, read_media_type
from referrals.api.gunzip import gunzip
from referrals.api.problems import ProblemError
from referrals.api.stream import read_stated_length
from tests.unit.bombs import MEGABYTE, a_bomb


class Wire:
    """A server's stream: counts what is taken from it, and may break."""

    def __init__(self, data=b"", *, endless=False, breaks=False):
        self.stream = io.BytesIO(data)
        self.endless = endless
        self.breaks = breaks
        self.taken = 0

    def read(self, size):
        if self.breaks:
            raise RuntimeError
        part = b" " * size if self.endless else self.stream.read(size)
        self.taken += len(part)
        return part

    def readline(self, _size=-1):
        raise AssertionError


def a_request(wire, **environ):
    return WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/v1/events",
            "CONTENT_TYPE": "application/json",
            "wsgi.input": wire,
            **environ,
        }
    )


def refusal_of(request):
    with pytest.raises(ProblemError) as caught:
        read_body(request)
    return caught.value.kind.slug


def test_a_body_is_read_to_its_stated_length_and_no_further():
    wire = Wire(b'{"a":1}GET / HTTP/1.1')

    assert read_body(a_request(wire, CONTENT_LENGTH="7")) == (
        "application/json",
        b'{"a":1}',
    )
    assert wire.taken == 7


def test_a_body_that_is_all_here_is_not_copied():
    data = b" " * MEGABYTE
    request = a_request(io.BytesIO(data), CONTENT_LENGTH=str(len(data)))

    assert read_body(request)[1] is data


def test_without_a_length_and_without_an_end_nothing_is_read():
    wire = Wire(b"x")

    assert read_body(a_request(wire))[1] == b""
    assert wire.taken == 0


def test_a_body_shorter_than_stated_is_incomplete():
    request = a_request(Wire(b'{"a":1}'), CONTENT_LENGTH="8")

    assert refusal_of(request) == "incomplete-body"


def test_a_stream_that_breaks_is_an_incomplete_body():
    class Disconnected(Wire):
        def read(self, _size):
            raise ConnectionResetError

    request = a_request(Disconnected(), CONTENT_LENGTH="8")

    assert refusal_of(request) == "incomplete-body"


def test_a_servers_own_errors_are_an_incomplete_body():
    request = a_request(Wire(breaks=True), CONTENT_LENGTH="8")

    assert refusal_of(request) == "incomplete-body"


@pytest.mark.parametrize(
    ("stated", "length"),
    [
        ("", None),
        ("0", 0),
        ("007", 7),
        ("-1", None),
        ("1e3", None),
        (" 1", None),
        ("²", None),
        ("9" * 40, 10**18 - 1),
        ("0" * 5_000, 0),
    ],
)
def test_a_stated_length_is_a_number_or_nothing(stated, length):
    assert read_stated_length(a_request(Wire(), CONTENT_LENGTH=stated)) == length


def test_a_body_that_is_too_long_is_refused_unread():
    wire = Wire(endless=True)

    assert refusal_of(a_request(wire, CONTENT_LENGTH=str(10**17))) == "too-large"
    assert wire.taken == 0


def test_a_bomb_is_stopped_long_before_it_is_unpacked():
    bomb = a_bomb(200)
    tracemalloc.start()

    try:
        with pytest.raises(ProblemError) as caught:
            gunzip(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert caught.value.kind.slug == "too-large"
    assert peak < 40 * MEGABYTE


def test_many_members_make_one_body():
    members = [gzip.compress(b"%d," % n) for n in range(2_000)]

    assert gunzip(b"".join(members)) == b"".join(b"%d," % n for n in range(2_000))


def test_a_member_may_end_anywhere_in_a_step(monkeypatch):
    data = gzip.compress(b"one") + gzip.compress(b"two")

    for step in range(1, len(data) + 2):
        monkeypatch.setattr(api_gunzip, "STEP_BYTES", step)
        assert gunzip(data) == b"onetwo"


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [
        ("application/json", "application/json"),
        (" Application/JSON ; Charset = UTF-8", "application/json"),
        ('application/x-ndjson; charset="utf-8"', "application/x-ndjson"),
        ("application/json;", "application/json"),
    ],
)
def test_two_media_types_are_read(content_type, media_type):
    assert read_media_type(content_type) == media_type


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/jsonx",
        "application/json, text/html",
        "application/json; charset=utf-16",
        "application/json; charset*=bogus''x",
        "application/json; charset*0*=bogus''x; charset*=y",
        "application/json; x*0*; x*\t",
    ],
)
def test_everything_else_is_refused(content_type):
    with pytest.raises(ProblemError) as caught:
        read_media_type(content_type)

    assert caught.value.kind.slug == "unsupported-media-type"
