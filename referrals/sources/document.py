"""What a call says, as values: its body, its query and its headers. Pure.

JSON is read as strictly as elsewhere: its values are counted before anything is made of
them, and a key that stands twice in one object is refused. The media type says that a
body may be a form and decides nothing else, since platforms send JSON under any.
"""

import json
from typing import Any, Final

import msgspec

from referrals import repeated_keys, rules, values
from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.sources.call import FORM, MAX_PARAMETERS, Call, Pairs, parse_pairs

#: In all items of a call, as in all events of a request.
MAX_VALUES: Final = 100_000
#: Objects and lists inside one another, the body included.
MAX_DEPTH: Final = 64
_BOM: Final = b"\xef\xbb\xbf"
# Libraries that send JSON leave their default media type on it.
_JSON_STARTS: Final = (b"{", b"[")


class Document(msgspec.Struct, frozen=True, gc=False):
    """What a mapping reads: `body` is any JSON value, `size` its length in bytes.

    In `query` and in a form a name that came with several values has a list of them.
    Headers have lower-case names, and one that was repeated is joined (RFC 9110, 5.3).
    """

    body: Any
    query: dict[str, str | list[str]]
    headers: dict[str, str]
    size: int

    def __repr__(self) -> str:
        """Show the size alone: all else holds people."""
        return f"Document(size={self.size})"


def read_document(call: Call, *, most_values: int = MAX_VALUES) -> Document:
    """Return what `call` says. A call without a body says it in its query.

    Raises `BrokenRuleError`, without a word of the call in it.
    """
    if call.is_cut:
        raise _too_many_parameters()
    query = gather_pairs(call.query)
    size = len(call.body)
    body: Any
    if not call.has_body:
        body, size = query, sum(len(name) + len(value) for name, value in call.query)
    elif is_form(call):
        body = _read_form(call.body)
    else:
        body = read_json(call.body, most_values=most_values)
    return Document(body, query, _join(call.headers), size)


def is_form(call: Call) -> bool:
    """Return whether the body of `call` is a form, and no JSON under that name."""
    return call.media_type == FORM and not call.body.lstrip().startswith(_JSON_STARTS)


def read_json(raw: bytes, *, most_values: int = MAX_VALUES) -> Any:  # noqa: ANN401 - JSON is any value
    """Return the JSON value of `raw`; nothing but blanks is an empty object.

    NaN and half a surrogate pair, which a strict decoder cannot read though writers of
    JSON do emit both, are kept: the event that is made of one is refused, no other.
    Raises `BrokenRuleError`.
    """
    raw = raw.removeprefix(_BOM)
    if not raw.strip():
        return {}
    if (
        values.may_have_more(raw, most_values)
        and values.count_values(raw, most_values) > most_values
    ):
        raise BrokenRuleError(
            code=Code.TOO_MANY_VALUES,
            at="",
            detail=f"The call has more than {most_values:,} values: members of objects "
            "and elements of lists, at any depth.",
        )
    _check_depth(raw)
    return _decode(raw)


def _decode(raw: bytes) -> Any:  # noqa: ANN401 - JSON is any value
    decode: Any = msgspec.json.decode
    try:
        decoded = decode(raw)
        if not repeated_keys.may_have_lost(raw, decoded):
            return decoded
    except (ValueError, RecursionError):
        decode = _decode_leniently
        decoded = decode(raw)
    # To look for keys takes as much memory again.
    del decoded
    pointer = repeated_keys.find_repeated_key(raw)
    if pointer is not None:
        raise BrokenRuleError(
            code=Code.REPEATED_KEY, at=pointer, detail=rules.REPEATED_KEY_RULE
        )
    return decode(raw)


def _decode_leniently(raw: bytes) -> Any:  # noqa: ANN401 - JSON is any value
    try:
        return json.loads(raw.decode())
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError:
        reason = "it is cut, or was never JSON"
    raise BrokenRuleError(
        code=Code.NOT_JSON,
        at="",
        detail=f"The body of the call cannot be read as JSON: {reason}.",
    )


def _check_depth(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    if values.measure_depth(raw, MAX_DEPTH) > MAX_DEPTH:
        raise BrokenRuleError(
            code=Code.TOO_DEEP,
            at="",
            detail=f"Objects and lists of a call may be nested {MAX_DEPTH} deep.",
        )


def _read_form(raw: bytes) -> dict[str, str | list[str]]:
    pairs, is_cut = parse_pairs(raw.decode(errors="replace"))
    if is_cut:
        raise _too_many_parameters()
    return gather_pairs(pairs)


def _too_many_parameters() -> BrokenRuleError:
    return BrokenRuleError(
        code=Code.TOO_MANY_VALUES,
        at="",
        detail=f"The call has more than {MAX_PARAMETERS} parameters. Take those out of "
        "the address that nobody reads.",
    )


def gather_pairs(pairs: Pairs) -> dict[str, str | list[str]]:
    """Return the pairs by name. A value that came twice for one name counts once."""
    found: dict[str, dict[str, None]] = {}
    for name, value in pairs:
        found.setdefault(name, {})[value] = None
    return {
        name: next(iter(several)) if len(several) == 1 else list(several)
        for name, several in found.items()
    }


def _join(pairs: Pairs) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
