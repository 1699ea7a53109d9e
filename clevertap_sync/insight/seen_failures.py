"""What a comparison or a reading ends early with: its codes, and each in words.

Beside these there are the codes of `clevertap.errors`, which have words of their own.
"""

from typing import Final

from clevertap_sync.clevertap.errors import (
    CleverTapError,
    MalformedResponseError,
    NoAnswerError,
    ServerError,
    TooManyRequestsError,
)

NOT_SWITCHED_ON: Final = "not_switched_on"
NOTHING_TO_COMPARE: Final = "nothing_to_compare"
#: CleverTap was busy or slow, or another process read the account, for hours.
NO_TURN: Final = "no_turn"
OVER_BUDGET: Final = "over_budget"
#: It was still open when the next night came.
NEXT_NIGHT: Final = "next_night"
#: A fault of ours.
INTERNAL_ERROR: Final = "internal_error"
#: The passcode may upload, and not read.
MAY_NOT_READ: Final = "may_not_read"
#: Said where a difference has no cause, and one of them would have needed the schema.
NO_SCHEMA: Final = (
    "CleverTap does not show us the account's schema, which may tell: see the event there, "
    "under Settings → Schema."
)

_WORDS: Final = {
    NOT_SWITCHED_ON: (
        "It is not compared with CleverTap. Switch it on with `manage.py provision APP "
        "--reconcile`, or in the integration's settings."
    ),
    NOTHING_TO_COMPARE: (
        "There is nothing to compare yet: only whole days are, and the first one is the "
        "day after this was turned on. The page Seen in CleverTap says when."
    ),
    NO_TURN: "It did not come to its end within three hours. Ask again.",
    INTERNAL_ERROR: (
        "It failed by a fault of this product, which the worker's log has."
    ),
    NEXT_NIGHT: "The next night came before it was done.",
    OVER_BUDGET: (
        "The time that a comparison may take was over before all names were asked for. "
        "The next one begins with those that were left."
    ),
    MAY_NOT_READ: (
        "CleverTap lets this passcode upload, and not read. Enter a passcode that may "
        "read: in CleverTap under Settings → Passcode."
    ),
    TooManyRequestsError.code: (
        "CleverTap is busy with other readers of this account: it allows three at a time."
    ),
    NoAnswerError.code: "CleverTap did not answer in time.",
    ServerError.code: "CleverTap has a fault of its own. See status.clevertap.com.",
    MalformedResponseError.code: (
        "What answers in CleverTap's place makes no sense: check proxies on the way."
    ),
}


def describe_failure(code: str) -> str:
    """Return what a comparison's or a reading's error code means, and what to do."""
    if code in _WORDS:
        return _WORDS[code]
    known = {each.code: each for each in _list_errors(CleverTapError)}
    error = known.get(code)
    return f"{error.meaning()} {error.remedy}" if error else f"It ended with {code}."


def _list_errors(root: type[CleverTapError]) -> list[type[CleverTapError]]:
    found = [root]
    for child in root.__subclasses__():
        found += _list_errors(child)
    return found
