"""The rules for an event beyond the types of its fields.

Pure. Each function raises `BrokenRuleError` with a JSON pointer (RFC 6901) into the event
and a sentence for the producer's engineer. A sentence never repeats a value: it is
kept and shown where identities must not be.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from referrals import values
from referrals.refusals import Code
from referrals.vocabulary import (
    BUILT_IN_NAMES,
    REFERRAL_TYPES,
    SIDES,
    EventType,
    Side,
    Via,
    find_referrals_without,
    normalise_name,
)

Found = TypeVar("Found")

# The types without a user, as a sentence lists them.
_WITHOUT_USER = " and ".join(find_referrals_without(Side.REFERRED))
#: Where the referrer may be "last". On an install it would escape the fraud verdict.
TYPES_WITH_LAST = tuple(
    each
    for each in REFERRAL_TYPES
    if set(SIDES[each]) == set(Side)
    and each not in {EventType.APP_INSTALL, EventType.APP_REINSTALL}
)
#: What an event of type identify does not have.
_NOT_OF_IDENTIFY = ("referrer", "via", "channel", "content", "status", "metadata")
_A_PAIR = 2
_PLAIN = (str, int, float, type(None))
# To look a member up in its enum takes as long as the rest of a rule.
_CUSTOM = EventType.CUSTOM
MAX_EVENT_BYTES = 32 * 1024
MAX_METADATA_BYTES = 2 * 1024
# Each costs time in every reader: this one, the mapping, a page.
MAX_VALUES = 2_000
# Objects and lists inside one another, the event included: no destination wants more,
# and every reader of the log has to be able to walk it.
MAX_DEPTH = 16
MAX_NAME_CHARACTERS = 255
MAX_INTEGER = 2**63 - 1

# In an address, "." and ".." are steps: a client would ask for another address.
ID_PATTERN = re.compile(r"(?!\.\.?$)[!-.0-~]{1,200}")
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_EARLIEST_SECOND = EARLIEST.timestamp()
LONGEST_AHEAD = timedelta(days=1)
# As seconds this is the year 5138; as milliseconds, 1973.
FIRST_MILLISECONDS = 1e11

OCCURRED_AT_RULE = (
    "Send the time as RFC 3339 with an offset, such as 2026-11-23T10:15:00Z, or as Unix "
    "seconds, such as 1795428900."
)
ID_RULE = (
    "An event needs an id of 1 to 200 visible ASCII characters without a slash. It makes "
    "sending the event again harmless, so it must be the same then."
)
REPEATED_KEY_RULE = (
    "This key stands twice in one object, and nobody knows which of the two counts. Send it "
    "once."
)
DOTS_RULE = (
    "An id of one or two dots is a step in an address, so nobody could ask what became of "
    "the event. Choose an id that says more."
)


class BrokenRuleError(ValueError):
    """An event breaks a rule: which, where, and what to do about it."""

    def __init__(self, *, code: Code, at: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.pointer = at
        self.detail = detail


def extend_pointer(pointer: str, key: object) -> str:
    """Return `pointer` one step further, with RFC 6901's escapes."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def find_instances(
    kind: type[Found], pointer: str, value: object
) -> Iterator[tuple[str, Found]]:
    """Yield each `kind` in `value`, which stands at `pointer`, with the pointer to it."""
    if isinstance(value, kind):
        yield pointer, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from find_instances(kind, extend_pointer(pointer, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from find_instances(kind, extend_pointer(pointer, index), inner)


def check_size(size: int) -> None:
    """Refuse an event that is longer than the log keeps."""
    if size > MAX_EVENT_BYTES:
        raise BrokenRuleError(
            code=Code.EVENT_TOO_LARGE,
            at="",
            detail=f"The event is {size:,} bytes long; {MAX_EVENT_BYTES:,} (32 KB) are allowed.",
        )


def check_values(raw: bytes) -> None:
    """Refuse an event, given as JSON, that has more than `MAX_VALUES` values."""
    if not values.may_have_more(raw, MAX_VALUES):
        return
    if values.count_values(raw, MAX_VALUES) > MAX_VALUES:
        raise BrokenRuleError(
            code=Code.TOO_MANY_VALUES,
            at=_find_fullest_field(raw),
            detail=f"The event has more than {MAX_VALUES:,} values: members of objects and "
            "elements of lists, at any depth. Send less with it.",
        )


def _find_fullest_field(raw: bytes) -> str:
    """Return the pointer to the field that has the most values."""
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return ""
    counted = {
        name: values.count_values(bytes(value), MAX_VALUES)
        for name, value in fields.items()
    }
    return extend_pointer("", max(counted, key=counted.__getitem__)) if counted else ""


def check_id(event_id: str) -> None:
    """Refuse an idempotency key that could not stand in an address."""
    if not ID_PATTERN.fullmatch(event_id):
        detail = DOTS_RULE if event_id in (".", "..") else ID_RULE
        raise BrokenRuleError(code=Code.BAD_ID, at="/id", detail=detail)


def check_name(event_type: EventType, name: str | None) -> None:
    """Refuse a custom event without a name of its own, and a name on any other."""
    if event_type is not _CUSTOM:
        if name:
            raise BrokenRuleError(
                code=Code.NAME_NOT_ALLOWED,
                at="/name",
                detail="Only events of type custom have a name. Leave it out here.",
            )
        return
    normalised = normalise_name(name or "")
    if not name or not normalised:
        raise BrokenRuleError(
            code=Code.BAD_NAME,
            at="/name",
            detail="A custom event needs a name, such as Subscription Started.",
        )
    if max(len(name), len(normalised)) > MAX_NAME_CHARACTERS:
        raise BrokenRuleError(
            code=Code.BAD_NAME,
            at="/name",
            detail=f"A name has at most {MAX_NAME_CHARACTERS} characters.",
        )
    if normalised in BUILT_IN_NAMES:
        raise BrokenRuleError(
            code=Code.NAME_OF_BUILT_IN,
            at="/name",
            detail="This is the name of a built-in event: case and blanks do not tell names "
            "apart. Send the built-in type, or choose another name.",
        )


def check_people(
    event_type: EventType, via: Via | None, *, has_user: bool, has_referrer: bool
) -> None:
    """Refuse an event that names no person, or that is no referral."""
    if not has_user and Side.REFERRED in SIDES[event_type]:
        raise BrokenRuleError(
            code=Code.NO_USER,
            at="/user",
            detail=f"Say who did it: every event but {_WITHOUT_USER} needs a user with "
            "identities.",
        )
    if (
        not has_referrer
        and via is not Via.SMART_LINK
        and Side.GENERATED in SIDES[event_type]
    ):
        raise BrokenRuleError(
            code=Code.NO_REFERRER,
            at="/referrer",
            detail="An event without a referrer is no referral. Name who invited the user, or "
            'send "via": "smart_link" if a marketing link led here.',
        )


def check_identities(pointer: str, identities: Mapping[str, str]) -> None:
    """Refuse an identity of no provider. An empty identity is kept as it was sent."""
    if "" in identities:
        raise BrokenRuleError(
            code=Code.BAD_IDENTITY,
            at=f"{pointer}/identities/",
            detail="An identity needs the name of its provider, such as email or custom_id.",
        )


def check_last_referrer(event_type: EventType) -> None:
    """Refuse the referrer "last" where nobody was invited before, or fraud is judged."""
    if event_type not in TYPES_WITH_LAST:
        raise BrokenRuleError(
            code=Code.NO_REFERRER,
            at="/referrer",
            detail='The referrer "last" is for events after the install: '
            f"{', '.join(TYPES_WITH_LAST)}. Name who invited the user here.",
        )


def check_identify(identities: Mapping[str, str], event: object) -> None:
    """Refuse an event of type identify that ties nothing, or says more than who is who."""
    for name in _NOT_OF_IDENTIFY:
        if getattr(event, name):
            raise BrokenRuleError(
                code=Code.UNKNOWN_FIELD,
                at=f"/{name}",
                detail="An event of type identify says who somebody is, and nothing else: "
                f"leave {name} out.",
            )
    if len(identities) < _A_PAIR:
        raise BrokenRuleError(
            code=Code.NO_LINK,
            at="/user",
            detail="An event of type identify ties IDs of one user together: send a user "
            "with two identities or more.",
        )


def check_event_data(event_type: EventType, data: Mapping[str, Any] | None) -> None:
    """Refuse event data on a built-in event, and values that no destination takes."""
    if not data:
        return
    if event_type is not _CUSTOM:
        raise BrokenRuleError(
            code=Code.EVENT_DATA_NOT_ALLOWED,
            at="/event_data",
            detail="Only events of type custom have event_data. Put data of your own into "
            "metadata, which is kept but never sent on.",
        )
    check_tree("/event_data", data, depth=1)


def check_metadata(metadata: Mapping[str, Any] | None) -> None:
    """Refuse metadata over 2 KB, counted as JSON without blanks."""
    if not metadata:
        return
    check_tree("/metadata", metadata, depth=1)
    size = len(msgspec.json.encode(metadata))
    if size > MAX_METADATA_BYTES:
        raise BrokenRuleError(
            code=Code.METADATA_TOO_LARGE,
            at="/metadata",
            detail=f"The metadata is {size:,} bytes long; {MAX_METADATA_BYTES:,} (2 KB) are allowed.",
        )


def read_instant(value: datetime | float | None) -> datetime | None:
    """Return the event's time in UTC; None where the producer left it out.

    Raises `BrokenRuleError` for a time that no event has.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        # Compared first: the year 1 in a zone east of Greenwich has no time in UTC.
        if value < EARLIEST:
            raise _make_too_early()
        return value if value.tzinfo is UTC else value.astimezone(UTC)
    if value >= FIRST_MILLISECONDS:
        raise BrokenRuleError(
            code=Code.MILLISECONDS,
            at="/occurred_at",
            detail="This number is too large for seconds. It looks like milliseconds: "
            "divide it by 1000.",
        )
    if value < _EARLIEST_SECOND:
        raise _make_too_early()
    return datetime.fromtimestamp(value, UTC)


def check_occurred_at(value: datetime | None, now: datetime) -> None:
    """Refuse a time in the future; a day is left for clocks and time zones gone wrong."""
    # Compared twice: nearly all events are over, and an addition takes longer.
    if value and value > now and value > now + LONGEST_AHEAD:
        raise BrokenRuleError(
            code=Code.IN_FUTURE,
            at="/occurred_at",
            detail="The time is more than a day ahead. Check the sender's clock and unit.",
        )


def _make_too_early() -> BrokenRuleError:
    return BrokenRuleError(
        code=Code.TOO_EARLY,
        at="/occurred_at",
        detail=f"The time is before the year 2000. {OCCURRED_AT_RULE}",
    )


#: The path to a value: the pointer to its tree, or the path to what holds it, and its key.
_Path = str | tuple["_Path", object]


def check_tree(path: _Path, value: object, depth: int = 0) -> None:
    """Refuse values that JSON allows and databases or destinations cannot store.

    `path` is the pointer to `value`; `depth` counts the objects and lists around it.
    """
    # Plain values first: to ask one whether it is a Mapping takes ten times as long.
    if isinstance(value, _PLAIN):
        _check_scalar(path, value)
    elif isinstance(value, Mapping):
        _check_depth(path, depth)
        for key, inner in value.items():
            if not isinstance(key, str):
                raise BrokenRuleError(
                    code=Code.WRONG_TYPE,
                    at=_pointer(path),
                    detail="The keys of an object must be texts.",
                )
            _check_text(path, key)
            check_tree((path, key), inner, depth + 1)
    elif isinstance(value, list | tuple):
        _check_depth(path, depth)
        for index, inner in enumerate(value):
            check_tree((path, index), inner, depth + 1)
    else:
        _check_scalar(path, value)


def _pointer(path: _Path) -> str:
    """Return the path as a pointer, which only a refusal needs."""
    if isinstance(path, str):
        return path
    around, key = path
    return extend_pointer(_pointer(around), key)


def _check_scalar(path: _Path, value: object) -> None:
    if isinstance(value, str):
        _check_text(path, value)
    elif isinstance(value, int):
        if not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
            raise BrokenRuleError(
                code=Code.NUMBER_TOO_LARGE,
                at=_pointer(path),
                detail="This integer needs more than 64 bits. Send it as a text.",
            )
    elif isinstance(value, float) and not math.isfinite(value):
        raise BrokenRuleError(
            code=Code.NOT_JSON,
            at=_pointer(path),
            detail="NaN and Infinity are no JSON numbers.",
        )
    else:
        _check_foreign(path, value)


def _check_foreign(path: _Path, value: object) -> None:
    """Refuse Python values that a JSON encoder would change silently."""
    if isinstance(value, bytes | bytearray | memoryview):
        raise BrokenRuleError(
            code=Code.NOT_JSON,
            at=_pointer(path),
            detail="Bytes have no form in JSON. Decode them, and send the text.",
        )
    if isinstance(value, set | frozenset):
        raise BrokenRuleError(
            code=Code.NOT_JSON,
            at=_pointer(path),
            detail="A set has no order, so that the event would be another one each time. "
            "Send a sorted list.",
        )
    offset = value.utcoffset() if isinstance(value, datetime) else None
    if offset and offset % timedelta(minutes=1):
        raise BrokenRuleError(
            code=Code.BAD_TIME,
            at=_pointer(path),
            detail="The time's offset has seconds, which RFC 3339 has no form for. Convert "
            "it to UTC.",
        )


def _check_depth(path: _Path, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise BrokenRuleError(
            code=Code.TOO_DEEP,
            at=_pointer(path),
            detail=f"Objects and lists may be nested {MAX_DEPTH} deep, with the event itself as the first.",
        )


def _check_text(path: _Path, text: str) -> None:
    if "\0" in text:
        raise BrokenRuleError(
            code=Code.BAD_TEXT,
            at=_pointer(path),
            detail="The text contains the character NUL (U+0000). Remove it.",
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BrokenRuleError(
                code=Code.BAD_TEXT,
                at=_pointer(path),
                detail="The text contains half a surrogate pair, which is no character. "
                "It was probably cut in the middle of an emoji.",
            ) from None
