"""Django's entry to the admin, with our own site as the default one."""

from django.contrib.admin.apps import AdminConfig


class ReferralsAdminConfig(AdminConfig):
    """The admin whose `admin.site` is ours."""

    default_site = "integration_project.admin_site.ReferralsAdminSite"
