"""What a source may choose for itself: a sentence for each choice that cannot work. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from referrals.rules import BrokenRuleError, check_name
from referrals.sources.mapping.rules import MEANINGS, Reason
from referrals.sources.mapping.validate import validate_referrer_keys
from referrals.sources.mapping.words import fold_word
from referrals.sources.verifiers import (
    TimestampVerifier,
    UrlVerifier,
    Verifier,
)
from referrals.vocabulary import EventType

#: As many as a person overlooks. An app has room for about as many custom names.
MAX_EVENTS: Final = 50
#: Of a signature, in seconds: within it a call can be replayed, so far as its id lets it.
MAX_TOLERANCE: Final = 86_400
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,100}")
_KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,50}")
_PREFIX: Final = re.compile(r"[!-~]{0,50} ?")
_PROVIDER: Final = re.compile(r"[A-Za-z0-9_.-]{1,50}")


def find_identity_problem(identity: str) -> str | None:
    """Return why `identity` is the name of no provider, or None. An empty one may be."""
    if not identity or _PROVIDER.fullmatch(identity):
        return None
    return (
        "There can be no such identity provider. Name the one under which your events carry "
        "the platform's user IDs, such as custom_id or email: at most 50 letters, digits, "
        "dots, hyphens and underscores."
    )


def find_key_problem(keys: Sequence[str]) -> str | None:
    """Return what is wrong with a source's referrer keys, or None."""
    mistakes = validate_referrer_keys(keys)
    if not mistakes:
        return None
    first = mistakes[0]
    where = f"Referrer key {int(first.pointer[1:]) + 1}: " if first.pointer else ""
    return f"{where}{first.detail}"


def find_verifier_problem(choice: object) -> str | None:
    """Return why `choice`, read from JSON, says no way to verify calls, or None."""
    try:
        verifier = msgspec.convert(choice, type=Verifier)
    except msgspec.ValidationError as error:
        return (
            f'Nothing can be verified like that: {error}. Begin with {{"is": …}}, which is '
            "hmac, timestamp, standard, header, basic or url."
        )
    if problem := _find_name_problem(verifier):
        return problem
    tolerance = getattr(verifier, "tolerance", None)
    if tolerance is not None and not 1 <= tolerance <= MAX_TOLERANCE:
        return f"The tolerance is from 1 to {MAX_TOLERANCE} seconds, or null for none."
    return None


def _find_name_problem(verifier: Verifier) -> str | None:
    """Return why no call can have the header or the keys that `verifier` names, or None."""
    match verifier:
        case UrlVerifier(parameter=parameter):
            if parameter and not _KEY.fullmatch(parameter):
                return (
                    "A parameter has at most 50 letters, digits, dots, hyphens and "
                    "underscores. Without one, the secret ends the path."
                )
            return None
        case TimestampVerifier(timestamp_key=timestamp, signature_key=signature) if (
            timestamp == signature
            or not (_KEY.fullmatch(timestamp) and _KEY.fullmatch(signature))
        ):
            return "The keys in the header are two different words, such as ts and v."
    if not _HEADER.fullmatch(getattr(verifier, "header", "x")):
        return "A header's name has at most 100 letters, digits and hyphens."
    if not _PREFIX.fullmatch(getattr(verifier, "prefix", "")):
        return "A prefix has at most 50 marks, such as Bearer or sha256=."
    return None


def find_event_problem(events: Sequence[str], kinds: dict[str, Any]) -> str | None:
    """Return what is wrong with the events that a source is to take, or None.

    `kinds` are those of its mapping, by what the platform calls them.
    """
    if len(events) > MAX_EVENTS:
        return f"Choose at most {MAX_EVENTS} events; these are {len(events)}."
    known = {fold_word(name): kind for name, kind in kinds.items()}
    return next(_find_problems(events, known), None)


def drop_repeated(events: Sequence[str]) -> list[str]:
    """Return the events without those that a source would take for the same one."""
    found: dict[str, str] = {}
    for each in events:
        found.setdefault(fold_word(each), each)
    return list(found.values())


def _find_problems(events: Sequence[str], known: dict[str, Any]) -> Iterator[str]:
    for number, name in enumerate(events, 1):
        kind = known.get(fold_word(name))
        if kind is None:
            try:
                check_name(EventType.CUSTOM, name)
            except BrokenRuleError as error:
                yield f"Event {number}: {error.detail}"
            if not name.isprintable():
                yield f"Event {number}: A name has no line breaks and no marks that nobody sees."
        elif reason := kind.get("ignore"):
            meaning = MEANINGS[Reason(reason)]
            yield f"Event {number} can never become a referral: {meaning}."
