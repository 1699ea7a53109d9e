"""When it happened, as platforms write it. Pure. A time is read, never guessed."""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Final

from referrals.refusals import Code
from referrals.rules import EARLIEST, FIRST_MILLISECONDS, BrokenRuleError
from referrals.sources.mapping.words import write_text

_FIRST_MS: Final = int(FIRST_MILLISECONDS)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[0-9]{1,17}(?:\.[0-9]{1,20})?")
#: A date and a time of day, with or without an offset.
TIME_TEXT: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})(?P<between>[Tt ])(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:[.,](?P<fraction>[0-9]{1,20}))?"
    r"(?P<offset>[Zz]| ?UTC| ?[+-][0-9]{2}:?[0-9]{2})?"
)


class TimeForm(StrEnum):
    """How a platform writes a time."""

    #: With an offset, as RFC 3339 has it.
    RFC3339 = "rfc3339"
    UNIX_S = "unix_s"
    UNIX_MS = "unix_ms"
    #: A text without an offset, which is UTC. One that has an offset keeps it.
    UTC_TEXT = "utc_text"


def read_time(value: object, form: TimeForm) -> datetime:
    """Return the instant that `value` means, in UTC, rounded down to a microsecond.

    Raises `BrokenRuleError`: a time of another form is wrong, not one to be guessed.
    """
    if form in (TimeForm.UNIX_S, TimeForm.UNIX_MS):
        instant = _read_number(value, form)
    else:
        instant = _read_text(value, form)
    if instant < EARLIEST:
        raise _bad(
            detail="The call's time is before the year 2000.", code=Code.TOO_EARLY
        )
    return instant


def write_time(instant: datetime) -> str:
    """Return `instant`, which is UTC, as RFC 3339, with as many digits as it has."""
    text = instant.isoformat().removesuffix("+00:00")
    return f"{text.rstrip('0') if instant.microsecond else text}Z"


def _read_number(value: object, form: TimeForm) -> datetime:
    # What nearly every platform sends, and is quickly read.
    if type(value) is int:
        if form is TimeForm.UNIX_S and 0 <= value < _FIRST_MS:
            return _EPOCH + timedelta(seconds=value)
        if form is TimeForm.UNIX_MS and _FIRST_MS <= value < _FIRST_MS * 1000:
            return _EPOCH + timedelta(milliseconds=value)
    text = (write_text(value) or "").strip()
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise _bad(detail="The call's time is no Unix time.")
    number = Decimal(text)
    is_ms = form is TimeForm.UNIX_MS
    # The largest seconds are the year 5138; the same number of milliseconds is 1973.
    if number >= Decimal(FIRST_MILLISECONDS) * (1000 if is_ms else 1):
        if is_ms:
            raise _bad(detail="The call's time is too large for milliseconds.")
        raise _bad(
            detail="The call's time is too large for seconds: it looks like milliseconds. "
            "Correct the mapping.",
            code=Code.MILLISECONDS,
        )
    if is_ms and number < Decimal(FIRST_MILLISECONDS):
        raise _bad(
            detail="The call's time is too small for milliseconds: it looks like seconds. "
            "Correct the mapping."
        )
    micro = number.scaleb(3 if is_ms else 6).quantize(Decimal(1), rounding=ROUND_FLOOR)
    return _EPOCH + timedelta(microseconds=int(micro))


def _read_text(value: object, form: TimeForm) -> datetime:
    found = TIME_TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise _bad(detail="The call's time is no date with a time of day.")
    offset = (found["offset"] or "").strip().upper().replace("UTC", "Z")
    if not offset:
        if form is TimeForm.RFC3339:
            raise _bad(detail="The call's time does not say its offset from UTC.")
        offset = "Z"
    fraction = (found["fraction"] or "0")[:6].ljust(6, "0")
    try:
        return datetime.fromisoformat(
            f"{found['date']}T{found['time']}.{fraction}{offset}"
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _bad(detail="The call's time is none that a calendar has.") from None


def _bad(*, detail: str, code: Code = Code.BAD_TIME) -> BrokenRuleError:
    return BrokenRuleError(code=code, at="/occurred_at", detail=detail)
