"""The IDs that come before sign-up, as a person lists them for an app. Pure."""

import re
from collections.abc import Iterable
from typing import Final

#: So many providers are no list of IDs any more, but of everything.
MOST: Final = 20
_LONGEST: Final = 100
_BETWEEN: Final = re.compile(r"[,;\s]+")
_A_NAME: Final = re.compile(r"[^\x00-\x20\x7f@]+")


class LooseIdsError(ValueError):
    """The text is no list of providers; it says why, and what to write."""


def read_loose_ids(text: str) -> list[str]:
    """Return the providers that are named in `text`, folded, each once, as they stand.

    Commas, blanks and line ends separate them. Raises `LooseIdsError`.
    """
    found = list(dict.fromkeys(filter(None, _BETWEEN.split(text.casefold()))))
    for name in found:
        if len(name) > _LONGEST or _A_NAME.fullmatch(name) is None:
            message = (
                "Write names of identity providers, such as anonymous_id, "
                "device_handle, and no one's identity."
            )
            raise LooseIdsError(message)
    if len(found) > MOST:
        message = (
            f"Write at most {MOST} names: those that records carry before sign-up."
        )
        raise LooseIdsError(message)
    return found


def spell_loose_ids(names: Iterable[str]) -> str:
    """Return the text that `read_loose_ids` reads."""
    return ", ".join(names)
