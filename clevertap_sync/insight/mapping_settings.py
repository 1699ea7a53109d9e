"""Mapping settings: the copy of an integration's settings that each upload has."""

from typing import Any, NamedTuple

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
_APP = f"""
    SELECT app.loose_ids, app.remembers_referrers,
        {suppression.build_newest_suppression_sql("app.id")}
    FROM referrals_app app WHERE app.id = %s
"""  # noqa: S608 - our own expression


class AppSettings(NamedTuple):
    """What an app decides of its integrations' records."""

    waits_for: tuple[str, ...] = ()
    remembers_referrers: bool = False
    suppressions_until: int = 0


def build_settings(integration: Integration) -> dict[str, Any]:
    """Return the present mapping settings of the integration, JSON-ready."""
    app_id = integration.app_id
    return _encode_settings(
        integration, _read_app_settings(app_id), _read_approved_names(app_id)
    )


def build_settings_for_claim(
    integration: Integration, app: AppSettings, *, has_approved_names: bool
) -> dict[str, Any]:
    """Return the same as `build_settings`, for a claim, which has read the app already."""
    approved = _read_approved_names(integration.app_id) if has_approved_names else ()
    return _encode_settings(integration, app, approved)


def decode_app_settings(
    loose_ids: str, remembers_referrers: object, suppressions_until: int | None
) -> AppSettings:
    """Return what a query read of an app, in the database's own types."""
    return AppSettings(
        msgspec.json.decode(loose_ids, type=tuple[str, ...]),
        bool(remembers_referrers),
        suppressions_until or 0,
    )


def _encode_settings(
    integration: Integration, app: AppSettings, approved_names: tuple[str, ...]
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
            suppressions_until=app.suppressions_until,
            falls_back_to_clevertap_id=integration.falls_back_to_clevertap_id,
            waits_for=app.waits_for,
            remembers_referrers=app.remembers_referrers,
        )
    )
    return stored


def read_settings(stored: dict[str, Any]) -> MappingSettings:
    """Decode the mapping settings of an upload."""
    return msgspec.convert(stored, MappingSettings)


def _read_app_settings(app_id: int) -> AppSettings:
    with connection.cursor() as cursor:
        cursor.execute(_APP, [app_id])
        row = cursor.fetchone()
    return decode_app_settings(*row) if row else AppSettings()


def _read_approved_names(app_id: int) -> tuple[str, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_APPROVED, [app_id, settings.CUSTOM_NAMES_LIMIT])
        return tuple(name for (name,) in cursor.fetchall())
