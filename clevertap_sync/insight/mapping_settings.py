"""Mapping settings: the copy of an integration's settings that each upload has."""

from typing import Any

import msgspec
from django.conf import settings
from django.db import connection

from clevertap_sync.clevertap.mapping import MappingSettings
from clevertap_sync.models import Integration
from referrals import suppression

_APPROVED = """
    SELECT normalised FROM referrals_customname
    WHERE app_id = %s AND number > %s AND approved_at IS NOT NULL ORDER BY number
"""


def build_settings(integration: Integration) -> dict[str, Any]:
    """Return the present mapping settings of the integration, JSON-ready."""
    app_id = integration.app_id
    return _encode_settings(
        integration,
        _read_approved_names(app_id),
        suppression.find_newest_suppression(app_id),
    )


def build_settings_for_claim(
    integration: Integration, *, has_approved_names: bool, suppressions_until: int
) -> dict[str, Any]:
    """Return the same as `build_settings`, for a claim, which has read the two already."""
    approved = _read_approved_names(integration.app_id) if has_approved_names else ()
    return _encode_settings(integration, approved, suppressions_until)


def _encode_settings(
    integration: Integration, approved_names: tuple[str, ...], suppressions_until: int
) -> dict[str, Any]:
    stored: dict[str, Any] = msgspec.to_builtins(
        MappingSettings(
            identity_provider=integration.identity_provider,
            event_data_format=integration.event_data_format,  # type: ignore[arg-type]
            send_none=integration.send_none,
            refuse_long_texts=integration.refuse_long_texts,
            send_event_id=integration.send_event_id,
            property_limit=integration.property_limit,
            event_kinds=integration.event_kinds,  # type: ignore[arg-type]
            send_suspicious=integration.send_suspicious,
            send_rejected=integration.send_rejected,
            not_sent=tuple(integration.not_sent),
            approved_names=approved_names,
            custom_names_limit=settings.CUSTOM_NAMES_LIMIT,
            since=since.timestamp() if (since := integration.deliver_since) else None,
            suppressions_until=suppressions_until,
        )
    )
    return stored


def read_settings(stored: dict[str, Any]) -> MappingSettings:
    """Decode the mapping settings of an upload."""
    return msgspec.convert(stored, MappingSettings)


def _read_approved_names(app_id: int) -> tuple[str, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_APPROVED, [app_id, settings.CUSTOM_NAMES_LIMIT])
        return tuple(name for (name,) in cursor.fetchall())
