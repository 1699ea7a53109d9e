"""The broker's answers as they come over the wire, read by few steps. Pure.

Reference: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from collections.abc import Sequence
from typing import Any

import redis
from redis.connection import DefaultParser

#: What the broker says; an error that it answers is raised by nobody.
CommandAnswer = bytes | int | redis.ResponseError | None

_LINE_END = b"\r\n"
# In the protocol's third version, and in its second.
_NOTHING = (b"_", b"$-1")


def read_answers(read: bytes, number: int) -> Sequence[CommandAnswer] | None:
    """Return so many answers, which are all of `read`; None while the end is missing.

    They are texts, numbers, errors, or nothing. Raises `redis.InvalidResponse` for anything
    else, and `redis.ConnectionError` where the broker serves nobody.
    """
    answers, at = [], 0
    for _ in range(number):
        answer, at = _read_one(read, at)
        if at > len(read):
            return None
        answers.append(answer)
    if at < len(read):
        msg = "The broker said more than it was asked."
        raise redis.InvalidResponse(msg)
    return answers


def _read_one(read: bytes, at: int) -> tuple[CommandAnswer, int]:
    """Return the answer that begins at `at`, and where the next one begins.

    That is beyond the end of `read` where this one is not whole.
    """
    end = read.find(_LINE_END, at)
    if end < 0:
        return None, len(read) + 1
    text, after = read[at + 1 : end], end + 2
    if read[at:end] in _NOTHING:
        return None, after
    match read[at : at + 1]:
        case b"+":
            return text, after
        case b":" if text.removeprefix(b"-").isdigit():
            return int(text), after
        case b"$" if text.isdigit():
            end = after + int(text)
            return read[after:end], end + 2
        case b"-":
            return _make_error(text), after
    msg = "The broker said what is no text, number or error."
    raise redis.InvalidResponse(msg)


def _make_error(text: bytes) -> redis.ResponseError:
    parse: Any = DefaultParser.parse_error  # redis-py has no types there
    error: redis.ResponseError | redis.ConnectionError = parse(
        text.decode(errors="replace")
    )
    if isinstance(error, redis.ConnectionError):
        raise error
    return error
