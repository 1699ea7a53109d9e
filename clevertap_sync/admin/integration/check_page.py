"""The check page: the connection, the match rate and one user, each asked for by itself."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from clevertap_sync.clevertap.locations import Location, spell_in_sentence
from clevertap_sync.models import Integration
from referrals import access
from referrals.admin.kit.base import ModelAdmin


def show_check_page(
    page: ModelAdmin,
    request: HttpRequest,
    integration: Integration,
    **shown: Any,
) -> HttpResponse:
    """Return the page with what was just found, if anything was."""
    context = build_context(page, request, integration) | shown
    context |= {
        "title": "Check the connection",
        "may_change": page.has_change_permission(request, integration),
        "may_see_identities": request.user.has_perm(
            access.VIEW_IDENTITIES, integration.app
        ),
    }
    return TemplateResponse(request, "clevertap_sync/check.html", context)


def build_context(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> dict[str, Any]:
    """Return what every page about one integration shows."""
    return {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "integration": integration,
        "place": spell_in_sentence(Location(integration.account.location)),
    }
