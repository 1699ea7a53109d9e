"""Filters of lists whose choices cost no reading of the list's own table."""

from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest

from clevertap_sync.models import Integration


class IntegrationFilter(admin.RelatedFieldListFilter):
    """The integrations by name, in one query."""

    def field_choices(
        self,
        field: Any,  # noqa: ANN401, ARG002 - Django's protocol
        request: HttpRequest,  # noqa: ARG002
        model_admin: Any,  # noqa: ANN401, ARG002
    ) -> Any:  # noqa: ANN401
        """Return each integration with the app and the account that it is called after."""
        found = Integration.objects.select_related("app", "account")
        return [(str(each.pk), str(each)) for each in found.order_by("app", "name")]


#: For `list_filter`.
BY_INTEGRATION: Final = ("integration", IntegrationFilter)
