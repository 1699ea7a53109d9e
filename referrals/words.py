"""Numbers, instants and spans as people read them. Pure, but for Django's HTML escaping."""

from datetime import UTC, datetime
from typing import Final, Literal

from django.utils.html import format_html

#: What stands where there is nothing to show.
NOTHING: Final = "\N{EN DASH}"

Colour = Literal["good", "busy", "bad", "idle"]

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_FEW: Final = 2
_TENTHS_BELOW: Final = 10
_THOUSAND: Final = 1000


#: Characters that change the direction of the text after them, or that are invisible.
TURNING: Final = (
    0x061C,
    0x200E,
    0x200F,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)
_CONTROLS: Final = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
#: All of these.
UNSEEN: Final = "".join(map(chr, (*_CONTROLS, *TURNING)))
_INERT: Final = dict.fromkeys((*_CONTROLS, *TURNING), "\N{REPLACEMENT CHARACTER}")


def make_inert(text: str) -> str:
    """Return `text` with a mark for each character that could make it read otherwise."""
    return text.translate(_INERT)


def format_number(count: float) -> str:
    """Return `count` with commas between the thousands."""
    return f"{count:,}"


def format_count(count: int, noun: str, plural: str = "") -> str:
    """Return "1 event" or "1,204 events"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def format_bytes(count: float) -> str:
    """Return a size in thousands of bytes, such as "20.4 MB"."""
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if abs(size) < _THOUSAND:
            break
        size, unit = size / _THOUSAND, larger
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"


def format_span(seconds: float) -> str:
    """Return a length of time in its one or two leading units, such as "1 h 19 min"."""
    whole = max(0, int(seconds))
    if whole < _FEW * _MINUTE:
        return f"{whole} s"
    minutes, hours, days = whole // _MINUTE, whole // _HOUR, whole // _DAY
    if minutes < _FEW * _MINUTE:
        return f"{minutes} min"
    if hours < _FEW * 24:
        rest = minutes % 60
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{days} days"


def format_wait(seconds: float) -> str:
    """Return a span, in tenths of a second where it is below ten seconds."""
    return (
        f"{max(0.0, seconds):.1f} s"
        if seconds < _TENTHS_BELOW
        else format_span(seconds)
    )


def format_milliseconds(count: int | None) -> str:
    """Return "1,204 ms", or a dash for what has not ended."""
    return NOTHING if count is None else f"{count:,} ms"


def format_age(instant: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago it was, exactly on hover."""
    if instant is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - instant).total_seconds()
    text = (
        f"in {format_span(-seconds)}" if seconds < 0 else f"{format_span(seconds)} ago"
    )
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        instant.astimezone(UTC).isoformat(),
        format_utc(instant),
        text,
    )


def format_instant(instant: datetime | None) -> str:
    """Return the instant in UTC. In a browser it becomes the viewer's zone, UTC on hover."""
    if instant is None:
        return NOTHING
    return format_html(
        '<time datetime="{}" title="{}" data-local>{}</time>',
        instant.astimezone(UTC).isoformat(),
        format_utc(instant),
        format_utc(instant),
    )


def format_utc(instant: datetime) -> str:
    """Return the instant as plain text."""
    return f"{instant.astimezone(UTC):%d %b %Y, %H:%M:%S} UTC"


def render_light(colour: Colour, word: str) -> str:
    """Return a status light. The word says what the colour says."""
    return format_html('<span class="light light-{}">{}</span>', colour, word)
