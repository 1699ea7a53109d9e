"""Values that name nobody, though programs send them as identities. Pure.

One person who is known by such a value would be everybody. Case, blanks and quotes around
it do not count.

References: CleverTap's list (https://docs.clevertap.com/docs/csv-upload), PostHog's
(https://posthog.com/docs/product-analytics/identify), Segment's blocked values
(https://segment.com/docs/unify/identity-resolution/identity-resolution-settings/).
"""

import re
from typing import Final

#: A longer text is no ID that anybody is known by.
MAX_CHARACTERS: Final = 256
BLOCKED: Final = frozenset(
    {
        *("-1", "-inf", "-infinity", "-nan", "inf", "infinity", "nan"),
        *("empty", "n/a", "na", "nil", "none", "null", "undefined"),
        *("xxxxxx", "anonymous", "guest", "true", "false"),
        # Android's Build.UNKNOWN, and what analytics put where there is nothing.
        *("unknown", "(not set)", "not set"),
        *("distinct_id", "distinctid", "id", "email", "user_id", "userid"),
        *("[object object]", "(null)", "<nil>", "<null>"),
    }
)
_ZEROS: Final = re.compile(r"[0\s:.-]*")
#: What a template would have filled in.
_UNFILLED: Final = re.compile(
    r"\{\{.*|\$\{.*|\{[A-Za-z_][\w.-]*\}|%[sd@]|%\(.*|<%.*|\[\[.*", re.DOTALL
)
_AROUND: Final = " \t\r\n\f\v\"'`\u00a0\u200b\ufeff"


def is_blocked(value: str) -> bool:
    """Return whether nobody can be known by `value`."""
    word = value.strip(_AROUND)
    return (
        len(word) > MAX_CHARACTERS
        or word.casefold() in BLOCKED
        or _ZEROS.fullmatch(word) is not None
        or _UNFILLED.fullmatch(word) is not None
    )
