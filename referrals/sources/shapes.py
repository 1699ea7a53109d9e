"""The shape of a call: keys and types, with stand-ins for its values. Pure.

A shape can be kept and shown, since nothing of a person is in it, and a mapping makes of
it what it would make of the call.
"""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from referrals.decoding import prepare_type
from referrals.rules import BrokenRuleError
from referrals.sources.call import FORM, Call, Pairs, make_call
from referrals.sources.document import is_form, read_document
from referrals.sources.mapping.known_words import list_known_words
from referrals.sources.mapping.rules import Choices, Mapping
from referrals.sources.stand_ins import StandIns

MAX_SHAPE_BYTES: Final = 16 * 1024
#: How many values are kept: as many as fit.
_AMOUNTS: Final = (400, 200, 100, 50, 25)
_JSON: Final = "application/json"
_MEDIA_TYPE: Final = "content-type"


@prepare_type
class Shape(msgspec.Struct, frozen=True):
    """What a call looks like. Made by `make_shape`; `make_example` makes a call of it.

    `is_cut` says that some of it was left out: of a list all but the first elements, of a
    large body the end.
    """

    method: str
    headers: Pairs
    query: Pairs
    body: Any = None
    has_body: bool = True
    is_form: bool = False
    is_cut: bool = False


def make_shape(
    call: Call, mapping: Mapping, choices: Choices, *, now: datetime
) -> Shape | None:
    """Return the shape of a call that comes without its secrets; None for no readable one.

    Its times are on the day of `now`. Never raises.
    """
    try:
        body = read_document(call).body if call.has_body else None
    except BrokenRuleError:
        return None
    words = list_known_words(mapping, choices)
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for most in _AMOUNTS:
        shape = _make(call, body, StandIns(words, day, most=most))
        if len(encode_shape(shape)) <= MAX_SHAPE_BYTES:
            return shape
    return None


def encode_shape(shape: Shape) -> bytes:
    """Return a shape as it is kept."""
    return msgspec.json.encode(shape)


def decode_shape(kept: str) -> Shape | None:
    """Return the shape that was kept; None where there is none, or one of another form."""
    try:
        return msgspec.json.decode(kept, type=Shape)
    except (msgspec.MsgspecError, ValueError):
        return None


def make_example(shape: Shape) -> Call:
    """Return a call of this shape."""
    if shape.is_form and isinstance(shape.body, dict):
        body = urlencode(shape.body, doseq=True).encode()
    else:
        body = msgspec.json.encode(shape.body) if shape.has_body else b""
    return make_call(
        shape.method,
        headers=shape.headers,
        query_string=urlencode(shape.query),
        body=body,
    )


def _make(call: Call, body: object, stand_ins: StandIns) -> Shape:
    query = tuple(stand_ins.replace_pairs(call.query))
    form = call.has_body and is_form(call)
    kept = stand_ins.replace_value(body)
    headers = tuple(
        (name, FORM if form else _JSON) if name == _MEDIA_TYPE else (name, value)
        for name, value in stand_ins.replace_pairs(call.headers)
    )
    return Shape(
        method=call.method,
        headers=headers,
        query=query,
        body=kept,
        has_body=call.has_body,
        is_form=form,
        is_cut=stand_ins.is_cut,
    )
