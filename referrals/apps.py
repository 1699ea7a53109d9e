"""Django's entry to the log."""

from django.apps import AppConfig


class ReferralsConfig(AppConfig):
    """The log of referral events."""

    name = "referrals"
    verbose_name = "Referral events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks; arm the failpoints, of which tests alone have any."""
        from django.conf import settings  # noqa: PLC0415 - not before Django is ready

        from referrals import checks, failpoints  # noqa: F401, PLC0415

        failpoints.arm(settings.FAILPOINTS)
