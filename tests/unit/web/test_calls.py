"""What is read of a head: whose the request is, what WSGI is told, how heavy it is."""

import gzip

import pytest

from integration_project.web import calls, heads, request_limits
from integration_project.web.bodies import Body
from tests.unit.bombs import a_bomb

MEBIBYTE = 1024 * 1024


def a_scope(method="POST", path=b"/v1/events", query=b"", **headers):
    return {
        "method": method,
        "raw_path": path,
        "query_string": query,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("203.0.113.7", 4711),
        "headers": [
            (name.replace("_", "-").encode(), value.encode("latin-1"))
            for name, value in headers.items()
        ],
    }


def a_call(**how):
    return calls.read_call(a_scope(**how))


def test_wsgi_is_told_what_the_caller_said():
    scope = a_scope("GET", b"/a%2Fb%C3%A9", b"x=%20&y", host="h", content_type="t/s")
    scope["headers"] += [(b"cookie", b"a=1"), (b"cookie", b"b=2")]
    scope["headers"] += [(b"x-twice", b"1"), (b"x-twice", b"2")]

    environ = calls.complete_environ(
        calls.read_call(scope), Body(b"", 0, is_whole=True)
    )

    assert environ["PATH_INFO"].encode("latin-1") == b"/a/b\xc3\xa9"
    assert environ["QUERY_STRING"] == "x=%20&y"
    assert environ["HTTP_HOST"] == "h"
    assert environ["CONTENT_TYPE"] == "t/s"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_TWICE"] == "1,2"
    assert environ["REMOTE_ADDR"] == "203.0.113.7"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", "8000")
    assert "CONTENT_LENGTH" not in environ


def test_a_header_with_an_underscore_poses_as_no_other():
    scope = a_scope(x_forwarded_for="198.51.100.1")
    scope["headers"] += [(b"x_forwarded_for", b"6.6.6.6"), (b"wsgi.input", b"x")]

    environ = calls.read_call(scope).environ

    assert environ["HTTP_X_FORWARDED_FOR"] == "198.51.100.1"
    assert "wsgi.input" not in environ


def test_a_body_is_handed_on_with_the_length_that_it_has():
    call = a_call(transfer_encoding="chunked")
    assert call.has_body

    environ = calls.complete_environ(call, Body(b"body", 4, is_whole=True))

    assert environ["CONTENT_LENGTH"] == "4"
    assert environ["wsgi.input"].read() == b"body"
    assert "HTTP_TRANSFER_ENCODING" not in environ


def test_a_body_that_is_not_whole_says_that_more_was_to_come():
    call = a_call(content_length="100")

    environ = calls.complete_environ(call, Body(b"half", 100, is_whole=False))

    assert environ["CONTENT_LENGTH"] == "100"
    assert environ["wsgi.input"].read(50) == b"half"
    with pytest.raises(ConnectionResetError):
        environ["wsgi.input"].read(50)


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("POST", b"/v1/events", MEBIBYTE),
        ("POST", b"//v1/events", MEBIBYTE),
        ("POST", b"/admin/login/", request_limits.MAX_FORM_BYTES),
        ("POST", b"/v1/segment/v1/batch", 4 * MEBIBYTE),
        ("POST", b"/v1/segment", MEBIBYTE),
        ("POST", b"/v1/segments/", MEBIBYTE),
        ("POST", b"/v1x", request_limits.MAX_FORM_BYTES),
        ("GET", b"/v1/events", 0),
        ("HEAD", b"/", 0),
        ("OPTIONS", b"/", 0),
        ("BREW", b"/", request_limits.MAX_FORM_BYTES),
    ],
)
def test_how_long_a_body_may_be_goes_by_where_it_goes(method, path, most):
    assert a_call(method=method, path=path).most == most


def test_pages_and_strangers_take_turns_by_their_network():
    page = a_call(path=b"/admin/")
    stranger = a_call(authorization="Bearer rk_of_nobody")

    assert (page.owner, page.key) == ("pages", "203.0.113.7")
    assert (stranger.owner, stranger.key) == ("strangers", "203.0.113.7")


@pytest.mark.parametrize(
    ("body", "encoding", "weight"),
    [
        (b"x" * request_limits.HEAVY_BYTES, "", 0),
        (b"x" * (request_limits.HEAVY_BYTES + 1), "", 1),
        (gzip.compress(b"x" * (request_limits.HEAVY_BYTES - 1)), "gzip", 0),
        (gzip.compress(b"x" * request_limits.HEAVY_BYTES), " X-GZIP ", 2),
        (a_bomb(50), "gzip", 2),
        (gzip.compress(b"x") + gzip.compress(b"x" * MEBIBYTE), "gzip", 2),
        (b"no gzip", "gzip", 0),
        (b"x" * (request_limits.HEAVY_BYTES + 1), "br", 1),
    ],
    ids=(
        "light",
        "heavy",
        "zipped",
        "more",
        "bomb",
        "members",
        "no gzip",
        "else",
    ),
)
def test_a_request_weighs_what_it_may_unpack_to(body, encoding, weight):
    call = a_call(content_encoding=encoding)

    assert calls.weigh_call(call, Body(body, len(body), is_whole=True)) == weight


@pytest.mark.parametrize(("more", "weight"), [(0, 1), (1, 2)])
def test_a_large_batch_of_an_sdk_is_served_alone(more, weight):
    body = b"x" * (request_limits.LONE_BYTES + more)

    found = [
        calls.weigh_call(a_call(path=path), Body(body, len(body), is_whole=True))
        for path in (b"/v1/segment/v1/batch", b"/v1/events")
    ]

    assert found == [weight, 1]


def test_what_is_refused_anyhow_weighs_nothing():
    assert calls.weigh_call(a_call(), Body(b"x" * MEBIBYTE, 1, is_whole=False)) == 0
    page = a_call(path=b"/admin/")
    assert calls.weigh_call(page, Body(b"x" * MEBIBYTE, 1, is_whole=True)) == 0


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (a_scope(path=b"/" * request_limits.MAX_URL_BYTES), None),
        (a_scope(path=b"/", query=b"x" * request_limits.MAX_URL_BYTES), 414),
        (a_scope(name="x" * (request_limits.MAX_HEADER_BYTES - 4)), None),
        (a_scope(name="x" * (request_limits.MAX_HEADER_BYTES - 3)), 431),
        (a_scope(**{f"x{n}": "1" for n in range(request_limits.MAX_HEADERS)}), None),
        (a_scope(**{f"x{n}": "1" for n in range(request_limits.MAX_HEADERS + 1)}), 431),
    ],
    ids=("path", "query", "header", "long header", "headers", "many headers"),
)
def test_a_head_has_bounds(scope, status):
    url_bytes = len(scope["raw_path"]) + len(scope["query_string"])

    assert heads.find_fault_of_head(url_bytes, scope["headers"]) == status


def test_names_of_headers_are_remembered_within_bounds(monkeypatch):
    monkeypatch.setattr(calls, "_NAMES", {})
    for n in range(2_000):
        scope = a_scope(**{f"x-{n}": "1"})
        assert calls.read_call(scope).environ[f"HTTP_X_{n}"] == "1"

    assert len(calls._NAMES) == 256
