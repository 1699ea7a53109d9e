"""Unknown outcomes: an upload that CleverTap never answered goes again, but not for ever.

An upload counts its unknown outcomes. Either the worker that waited in vain counts one, or
the worker that took over a dead worker's lease. A part continues its parent's count, so
that the count says how often each of its records may have been stored.
"""

from typing import Final

from clevertap_sync.models import Upload

# CleverTap does not recognise a repeat, so each further request may count every record once
# more. A restart, a deploy or a minute of timeouts costs an outcome or two. An account that
# answers dry runs, but has not answered eight uploads, will not answer the ninth.
MOST_UNKNOWN_OUTCOMES: Final = 8
# From here on the size may be the reason: halves are answered sooner, and then only some of
# the records were sent without an answer.
HALVED_FROM: Final = 4


def is_given_up(upload: Upload) -> bool:
    """Return whether the upload's records were sent the largest number of times."""
    return upload.unknown_outcomes >= MOST_UNKNOWN_OUTCOMES


def should_halve(upload: Upload) -> bool:
    """Return whether this upload itself had an unknown outcome, and too many to stay whole.

    The parent's count has already led to the split that made this part. So a part is not
    split again for a failure that CleverTap answered, such as a 503.
    """
    if upload.unknown_outcomes < HALVED_FROM:
        return False
    inherited = upload.parent.unknown_outcomes if upload.parent is not None else 0
    return upload.unknown_outcomes > inherited
