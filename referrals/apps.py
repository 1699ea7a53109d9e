"""Django's entry to the log."""

from django.apps import AppConfig


class ReferralsConfig(AppConfig):
    """The log of referral events."""

    name = "referrals"
    verbose_name = "Referral events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, say what roles may do here, and arm the failpoints.

        Tests alone have failpoints.
        """
        from django.conf import settings

        from referrals import access, checks, failpoints
        from referrals.models import Role

        access.grant_permissions(
            Role.VIEWER,
            *("referrals.view_app", "referrals.view_referralevent"),
            *("referrals.view_customname", "referrals.view_rejectedevent"),
            "referrals.view_source",
        )
        access.grant_permissions(
            Role.EDITOR,
            *(access.VIEW_IDENTITIES, "referrals.change_app"),
            *("referrals.change_customname", "referrals.add_source"),
            "referrals.change_source",
        )
        failpoints.arm_failpoints(settings.FAILPOINTS)
