"""Filters of the admin's pages: numbers, instants, spans, status lights."""

from datetime import datetime

from django import template

from referrals import words
from referrals.admin.kit import export
from referrals.models import ReferralEvent
from referrals.schema import Event
from referrals.vocabulary import TITLES, EventType

register = template.Library()


@register.filter
def ago(instant: datetime | None) -> str:
    """Return how long ago it was, exactly on hover."""
    return words.format_age(instant)


@register.filter
def at(instant: datetime | None) -> str:
    """Return the instant, in the viewer's zone where a browser shows it."""
    return words.format_instant(instant)


@register.filter
def number(count: float | None) -> str:
    """Return the number with commas between the thousands."""
    return words.NOTHING if count is None else words.format_number(count)


@register.filter
def span(seconds: float | None) -> str:
    """Return a length of time such as "41 min"."""
    return words.NOTHING if seconds is None else words.format_span(seconds)


@register.filter
def wait(seconds: float | None) -> str:
    """Return a wait, to the tenth of a second where it is short."""
    return words.NOTHING if seconds is None else words.format_wait(seconds)


@register.filter
def milliseconds(count: int | None) -> str:
    """Return how long something took, or a dash where it has not ended."""
    return words.format_milliseconds(count)


@register.filter
def called(event: Event | ReferralEvent) -> str:
    """Return what people call an event: "App Open", or its custom name."""
    return TITLES.get(EventType(event.type), event.name)


@register.filter
def inert(text: str) -> str:
    """Return somebody else's text with nothing in it that turns what follows around."""
    return words.make_inert(text)


@register.simple_tag
def light(colour: words.Colour, word: str) -> str:
    """Return a status light with its word."""
    return words.render_light(colour, word)


@register.simple_tag
def export_button(address: str, query: str = "") -> str:
    """Return the button that leads to a list's CSV file, filtered as the list is."""
    return export.link_export(address, query)
