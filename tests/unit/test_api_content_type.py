"""No Content-Type gets Django into trouble before it can answer."""

import io

import pytest
from django.core.handlers.wsgi import WSGIRequest
from hypothesis import given, strategies as st

from referrals.api.content_type import drop_unreadable_content_type, is_readable

TOKENS = [
    *("application/json", "charset", "x", "utf-8", "hex", "idna", "base64", "bogus"),
    *(";", "=", "*", "'", '"', "%", "\\", "0", "1", " ", "\t", ",", "\xff", "rot13"),
]


def seen_by_django(content_type):
    """Return the request that Django makes, through what stands in front of it."""
    seen = []

    def django(environ, _start_response):
        seen.append(WSGIRequest(environ))
        return []

    environ = {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "a=%ff",
        "CONTENT_TYPE": content_type,
        "wsgi.input": io.BytesIO(),
    }
    drop_unreadable_content_type(django)(environ, lambda *_: lambda _: None)
    return seen[0]


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/json; charset=utf-8",
        "application/json; charset=utf-16",
        "application/json; charset=bogus",
        "multipart/form-data; boundary=----x",
    ],
)
def test_what_django_can_read_is_left_alone(content_type):
    assert is_readable(content_type)
    assert seen_by_django(content_type).META["CONTENT_TYPE"] == content_type


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset*=bogus''x",
        "application/json; x*0*; x*\t",
        "application/json; charset=hex",
        "application/json; charset=idna",
    ],
)
def test_what_django_would_fail_on_is_taken_away(content_type):
    assert not is_readable(content_type)
    assert seen_by_django(content_type).META["CONTENT_TYPE"] == ""


def test_a_request_without_the_header_is_left_alone():
    assert is_readable("")


@given(st.lists(st.sampled_from(TOKENS), max_size=14).map("".join))
def test_whatever_the_header_says_django_reads_the_query(rest):
    assert "a" in seen_by_django(f"application/json;{rest}").GET


@given(st.text(st.characters(max_codepoint=255), max_size=30))
def test_a_header_of_any_text_does_no_harm(content_type):
    assert "a" in seen_by_django(content_type).GET
