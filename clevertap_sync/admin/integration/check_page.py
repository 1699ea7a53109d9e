"""The check page: connection, match rate and one user, each with a button of its own."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from clevertap_sync.clevertap.limits import MAX_IDENTITY
from clevertap_sync.clevertap.locations import Location, spell_in_sentence
from clevertap_sync.insight.seen_sights import describe_account_delay
from clevertap_sync.models import Integration
from referrals import access
from referrals.admin.kit.base import ModelAdmin


def show_check_page(
    page: ModelAdmin,
    request: HttpRequest,
    integration: Integration,
    **shown: Any,
) -> HttpResponse:
    """Return the page. `shown` is the result of the check that was just made."""
    context = build_context(page, request, integration) | shown
    context |= {
        "title": "Check the connection",
        "longest_identity": MAX_IDENTITY,
        "how_soon": describe_account_delay(integration.account_id),
        "may_change": page.has_change_permission(request, integration),
        "may_see_identities": request.user.has_perm(
            access.VIEW_IDENTITIES, integration.app
        ),
    }
    return TemplateResponse(request, "clevertap_sync/check.html", context)


def build_context(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> dict[str, Any]:
    """Return the context that all pages about one integration have in common."""
    return {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "integration": integration,
        "place": spell_in_sentence(Location(integration.account.location)),
    }
