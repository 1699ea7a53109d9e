"""Doubt: what CleverTap was sent and never answered goes again, but not for ever.

An upload counts its unknown outcomes, whoever found them: the worker that waited in vain,
or the one that took a dead worker's lease over. A part goes on from its parent's count,
so that the count says how often each of its records may have been stored.
"""

from typing import Final

from clevertap_sync.models import Upload

OUTCOME_UNKNOWN: Final = "outcome_unknown"

# CleverTap recognises no repeat, so each further request may count every record once
# more. A restart, a deploy or a minute of timeouts costs an outcome or two; whoever
# answers dry runs, and eight uploads never, is not about to answer the ninth.
MOST_UNKNOWN_OUTCOMES: Final = 8
# From here on the size may be what takes too long: halves are answered sooner, and where
# they are, only a part of the records was in doubt.
HALVED_FROM: Final = 4


def is_given_up(upload: Upload) -> bool:
    """Return whether the upload's records were sent as often as they ever are."""
    return upload.unknown_outcomes >= MOST_UNKNOWN_OUTCOMES


def should_halve(upload: Upload) -> bool:
    """Return whether the upload went unanswered itself, and has so too often to stay whole.

    What a part has from its parent was answered by the split that made it. So a part is
    not split again for a failure that CleverTap told of, such as a 503.
    """
    if upload.unknown_outcomes < HALVED_FROM:
        return False
    inherited = upload.parent.unknown_outcomes if upload.parent is not None else 0
    return upload.unknown_outcomes > inherited
