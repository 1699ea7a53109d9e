"""Numbers and times that are more precise than a double or a microsecond.

Pure. A decoder takes the nearest value silently. This module rounds a time down, and finds
the numbers that lost digits.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal, InvalidOperation

import msgspec

from referrals.decoding import prepare_type
from referrals.rules import find_instances

# As many characters hold at most 15 digits, which every double keeps.
_SURELY_EXACT = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FINE_TIME = re.compile(rb"\.[0-9]{7}")
_FINER = re.compile(r"(\.[0-9]{6})[0-9]+")


class LostDigitsError(Exception):
    """A number has digits that a double does not keep."""


class LostDigits:
    """Stands where a number has lost digits."""


@prepare_type
class _Timed(msgspec.Struct):
    occurred_at: msgspec.Raw


def read_float(text: str) -> float:
    """Return the number that `text` spells in JSON.

    Raises `LostDigitsError` where the nearest double, written down, is another number.
    """
    number = float(text)
    if len(text) > _SURELY_EXACT or "e" in text or "E" in text:
        try:
            is_kept = Decimal(text) == Decimal(repr(number))
        except InvalidOperation:  # an exponent beyond what even decimals have
            is_kept = False
        if not is_kept:
            raise LostDigitsError
    return number


def mark_float(text: str) -> float | LostDigits:
    """Return the number that `text` spells in JSON, or `LostDigits` where digits are lost."""
    try:
        return read_float(text)
    except LostDigitsError:
        return LostDigits()


def find_lost_digits(pointer: str, value: object) -> Iterator[str]:
    """Yield the pointers to each `LostDigits` in `value`, which stands at `pointer`."""
    return (at for at, _ in find_instances(LostDigits, pointer, value))


def may_be_finer(raw: bytes) -> bool:
    """Return whether a time in the JSON `raw` may be finer than a microsecond."""
    return _FINE_TIME.search(raw) is not None


def read_exact_instant(raw: bytes) -> datetime:
    """Return the `occurred_at` of the JSON event `raw`, rounded down to a microsecond.

    It must be good already: RFC 3339, or seconds that a `datetime` can hold.
    """
    value = msgspec.json.decode(raw, type=_Timed).occurred_at
    if bytes(value).startswith(b'"'):
        text = _FINER.sub(r"\1", msgspec.json.decode(value, type=str))
        return msgspec.convert(text, datetime)
    seconds = Decimal(bytes(value).decode())
    # To divide first would round to the digits that a decimal calculates with.
    micro = seconds.quantize(Decimal(1).scaleb(-6), rounding=ROUND_FLOOR)
    return _EPOCH + int(micro.scaleb(6)) * _MICROSECOND
