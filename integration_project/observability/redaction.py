"""Texts without secrets and identities, for log lines and error reports. Pure.

A second line of defence: nothing in this product logs an identity, a passcode, a key or
an address on purpose, but a library, a driver or a future change may.
"""

import re
from functools import lru_cache
from typing import Final

MASK: Final = "[redacted]"

_SECRET_NAME: Final = re.compile(
    r"passcode|passwd|password|secret|signature|hmac|authori[sz]ation|cookie|credential"
    r"|(?:^|_|api)keys?$"
    r"|(?<!lease_)token|dsn|identit(?:y$|ies)|e_?mail|phone|advertising|device_id"
    r"|(?:^|_)ip(?:_|$)|address|headers?$|body$|query",
    re.IGNORECASE,
)
_HOOKS: Final = "v1/hooks/"
_HEX: Final = "[0-9a-fA-F]{1,4}"
# Each text that carries its danger in its shape. None of them looks back or forth for
# longer than the text is, so that no caller can make a log line expensive.
_PATTERNS: Final = (
    # PostgreSQL repeats the row that it refuses.
    (re.compile(r"(?m)^\s*DETAIL:.*$"), f"DETAIL: {MASK}"),
    # user:password@ in the address of a database, a broker or Sentry.
    (re.compile(r"(?<=://)[^\s/@]*@"), ""),
    (re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]+"), MASK),
    (
        re.compile(
            r"(?i)((?:passcode|passwd|password|secret|api[_-]?key|token)"
            r"[\"']?\s*[:=]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s,;&}]+)"
        ),
        rf"\1{MASK}",
    ),
    # An e-mail address; the first part makes it start where a word does.
    (
        re.compile(r"(?<![^\s@<>\"'(),:;=])[^\s@<>\"'(),:;=]+@[\w-]+(?:\.[\w-]+)+"),
        MASK,
    ),
    # An IP address, other than this machine's own.
    (
        re.compile(
            r"(?<![\w.])(?!127\.0\.0\.|0\.0\.0\.0)(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)"
        ),
        MASK,
    ),
    (re.compile(rf"(?<![\w:.])(?:{_HEX}:){{7}}{_HEX}(?![\w:])"), MASK),
    (re.compile(rf"(?<![\w:.])(?:{_HEX}:)+(?::{_HEX})+(?![\w:])"), MASK),
    # The address of a hook, in which a platform's secret may stand. A route is none.
    (re.compile(rf"(?i)(?<={_HOOKS})[^\s\"'<>]+"), MASK),
    # A query string.
    (re.compile(r"(?<=[\w/])\?[^\s\"']+"), "?…"),
)


@lru_cache(1_000)  # every line asks for the same few
def is_secret_name(name: str) -> bool:
    """Say whether a field of this name could hold what must not be shown."""
    return _SECRET_NAME.search(name) is not None


def redact_text(text: str, longest: int = 2_000) -> str:
    """Return at most `longest` characters without what looks secret or personal."""
    text = text[: 2 * longest]
    # No pattern can match most texts of a line: they are one word, or a route.
    if text.replace("-", "").replace("/", "").isalnum() and (
        "/" not in text or _HOOKS not in text.casefold()
    ):
        return text[:longest]
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text[:longest]
