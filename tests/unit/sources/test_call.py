"""What a platform sent, as it came."""

import pytest
from hypothesis import given, strategies as st

from referrals.sources.call import MAX_PARAMETERS, Call, make_call


def test_headers_are_found_in_any_case_as_often_as_they_came():
    call = make_call("post", headers=[("X-Sign", "a"), ("x-sign", "b"), ("Y", "c")])

    assert call.method == "POST"
    assert call.find_headers("X-SIGN") == ("a", "b")
    assert call.find_headers("none") == ()


def test_a_query_keeps_its_order_its_repeats_and_its_empty_values():
    call = make_call("GET", query_string="b=1&a=%C3%A9+x&b=2&c=&d")

    assert call.query == (("b", "1"), ("a", "é x"), ("b", "2"), ("c", ""), ("d", ""))
    assert call.find_parameters("b") == ("1", "2")
    assert not call.is_cut


def test_300_parameters_are_read_and_no_more():
    pairs = [f"p{number}=v" for number in range(MAX_PARAMETERS + 1)]

    whole = make_call("GET", query_string="&".join(pairs[:-1]))
    cut = make_call("GET", query_string="&".join(pairs))

    assert (len(whole.query), whole.is_cut) == (300, False)
    assert (len(cut.query), cut.is_cut) == (300, True)


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [
        ("application/JSON; charset=utf-8", "application/json"),
        (" text/plain ", "text/plain"),
        ("", ""),
    ],
)
def test_the_media_type_has_no_parameters(content_type, media_type):
    call = make_call("POST", headers=[("Content-Type", content_type)])

    assert call.media_type == media_type


def test_a_call_without_a_content_type_has_no_media_type():
    assert make_call("POST").media_type == ""


def test_a_call_shows_nothing_that_was_sent():
    call = make_call(
        "POST",
        headers=[("X-Secret", "planted")],
        query_string="token=planted",
        body=b"planted",
        path_secret="planted",
    )

    assert "planted" not in repr(call)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_query_makes_a_call(query, header):
    call = make_call("GET", query_string=query, headers=[(header, header)])

    assert isinstance(call, Call)
    assert len(call.query) <= MAX_PARAMETERS
