"""Why CleverTap shows nothing of a name, once the first ones were delivered."""

from typing import Final

from clevertap_sync.clevertap.causes import codes, sentences
from clevertap_sync.clevertap.causes.names import find_name_cause
from clevertap_sync.clevertap.causes.week import Cause, Schema
from clevertap_sync.clevertap.limits import normalise_event_name

#: Causes that the schema alone proves: to wait for a count would change nothing. [doubt]
#: Whether CleverTap raises an account's limit is not known: such an account would be called
#: full until it shows the name.
_PROVEN: Final = frozenset({codes.EVENT_TYPES_FULL, codes.NAME_DISCARDED})


def explain_first_sight(
    name: str,
    delivered: int,
    schema: Schema | None,
    *,
    shows_others: bool | None = None,
) -> Cause | None:
    """Return the likeliest cause that `delivered` records of `name` do not show; None: unclear.

    `shows_others` says whether any other name that was delivered shows; None where there is
    no other, or none was asked.
    """
    size = -delivered
    if schema is not None:
        folded = normalise_event_name(name)
        cause = find_name_cause(name, folded, size, schema, is_alone=False)
        if cause is not None:
            return cause
    if shows_others is False:
        return sentences.say_account_empty(size, None, are_undefined=False)
    return None


def prove_first_sight(name: str, delivered: int, schema: Schema | None) -> Cause | None:
    """Return why none of `delivered` records can ever show, by the schema; None: they may."""
    cause = explain_first_sight(name, delivered, schema)
    return cause if cause and cause.code in _PROVEN else None
