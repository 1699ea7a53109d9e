"""Why delivery is held: meaning and remedy of every hold reason.

Pure: imports no framework. Reasons that an attempt has are the codes of `errors`.
"""

from collections.abc import Iterator
from typing import Final

from clevertap_sync.clevertap.account_faults import HoldCause
from clevertap_sync.clevertap.errors import CleverTapError

EVERYTHING_REFUSED: Final = "everything_refused"
RESTORED_BACKUP: Final = "restored_backup"
IDENTITY_MISMATCH: Final = "identity_mismatch"
IDENTITY_LETTER_CASE: Final = "identity_letter_case"

#: Only a person ends these; neither time nor a dry run does.
ABOUT_IDENTITIES: Final = frozenset({IDENTITY_MISMATCH, IDENTITY_LETTER_CASE})

#: Holds that end by themselves; every other one waits for a person.
PASSING: Final = frozenset(
    {
        "server_error",
        "gateway_error",
        "no_answer",
        "not_reached",
        "too_many_requests",
        "malformed_response",
    }
)
# Reasons that no single attempt has.
_OURS: Final = {
    EVERYTHING_REFUSED: (
        "CleverTap refuses every record, even a made-up one that is good.",
        "Check the connection, then ask CleverTap's support about the account.",
    ),
    RESTORED_BACKUP: (
        "This database is an older one than that which delivered: a restored backup.",
        "Enable it from now: CleverTap most likely has what waits here already.",
    ),
    IDENTITY_MISMATCH: (
        (
            "CleverTap knows too few of the first users by this identity provider, and "
            "would create a new profile for each of the others."
        ),
        (
            "Look at the match rate, then choose another identity provider, or confirm "
            "that these users are new to CleverTap."
        ),
    ),
    IDENTITY_LETTER_CASE: (
        (
            "CleverTap knows the first users in another letter case, and would create a "
            "second profile for each of them."
        ),
        (
            "Have your backend send identities as CleverTap spells them. Then confirm the "
            "users: what waits already goes out as it is."
        ),
    ),
}


def describe_hold(reason: str, cause: HoldCause | None = None) -> tuple[str, str]:
    """Return a hold reason's meaning and remedy; those of its cause where that is known.

    The outcome of an attempt is such a reason too, and never has a cause.
    """
    if cause is not None:
        return cause.sentence, cause.remedy
    if reason in _OURS:
        return _OURS[reason]
    error = _ERRORS.get(reason, CleverTapError)
    return error.meaning(), error.remedy


def _classes(root: type[CleverTapError]) -> Iterator[type[CleverTapError]]:
    yield root
    for child in root.__subclasses__():
        yield from _classes(child)


_ERRORS: Final = {error.code: error for error in _classes(CleverTapError)}
