"""Filters of the admin's pages: numbers, instants, spans, status lights."""

from datetime import datetime

from django import template
from django.utils.html import format_html

from referrals import words
from referrals.csv_limits import MOST_ROWS
from referrals.models import ReferralEvent
from referrals.schema import Event
from referrals.vocabulary import TITLES, EventType

register = template.Library()


@register.filter("ago")
def show_age(instant: datetime | None) -> str:
    """Return how long ago it was, exactly on hover."""
    return words.format_age(instant)


@register.filter("at")
def show_instant(instant: datetime | None) -> str:
    """Return the instant, in the viewer's zone where a browser shows it."""
    return words.format_instant(instant)


@register.filter("number")
def show_number(count: float | None) -> str:
    """Return the number with commas between the thousands."""
    return words.NOTHING if count is None else words.format_number(count)


@register.filter("span")
def show_span(seconds: float | None) -> str:
    """Return a length of time such as "41 min"."""
    return words.NOTHING if seconds is None else words.format_span(seconds)


@register.filter("wait")
def show_wait(seconds: float | None) -> str:
    """Return a wait, to the tenth of a second where it is short."""
    return words.NOTHING if seconds is None else words.format_wait(seconds)


@register.filter("milliseconds")
def show_milliseconds(count: int | None) -> str:
    """Return how long something took, or a dash where it has not ended."""
    return words.format_milliseconds(count)


@register.filter("called")
def name_event(event: Event | ReferralEvent) -> str:
    """Return an event's title: "App Open", or its custom name."""
    if event.type == EventType.IDENTIFY:
        return "Identify"
    return TITLES.get(EventType(event.type), event.name)


@register.filter("inert")
def show_inert(text: str) -> str:
    """Return a producer's text without characters that change the direction of a text."""
    return words.make_inert(text)


@register.simple_tag(name="light")
def show_light(colour: words.Colour, word: str) -> str:
    """Return a status light with its word."""
    return words.render_light(colour, word)


@register.simple_tag(name="export_button")
def show_export_button(address: str, query: str = "") -> str:
    """Return the button that leads to a list's CSV file, filtered as the list is."""
    return format_html(
        '<a class="button quiet" href="{}{}" title="{}" download>Export CSV</a>',
        address,
        query if query != "?" else "",
        f"What is filtered, newest first: at most {MOST_ROWS:,} rows",
    )
