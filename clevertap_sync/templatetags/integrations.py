"""What templates ask of an integration besides its columns."""

from datetime import UTC, datetime

from django import template

from clevertap_sync.insight import passcode_expiry as expiry
from clevertap_sync.insight.passcode_expiry import Expiry
from clevertap_sync.models import Integration

register = template.Library()


@register.simple_tag
def passcode_expiry(integration: Integration) -> Expiry | None:
    """Return the expiry of its passcode where a person should know of it."""
    return expiry.find_expiry(integration, datetime.now(UTC))
