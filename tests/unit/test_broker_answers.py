"""The broker's answers, read as they come over the wire."""

import pytest
import redis

from clevertap_sync.process.broker_answers import read_answers

WHOLE = b"+OK\r\n_\r\n$-1\r\n:12\r\n$4\r\na\r\nb\r\n-ERR no\r\n"


def test_each_answer_is_read_in_order():
    *good, error = read_answers(WHOLE, 6)

    assert good == [b"OK", None, None, 12, b"a\r\nb"]
    assert isinstance(error, redis.ResponseError)
    assert str(error) == "no"


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_answers_whose_end_is_missing_are_none_yet(end):
    assert read_answers(WHOLE[:end], 6) is None


def test_a_number_may_be_below_zero():
    assert read_answers(b":-2\r\n", 1) == [-2]


def test_an_error_has_the_class_that_redis_gives_it():
    (error,) = read_answers(b"-NOPERM not for you\r\n", 1)

    assert type(error) is redis.exceptions.NoPermissionError


def test_a_broker_that_serves_nobody_is_no_answer():
    with pytest.raises(redis.BusyLoadingError):
        read_answers(b"-LOADING it reads its file\r\n", 1)


@pytest.mark.parametrize(
    "read",
    [
        *(b":1\r\n:2\r\n", b"*0\r\n", b">1\r\n:1\r\n", b"HTTP/1.1 400\r\n"),
        *(b":many\r\n", b"$many\r\n", b"$-5\r\n", b":\r\n"),
    ],
)
def test_what_was_not_asked_for_is_refused(read):
    with pytest.raises(redis.InvalidResponse):
        read_answers(read, 1)
