"""The server's address and the API key, checked before anything is sent.

No message repeats what was given: either may be the other by mistake.
"""

from typing import Final
from urllib.parse import urlsplit

_SCHEMES: Final = ("https", "http")


def check_address(url: str) -> str:
    """Return the address without a slash at its end. Raises `ValueError` where it is none."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        message = "The server's address cannot be read: give one such as https://referrals.example.com."
        raise ValueError(message) from None
    if parts.scheme not in _SCHEMES or not host or not _is_visible(url):
        message = (
            "The server's address has to begin with https:// and the name of a host, "
            "such as https://referrals.example.com."
        )
        raise ValueError(message)
    if parts.username is not None or parts.query or parts.fragment:
        message = (
            "The server's address has a user, or a part after ? or #: leave that out."
        )
        raise ValueError(message)
    return url.rstrip("/")


def check_key(api_key: str) -> str:
    """Return the API key. Raises `ValueError` where no key can look like that."""
    if not api_key:
        message = "The API key is empty. Make one on the page API keys of the admin."
        raise ValueError(message)
    if not _is_visible(api_key):
        message = (
            "The API key has a blank, a line's end or another character that no key has. "
            "Where it comes from a file, strip() it."
        )
        raise ValueError(message)
    return api_key


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
