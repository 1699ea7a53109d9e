"""What templates ask of an integration besides its columns."""

from datetime import UTC, datetime

from django import template

from clevertap_sync.insight import passcode_expiry as expiry, unknown_outcomes
from clevertap_sync.insight.passcode_expiry import Expiry
from clevertap_sync.insight.unknown_outcomes import ShownCause
from clevertap_sync.models import Integration

register = template.Library()


@register.simple_tag
def passcode_expiry(integration: Integration) -> Expiry | None:
    """Return the expiry of its passcode where a person should know of it."""
    return expiry.find_expiry(integration, datetime.now(UTC))


@register.simple_tag
def unknown_causes(integration: Integration) -> list[ShownCause]:
    """Return why outcomes are unknown lately, most first, each with what to do."""
    return unknown_outcomes.list_causes(integration, datetime.now(UTC))
