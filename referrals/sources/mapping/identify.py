"""An event that says who somebody is, as a mapping finds it in an item of a call. Pure."""

from typing import Final

from referrals import rules
from referrals.sources.mapping.outcome import Ignored, Outcome
from referrals.sources.mapping.people import read_person
from referrals.sources.mapping.program import USER, Program
from referrals.sources.mapping.reader import Reader
from referrals.sources.mapping.rules import Choices, Reason
from referrals.sources.mapping.times import write_time
from referrals.vocabulary import EventType

_A_PAIR: Final = 2
#: As much of a time in RFC 3339 as its hour takes.
_HOUR: Final = len("2026-11-23T10")


def make_identify(
    kind: str, reader: Reader, program: Program, choices: Choices, *, is_test: bool
) -> Outcome:
    """Return the event that ties the user's identities together, or why there is none.

    Platforms say so with every visit, so its id is of what is said and the hour: the log
    grows by one a person and hour at most. Raises `BrokenRuleError` and `TooMuchWorkError`.
    """
    user = read_person(program.user, reader, choices).fields
    identities: dict[str, str] = user.get("identities", {})
    if not choices.learns_people or len(identities) < _A_PAIR:
        return Ignored(Reason.NO_LINK, kind[: rules.MAX_NAME_CHARACTERS])
    instant = program.occurred_at(reader)
    hour = "" if instant is None else write_time(instant)[:_HOUR]
    told = [text for pair in sorted(identities.items()) for text in pair]
    reader.work.charge(sum(map(len, told)))
    digits = reader.keyed_hash.hash_texts(
        EventType.IDENTIFY, [hour, "test" if is_test else None, *told]
    )
    event = {
        "id": f"{program.id_prefix}{digits}",
        "type": EventType.IDENTIFY.value,
        USER: {"identities": identities},
    }
    return {**event, "test": True} if is_test else event
