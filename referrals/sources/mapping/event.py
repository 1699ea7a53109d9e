"""One event, put together from what a mapping finds in an item of a call. Pure."""

from functools import lru_cache
from typing import Any, Final

import msgspec

from referrals import rules
from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.sources.mapping.compile_path import Read
from referrals.sources.mapping.identify import make_identify
from referrals.sources.mapping.outcome import Ignored, Outcome
from referrals.sources.mapping.people import Found, read_person
from referrals.sources.mapping.program import REFERRER, USER, KindProgram, Program
from referrals.sources.mapping.reader import Reader
from referrals.sources.mapping.rules import Choices, Reason
from referrals.sources.mapping.times import write_time
from referrals.sources.mapping.words import fold_word, name_channel, weigh_value
from referrals.vocabulary import SIDES, EventType, FraudStatus, Side, Via

_TRUE: Final = ("true", "1", "yes")
_SMALL_BYTES: Final = 4 * 1024


def make_event(
    event: dict[str, Any], reader: Reader, program: Program, choices: Choices
) -> Outcome:
    """Return `event`, filled from what the call says, or why there is none.

    Raises `BrokenRuleError` and `TooMuchWorkError`; `event` has its id then, if it has one.
    """
    kind = program.kind(reader)
    if kind is None:
        return Ignored(Reason.NO_EVENT)
    chosen = _choose_kind(kind, reader, program, choices)
    if isinstance(chosen, Ignored):
        return chosen
    event_type, name = chosen
    is_test = _is_test(reader, program, choices)
    if event_type is EventType.IDENTIFY:
        return make_identify(kind, reader, program, choices, is_test=is_test)
    referrer = read_person(program.referring, reader, choices, program.referrer)
    reason = None if referrer.is_named else _find_reason(reader, program, choices)
    if reason is not None:
        return Ignored(reason, kind[: rules.MAX_NAME_CHARACTERS])
    event["id"] = _read_id(reader, program)
    event["type"] = event_type.value
    if name is not None:
        event["name"] = name
    _put_time(event, reader, program)
    if Side.REFERRED in SIDES[event_type]:
        event[USER] = read_person(program.user, reader, choices).fields
    _put_referrer(event, referrer)
    _put_words(event, reader, program)
    _put_data(event, reader, program, choices)
    if is_test:
        event["test"] = True
    return _check_weight(event, reader)


def _find_reason(reader: Reader, program: Program, choices: Choices) -> Reason | None:
    """Return why a call without a referrer is ignored, or None where it is taken."""
    if program.organic and all(holds(reader) for holds in program.organic):
        return Reason.ORGANIC
    return None if choices.takes_marketing_links else Reason.NO_REFERRER


def _choose_kind(
    kind: str, reader: Reader, program: Program, choices: Choices
) -> tuple[EventType, str | None] | Ignored:
    """Return the type and the name of what the platform calls `kind`, if it is taken."""
    folded = fold_word(kind)
    chosen = _fold_all(choices.chosen)
    known = program.kinds.get(folded)
    shown = kind[: rules.MAX_NAME_CHARACTERS]
    if known is None:
        # A platform's names must not use up the custom names of an app.
        if folded in chosen:
            return EventType.CUSTOM, kind.strip()
        return Ignored(Reason.NOT_CHOSEN, shown)
    if known.ignore is not None:
        return Ignored(known.ignore, shown)
    is_taken = known.is_taken and folded not in _fold_all(choices.left_out)
    if not is_taken and folded not in chosen:
        return Ignored(Reason.NOT_CHOSEN, shown)
    if known.type is not None:
        return known.type, None
    return _name_custom_event(known, reader, chosen, shown)


def _name_custom_event(
    known: KindProgram, reader: Reader, chosen: frozenset[str], shown: str
) -> tuple[EventType, str | None] | Ignored:
    if known.name_of is None:
        return EventType.CUSTOM, known.name
    name = known.name_of(reader)
    if name is None:
        return Ignored(Reason.NO_EVENT, shown)
    if fold_word(name) not in chosen:
        return Ignored(Reason.NOT_CHOSEN, name[: rules.MAX_NAME_CHARACTERS])
    return EventType.CUSTOM, name.strip()


def _read_id(reader: Reader, program: Program) -> str:
    """Return the idempotency key. One that may not stand in clear is hashed."""
    text = program.id(reader)
    if text is None:
        raise BrokenRuleError(
            code=Code.MISSING_FIELD,
            at="/id",
            detail="The call has nothing to make an id of, so that sending it again would "
            "count twice.",
        )
    reader.work.charge(len(text))
    prefix = program.id_prefix
    key = f"{prefix}{text}"
    if "@" in text or text in (".", "..") or not rules.ID_PATTERN.fullmatch(key):
        return f"{prefix}{reader.keyed_hash.hash_texts('id', [text])}"
    return key


def _put_time(event: dict[str, Any], reader: Reader, program: Program) -> None:
    """Put the time of the call; without one, the event is of the time of its receipt."""
    instant = program.occurred_at(reader)
    if instant is not None:
        event["occurred_at"] = write_time(instant)


def _put_referrer(event: dict[str, Any], referrer: Found) -> None:
    if referrer.is_named:
        event[REFERRER] = referrer.fields
    event["via"] = (Via.SMART_INVITE if referrer.is_named else Via.SMART_LINK).value


def _put_words(event: dict[str, Any], reader: Reader, program: Program) -> None:
    channel = program.channel(reader)
    if channel is not None:
        event["channel"] = name_channel(channel)
    content = program.content(reader)
    if content is not None:
        event["content"] = content
    status = fold_word(program.status(reader) or "")
    # A platform's "valid" would switch our own judgement off.
    if status in (FraudStatus.SUSPICIOUS, FraudStatus.REJECTED):
        event["status"] = status


def _put_data(
    event: dict[str, Any], reader: Reader, program: Program, choices: Choices
) -> None:
    """Put event data and metadata, without the keys under which the referrer stands."""
    people = set(choices.referrer_keys)
    if program.referrer is not None and not people:
        people.update(program.referrer.keys)

    def read(members_of: Read) -> dict[str, Any]:
        found = members_of(reader)
        members = found if isinstance(found, dict) else {}
        reader.work.charge(len(members))
        return {name: value for name, value in members.items() if name not in people}

    if event["type"] == EventType.CUSTOM and (data := read(program.event_data)):
        event["event_data"] = data
    if metadata := _cut_metadata(read(program.metadata), reader):
        event["metadata"] = metadata


def _cut_metadata(metadata: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """Return the members, in order, that fit: an event is worth more than a long URL."""
    if not metadata or _fits(metadata, reader):
        return metadata
    kept: dict[str, Any] = {}
    left = rules.MAX_METADATA_BYTES - len("{}")
    for name, value in metadata.items():
        weight = len(name) + weigh_value(value, left)
        reader.work.charge(weight)
        if weight > left:  # to encode it could cost more than it is worth
            continue
        try:
            size = len(msgspec.json.encode({name: value})) - len("{}") + len(",")
        except UnicodeEncodeError:  # half a surrogate pair
            continue
        if size <= left:
            kept[name] = value
            left -= size
    return kept


def _fits(metadata: dict[str, Any], reader: Reader) -> bool:
    """Return whether all of a small call's metadata fits, as it nearly always does."""
    if reader.size > rules.MAX_EVENT_BYTES:
        return False
    try:
        size = len(msgspec.json.encode(metadata))
    except UnicodeEncodeError:
        return False
    reader.work.charge(size)
    return size <= rules.MAX_METADATA_BYTES


def _is_test(reader: Reader, program: Program, choices: Choices) -> bool:
    return choices.is_test or (program.test(reader) or "").lower() in _TRUE


def complete_event(
    event: dict[str, Any], reader: Reader, program: Program, choices: Choices
) -> Outcome:
    """Return `event`, filled from the event that the call holds, with what that leaves out.

    Raises `BrokenRuleError` and `TooMuchWorkError`.
    """
    sent = program.native(reader) if program.native else None
    if sent is None:
        return Ignored(Reason.NO_EVENT)
    if not isinstance(sent, dict):
        raise BrokenRuleError(
            code=Code.WRONG_SHAPE,
            at="",
            detail="The call holds no event: where it should be, there is no object.",
        )
    event.update((name, value) for name, value in sent.items() if value is not None)
    if "id" not in event:
        event["id"] = _read_id(reader, program)
    if "occurred_at" not in event:
        _put_time(event, reader, program)
    if choices.is_test:
        event["test"] = True
    return _check_weight(event, reader)


def _check_weight(event: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """Refuse an event that is larger than any may be, before anybody walks it.

    Of a small call no event can be so large that walking it matters.
    """
    if reader.size <= _SMALL_BYTES:
        return event
    weight = weigh_value(event, rules.MAX_EVENT_BYTES)
    reader.work.charge(weight)
    if weight > rules.MAX_EVENT_BYTES:
        raise BrokenRuleError(
            code=Code.EVENT_TOO_LARGE,
            at="",
            detail="What the call says of one event is over the limit of 32 KB.",
        )
    return event


@lru_cache(maxsize=256)
def _fold_all(words: frozenset[str]) -> frozenset[str]:
    return frozenset(map(fold_word, words))
