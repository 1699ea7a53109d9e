"""Django's entry to the delivery to CleverTap."""

from django.apps import AppConfig


class ClevertapSyncConfig(AppConfig):
    """Delivery of referral events to CleverTap."""

    name = "clevertap_sync"
    verbose_name = "CleverTap"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the log's signal, the registries, the checks, the roles and what is counted."""
        from clevertap_sync import checks, receivers
        from clevertap_sync.insight.clevertap_destination import CleverTapDestination
        from clevertap_sync.process import duration_rows, process_presence
        from clevertap_sync.process.spool_store import RedisSpoolStore
        from referrals import access
        from referrals.destinations import register_destination
        from referrals.hooks.spool import register_spool_store
        from referrals.ingest import background
        from referrals.models import Role

        register_destination(CleverTapDestination())
        register_spool_store(RedisSpoolStore())
        tables = ("integration", "upload", "attempt", "deadletter", "replay")
        access.grant_permissions(
            Role.VIEWER, *(f"clevertap_sync.view_{table}" for table in tables)
        )
        access.grant_permissions(
            Role.EDITOR,
            *("clevertap_sync.add_integration", "clevertap_sync.change_integration"),
            *("clevertap_sync.add_replay", "clevertap_sync.change_replay"),
            *("clevertap_sync.view_alert", "clevertap_sync.add_alert"),
            *("clevertap_sync.change_alert", "clevertap_sync.delete_alert"),
        )
        background.write_along(duration_rows.write_durations)
        background.write_along(process_presence.write_vitals)
        background.write_at_end(process_presence.remove_row)
