"""Why a decoder refused an event, in a sentence for the producer's engineer.

Pure. Runs only for refused events, so that its cost does not matter.
"""

import re
from typing import Any

import msgspec

from referrals.decoding import prepare_type
from referrals.refusals import Code
from referrals.repeated_keys import find_repeated_key
from referrals.rules import (
    ID_PATTERN,
    ID_RULE,
    OCCURRED_AT_RULE,
    REPEATED_KEY_RULE,
    BrokenRuleError,
    extend_pointer,
)
from referrals.vocabulary import LAST, EventType, FraudStatus, Via

#: Of a good id as JSON, in which each character may be an escape.
_MAX_ID_BYTES = 2 + 6 * 200
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING_FIELD = re.compile(r"Object missing required field `(.*)`")
_WRONG_TYPE = re.compile(r"Expected `(.*)`, got `(.*)`")
_BYTE = re.compile(r"\(byte ([0-9]+)\)")
_OUT_OF_RANGE = "Number out of range"

_PERSON = (
    "A person is an object with identities, each the name of a provider and the user's ID "
    'there, such as {"identities": {"email": "ann@example.com"}}.'
)
_OBJECT = 'Send an object, such as {"plan": "gold"}.'
_TOO_LARGE = "It contains a number that is too large for a float. Send it as a text."


def _one_of(values: type[EventType | FraudStatus | Via]) -> str:
    return f"Send one of: {', '.join(values)}."


_HINTS = {
    "/id": ID_RULE,
    "/type": _one_of(EventType),
    "/via": _one_of(Via),
    "/status": _one_of(FraudStatus),
    "/occurred_at": OCCURRED_AT_RULE,
    "/identities": _PERSON,
    "/user": _PERSON,
    "/referrer": f'{_PERSON} Or send "{LAST}" for whoever invited the user last.',
    "/event_data": _OBJECT,
    "/metadata": _OBJECT,
    "/test": "Send true or false.",
}
_CODES = {"/id": Code.BAD_ID, "/occurred_at": Code.BAD_TIME}
_WORDS = {
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


@prepare_type
class _IdOnly(msgspec.Struct):
    id: msgspec.Raw


def read_id(raw: bytes) -> str | None:
    """Return the event's id if that is good, also where other fields are not."""
    try:
        sent = msgspec.json.decode(raw, type=_IdOnly).id
        if memoryview(sent).nbytes > _MAX_ID_BYTES:  # it may be as long as a body
            return None
        found = msgspec.json.decode(sent, type=str)
    except (ValueError, RecursionError):
        return None
    return found if ID_PATTERN.fullmatch(found) else None


def explain_refusal(error: Exception, raw: bytes) -> BrokenRuleError:
    """Return the refusal of `raw`: its place, code and remedy."""
    if isinstance(error, BrokenRuleError):
        return error
    if isinstance(error, RecursionError):
        return BrokenRuleError(
            code=Code.TOO_DEEP,
            at="",
            detail="It is nested too deeply to be read.",
        )
    if not isinstance(error, msgspec.ValidationError):
        return BrokenRuleError(
            code=Code.NOT_JSON,
            at="",
            detail=f"It is not valid JSON in UTF-8{_describe_place(error, raw)}. NaN and "
            "Infinity are not, either.",
        )
    message, _, path = str(error).rpartition(" - at `$")
    if not message:
        return _explain_message(path, "", raw)
    # The decoder's path, such as `.user.identities[...]`, as a JSON pointer.
    pointer = path.rstrip("`").partition("[")[0].replace(".", "/")
    return _explain_message(message, pointer, raw)


def _describe_place(error: Exception, raw: bytes) -> str:
    """Return the byte at which the decoder stopped, if it says so; never the text there."""
    if match := _BYTE.search(str(error)):
        return f", from its byte {int(match[1]) + 1:,} on"
    if isinstance(error, UnicodeDecodeError):
        return f", from its byte {_count_bytes_to_fault(raw, error):,} on"
    return ": it ends early" if "truncated" in str(error) else ""


def _count_bytes_to_fault(raw: bytes, error: UnicodeDecodeError) -> int:
    """Return the number of the byte: the decoder counts from the start of the one text.

    Under another name, the error would keep this frame, and it all that its callers hold,
    until the garbage collector comes by.
    """
    try:
        raw.decode()
    except UnicodeDecodeError as of_all:
        return of_all.start + 1
    return error.start + 1


def _explain_message(message: str, pointer: str, raw: bytes) -> BrokenRuleError:
    if match := _UNKNOWN_FIELD.fullmatch(message):
        return _explain_unknown_field(pointer, match[1])
    if match := _MISSING_FIELD.fullmatch(message):
        pointer = extend_pointer(pointer, match[1])
        return BrokenRuleError(
            code=Code.MISSING_FIELD,
            at=pointer,
            detail="This field is required. " + _HINTS.get(pointer, ""),
        )
    if pointer.endswith("/identities"):
        return _explain_identities(pointer, raw)
    if pointer in _HINTS:
        # The object itself is one; a number inside it is out of range.
        is_number = message == _OUT_OF_RANGE and _HINTS[pointer] == _OBJECT
        return BrokenRuleError(
            code=Code.NUMBER_TOO_LARGE if is_number else _choose_code(pointer, message),
            at=pointer,
            detail=_TOO_LARGE if is_number else _HINTS[pointer],
        )
    if match := _WRONG_TYPE.fullmatch(message):
        expected = _describe_types(match[1])
        return BrokenRuleError(
            code=Code.WRONG_TYPE,
            at=pointer,
            detail=f"Expected {expected}, got {_describe_types(match[2])}.",
        )
    return BrokenRuleError(
        code=_choose_code(pointer, message), at=pointer, detail=f"{message}."
    )


def _choose_code(pointer: str, message: str) -> Code:
    """Return the cause where a value, not the shape of the event, is at fault."""
    if pointer in _CODES:
        return _CODES[pointer]
    return Code.WRONG_TYPE if _WRONG_TYPE.fullmatch(message) else Code.UNKNOWN_VALUE


def _explain_unknown_field(pointer: str, name: str) -> BrokenRuleError:
    advice = (
        "A user's IDs belong into identities."
        if pointer
        else "Check its spelling, or put data of your own into metadata."
    )
    return BrokenRuleError(
        code=Code.UNKNOWN_FIELD,
        at=extend_pointer(pointer, name),
        detail=f"There is no such field. {advice}",
    )


def _explain_identities(pointer: str, raw: bytes) -> BrokenRuleError:
    """Return the refusal of an identity that is no text: the decoder does not name it."""
    try:
        found: Any = _decoder.decode(raw)
        twice = find_repeated_key(raw)
    except (ValueError, RecursionError) as error:
        # What follows the identity was not read before.
        return explain_refusal(error, raw)
    if twice is not None:
        # Another value may stand where the identity was.
        return BrokenRuleError(
            code=Code.REPEATED_KEY, at=twice, detail=REPEATED_KEY_RULE
        )
    for key in pointer.split("/")[1:]:
        found = found[key]
    if not isinstance(found, dict):
        return BrokenRuleError(code=Code.BAD_IDENTITY, at=pointer, detail=_PERSON)
    provider = next((k for k, v in found.items() if not isinstance(v, str | None)), "")
    return BrokenRuleError(
        code=Code.BAD_IDENTITY,
        at=extend_pointer(pointer, provider),
        detail="An identity is a text and is sent on byte for byte: put it in quotes, or leave "
        "it out.",
    )


def _describe_types(types: str) -> str:
    """Return a decoder's `str | null` as "a text or null"."""
    return " or ".join(_WORDS.get(name, name) for name in types.split(" | "))


# A number may be too large for a float: that is for another refusal.
_decoder = msgspec.json.Decoder(float_hook=float)
