"""Addresses below an integration's own page, with their methods and permissions."""

from collections.abc import Callable
from typing import TypeAlias

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from clevertap_sync.models import Integration
from referrals.admin.kit.base import ModelAdmin

View: TypeAlias = Callable[[ModelAdmin, HttpRequest, Integration], HttpResponse]


def build_url_pattern(
    page: ModelAdmin,
    name: str,
    view: View,
    *,
    is_page: bool = False,
    for_viewers: bool = False,
    also_archived: bool = False,
    permission: str = "",
) -> URLPattern:
    """Return the address `name` below an integration's own.

    It answers a GET only with `is_page`, and with `for_viewers` also to people who may
    only view. `permission` replaces the right to change the integration.
    """

    def for_one(request: HttpRequest, pk: int) -> HttpResponse:
        found = Integration.objects.select_related("app", "account")
        integration = get_object_or_404(found, pk=pk)
        looks = bool(permission) or (for_viewers and request.method != "POST")
        may = page.has_view_permission if looks else page.has_change_permission
        if not may(request, integration):
            raise PermissionDenied
        if permission and not request.user.has_perm(permission, integration.app):
            raise PermissionDenied
        if integration.archived_at and not also_archived:
            raise Http404
        return view(page, request, integration)

    methods = ["GET", "HEAD", "POST"] if is_page else ["POST"]
    guarded = sensitive_post_parameters()(require_http_methods(methods)(for_one))
    return path(
        f"<int:pk>/{name}/",
        page.admin_site.admin_view(guarded),
        name=f"clevertap_sync_integration_{name.replace('-', '_')}",
    )
