"""Django's entry to the delivery to CleverTap."""

from django.apps import AppConfig


class ClevertapSyncConfig(AppConfig):
    """Delivery of referral events to CleverTap."""

    name = "clevertap_sync"
    verbose_name = "CleverTap"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the log's signal, the destination registry and the system checks."""
        from clevertap_sync import checks, receivers  # noqa: F401, PLC0415
        from clevertap_sync.destination import CleverTapDestination  # noqa: PLC0415
        from referrals.destinations import register  # noqa: PLC0415

        register(CleverTapDestination())
