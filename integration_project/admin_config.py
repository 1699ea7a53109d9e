"""Django's entry to the admin, with our own site as the default one."""

from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.signals import user_logged_in

from integration_project.session_end import start_session_of_login


class ReferralsAdminConfig(AdminConfig):
    """The admin whose `admin.site` is ours, and whose sessions end."""

    default_site = "integration_project.admin_site.ReferralsAdminSite"

    def ready(self) -> None:
        """Let every session end that begins, by whatever way somebody logs in."""
        super().ready()
        user_logged_in.connect(start_session_of_login)
