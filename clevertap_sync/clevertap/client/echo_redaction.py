"""Masks secrets and people's data in texts that CleverTap wrote."""

import json
import re
from collections.abc import Iterable, Iterator

from referrals.secret import Secret

MASK = "••••"

# No error text is longer, and the patterns below need a bound.
_LONGEST_READ = 4000
_SHORT = 4
_TELLING = 6
_PERSONAL = re.compile(
    r"""
    [^\s@"'<>(){}\[\],;:]{1,64} @ [^\s@"'<>(){}\[\],;]{1,255}   # an email address
    | \b \d{1,3} (?: \. \d{1,3} ){3} \b                         # an IP address
    | \+? \d{7,}                                                # a phone, an ID
    """,
    re.VERBOSE,
)


def redact_echo(text: str, hidden: Iterable[Secret], *, limit: int) -> str:
    """Return `text` on one line, at most `limit` long, with all of `hidden` masked.

    What looks like an email address, an IP address or a phone number is masked too: an
    echo need not be spelled as we sent it.
    """
    text = text[:_LONGEST_READ]
    secrets = {secret.reveal() for secret in hidden}
    for secret in sorted(secrets, key=len, reverse=True):
        text = _masked(text, secret)
    text = _PERSONAL.sub(MASK, text)
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:limit]


def _masked(text: str, secret: str) -> str:
    """Mask `secret` anywhere; a very short one only where it stands alone."""
    if not secret or secret.casefold() not in text.casefold():
        return text
    pattern = re.escape(secret)
    if len(secret) < _SHORT:
        pattern = rf"(?<!\w){pattern}(?!\w)"
    return re.sub(pattern, MASK, text, flags=re.IGNORECASE)


def find_identities(record: bytes) -> Iterator[Secret]:
    """Yield the identities in `record`."""
    entry = json.loads(record)
    for key in ("identity", "objectId"):
        if key in entry:
            yield Secret(str(entry[key]))


def find_personal_texts(record: bytes) -> Iterator[Secret]:
    """Yield the identities in `record`, and each property that may hold personal data."""
    yield from find_identities(record)
    for text in _texts(json.loads(record).get("evtData")):
        if len(text) >= _TELLING:
            yield Secret(text)


def _texts(value: object) -> Iterator[str]:
    match value:
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case str() | int() | float():
            yield str(value)
