"""An identity as a person types it, and the mask under which it may be shown.

Pure. An identity is shown in one form only: its provider, and at most its first
character.
"""

import re
from typing import NamedTuple

MASK = "•••"

_TELLING = 6
_PLAIN_PROVIDER = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_FORM = (
    "Write an identity as PROVIDER=VALUE, such as email=ann@example.com. Its provider is "
    "the name under which events carry it; the value is compared byte for byte."
)


class Identity(NamedTuple):
    """One of a user's IDs. Printed, it is masked."""

    provider: str
    value: str

    def __repr__(self) -> str:
        """Show enough to recognise one's own input by, and no more."""
        plain = _PLAIN_PROVIDER.fullmatch(self.provider)
        return f"{self.provider if plain else MASK}={mask_value(self.value)}"


def mask_value(value: str) -> str:
    """Return an identity's value as it may be shown."""
    return f"{value[0] if len(value) >= _TELLING else ''}{MASK}"


class UnreadableIdentityError(ValueError):
    """A text is no identity. The message does not repeat it."""


def parse_identity(text: str) -> Identity:
    """Return the identity that PROVIDER=VALUE means.

    Raises `UnreadableIdentityError`.
    """
    provider, separator, value = text.partition("=")
    if not provider or not separator or not value.strip() or "\0" in text:
        raise UnreadableIdentityError(_FORM)
    try:
        text.encode()
    except UnicodeEncodeError:
        msg = "An identity is not valid UTF-8."
    else:
        return Identity(provider, value)
    raise UnreadableIdentityError(msg)
