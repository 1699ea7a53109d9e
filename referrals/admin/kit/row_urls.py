"""Addresses below a row's own page, with their methods and permissions."""

from collections.abc import Callable
from typing import Any, TypeAlias

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from referrals.admin.kit.base import ListAdmin

#: A page's admin, the request, and the row.
RowView: TypeAlias = Callable[[Any, HttpRequest, Any], HttpResponse]


def build_row_url(
    page: ListAdmin,
    name: str,
    view: RowView,
    *,
    related: tuple[str, ...] = ("app",),
    is_page: bool = False,
    for_viewers: bool = False,
    also_archived: bool = False,
    permission: str = "",
) -> URLPattern:
    """Return the address `name` below the page of a row that can be archived.

    It answers a GET only with `is_page`, and with `for_viewers` also to people who may
    only view. `permission` replaces the right to change the row. `related` is read with it.
    """

    def for_one(request: HttpRequest, pk: int) -> HttpResponse:
        found = page.model._default_manager.select_related(*related)
        row = get_object_or_404(found, pk=pk)
        looks = bool(permission) or (for_viewers and request.method != "POST")
        may = page.has_view_permission if looks else page.has_change_permission
        if not may(request, row):
            raise PermissionDenied
        if permission and not request.user.has_perm(permission, page.find_app(row)):
            raise PermissionDenied
        if row.archived_at and not also_archived:
            raise Http404
        return view(page, request, row)

    methods = ["GET", "HEAD", "POST"] if is_page else ["POST"]
    guarded = sensitive_post_parameters()(require_http_methods(methods)(for_one))
    return path(
        f"<int:pk>/{name}/",
        page.admin_site.admin_view(guarded),
        name=f"{page.opts.label_lower.replace('.', '_')}_{name.replace('-', '_')}",
    )
