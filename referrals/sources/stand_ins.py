"""Stand-ins: texts and numbers in place of a call's, of the same form and nobody's. Pure.

A stand-in says what form a value has, and where it stands among the others, and nothing
else: two calls that differ in values alone get the same stand-ins. Only words are kept that
the product or a mapping knows already. So nothing of a person is in what is made of them.
"""

import math
import re
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from referrals.fraud_signals import is_address
from referrals.rules import BrokenRuleError
from referrals.sources.call import parse_pairs
from referrals.sources.document import read_json
from referrals.sources.mapping.times import TIME_TEXT
from referrals.sources.mapping.words import fold_word, is_nothing, write_text
from referrals.vocabulary import INVITE_CHANNELS, EventType, FraudStatus, Via

#: Of a list: a mapping treats all of its elements alike.
MAX_ELEMENTS: Final = 3
MAX_DEPTH: Final = 16
MAX_KEY_CHARACTERS: Final = 64
_MAX_DIGITS: Final = 30
_MAX_SEGMENTS: Final = 6
_OUR_WORDS: Final = INVITE_CHANNELS.union(
    map(fold_word, (*EventType, *Via, *FraudStatus))
)
_FLAGS: Final = ("true", "false")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DECIMAL: Final = re.compile(r"[0-9]+\.[0-9]+")
_URL: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30})://")
_QUERY: Final = re.compile(r"[^=&\s]+=[^=&\s]+(?:&[^=&\s]+=[^=&\s]*)+")
# A key of ours or of a platform's, as programs name things: no address, no number.
_NAME: Final = re.compile(r"[A-Za-z_$~+.-][A-Za-z0-9_$~+.:/ \[\]-]*")
_OF_SOMEBODY: Final = re.compile(r"[0-9]{5}|[0-9A-Fa-f]{16}")
#: Of ten digits and of thirteen: from 2000 to 2100, as Unix time.
_EARLIEST, _LATEST = 946_684_800, 4_102_444_800
_SECONDS_DIGITS, _MS_DIGITS = 10, 13


class StandIns:
    """Makes stand-ins, each another one.

    `words` are kept, compared as words of platforms are. Times are on `day`, the start of
    one. Of more than `most` values the rest is left out; `is_cut` says so.
    """

    def __init__(self, words: frozenset[str], day: datetime, *, most: int) -> None:
        self._words = words | _OUR_WORDS
        self._day = day
        self._number = 0
        self._left = most
        self.is_cut = False

    def replace_value(self, value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - JSON is any value
        """Return what stands in for a value of JSON, with its keys."""
        if depth > MAX_DEPTH and isinstance(value, dict | list):
            self.is_cut = True
            return None
        if isinstance(value, dict):
            return self._replace_object(value, depth)
        if isinstance(value, list):
            self.is_cut |= len(value) > MAX_ELEMENTS
            return [self.replace_value(v, depth + 1) for v in value[:MAX_ELEMENTS]]
        if isinstance(value, str):
            return self.replace_text(value, depth)
        return self._replace_number(value)

    def replace_key(self, key: str) -> str:
        """Return `key`, or what stands in for one that may be a person's."""
        is_name = len(key) <= MAX_KEY_CHARACTERS and _NAME.fullmatch(key)
        if is_name and not (_OF_SOMEBODY.search(key) or is_address(key)):
            return key
        return f"key-{self._count()}"

    def replace_text(self, text: str, depth: int = 0) -> str:
        """Return a text of the same form, or `text` where it is a word that is known."""
        if is_nothing(text) or text.lower() in _FLAGS or fold_word(text) in self._words:
            return text
        if text.lstrip()[:1] in ("{", "["):
            return self._replace_json(text, depth)
        if (url := _URL.match(text)) is not None:
            return self._replace_url(text, url["scheme"], depth)
        if _QUERY.fullmatch(text):
            return self.replace_query(text, depth)
        if "::" in text and not is_address(text):
            return "::".join(self.replace_text(each) for each in text.split("::")[:4])
        return self._replace_plain(text)

    def replace_query(self, encoded: str, depth: int = 0) -> str:
        """Return a query with its names, and values that stand in for its own."""
        pairs, is_cut = parse_pairs(encoded)
        self.is_cut |= is_cut
        return urlencode(self.replace_pairs(pairs, depth))

    def replace_pairs(
        self, pairs: tuple[tuple[str, str], ...], depth: int = 0
    ) -> list[tuple[str, str]]:
        """Return pairs with their names; one without a value may be one itself."""
        return [
            (self.replace_key(name), self.replace_text(value, depth + 1))
            if value
            else (f"key-{self._count()}", "")
            for name, value in pairs
            if self._has_room()
        ]

    def _replace_object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        return {
            self.replace_key(key): self.replace_value(inner, depth + 1)
            for key, inner in value.items()
            if self._has_room()
        }

    def _replace_json(self, text: str, depth: int) -> str:
        try:
            value = read_json(text.encode(), most_values=1_000)
        except (BrokenRuleError, UnicodeEncodeError):
            return self._name_text()
        return msgspec.json.encode(self.replace_value(value, depth + 1)).decode()

    def _replace_url(self, text: str, scheme: str, depth: int) -> str:
        try:
            parts = urlsplit(text)
        except ValueError:
            return self._name_text()
        known = scheme if scheme in ("http", "https") else "app"
        segments = [each for each in parts.path.split("/") if each][:_MAX_SEGMENTS]
        path = "".join(f"/{self._name_text()}" for _ in segments)
        deeper = depth < MAX_DEPTH and parts.query
        query = f"?{self.replace_query(parts.query, depth + 1)}" if deeper else ""
        return f"{known}://example.com{path}{query}"

    def _replace_plain(self, text: str) -> str:
        if _EMAIL.fullmatch(text):
            return f"person-{self._count()}@example.com"
        if _UUID.fullmatch(text):
            stand_in = f"a0000000-0000-4000-8000-{self._count():012x}"
            return stand_in.upper() if text.upper() == text else stand_in
        if is_address(text):
            number = self._count()
            return f"2001:db8::{number:x}" if ":" in text else _name_address(number)
        return self._replace_amount(text) or self._name_text()

    def _replace_amount(self, text: str) -> str | None:
        """Return what stands in for a number or a time, or None for other texts."""
        if text.isascii() and text.isdigit():
            return self._replace_digits(text)
        if (time := TIME_TEXT.fullmatch(text.strip())) is not None:
            return self._replace_time(time)
        if _DAY.fullmatch(text):
            return f"{self._day:%Y-%m-%d}"
        if _DECIMAL.fullmatch(text):
            whole, _, fraction = text.partition(".")
            return f"{self._replace_digits(whole)}.{'5' * len(fraction[:_MAX_DIGITS])}"
        return None

    def _replace_time(self, time: re.Match[str]) -> str:
        instant = self._day + timedelta(seconds=self._count())
        fraction = "." + "0" * len(time["fraction"]) if time["fraction"] else ""
        offset = re.sub("[0-9]", "0", time["offset"] or "")
        return (
            f"{instant:%Y-%m-%d}{time['between']}{instant:%H:%M:%S}{fraction}{offset}"
        )

    def _replace_digits(self, digits: str) -> str:
        number = self._count()
        day = int(self._day.timestamp())
        if _is_time(digits, _SECONDS_DIGITS):
            return str(day + number)
        if _is_time(digits, _MS_DIGITS):
            return str((day + number) * 1_000)
        length = min(len(digits), _MAX_DIGITS)
        if length == 1:
            return str(number % 9 + 1)
        return f"1{number % 10 ** (length - 1):0{length - 1}}"

    def _replace_number(self, value: Any) -> Any:  # noqa: ANN401 - JSON is any value
        if value is None or isinstance(value, bool):
            return value
        if fold_word(write_text(value) or "") in self._words:
            return value
        sign = -1 if value < 0 else 1
        if isinstance(value, int):
            return sign * int(self._replace_digits(str(abs(value))[:_MAX_DIGITS]))
        whole = str(int(abs(value)) if math.isfinite(value) else 0)[:_MS_DIGITS]
        return sign * (int(self._replace_digits(whole)) + 0.5)

    def _name_text(self) -> str:
        return f"text-{self._count()}"

    def _count(self) -> int:
        self._number += 1
        return self._number

    def _has_room(self) -> bool:
        self._left -= 1
        self.is_cut |= self._left < 0
        return self._left >= 0


def _is_time(digits: str, length: int) -> bool:
    return (
        len(digits) == length and _EARLIEST <= int(digits[:_SECONDS_DIGITS]) <= _LATEST
    )


def _name_address(number: int) -> str:
    """Return an address of the documentation's ranges, which nobody has (RFC 5737)."""
    return f"203.0.113.{number % 250 + 1}"
