"""The sources that a person may see or change."""

from typing import Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from referrals import access
from referrals.admin.kit.base import demand_permission
from referrals.models import Source

#: The permissions, in the source's app, to see sources and to change them.
SEES: Final = "referrals.view_source"
CHANGES: Final = "referrals.change_source"


def find_source_row(request: HttpRequest, pk: int, *also: str) -> Source:
    """Return a source that the person may see, with its app and the app's key.

    Raises `Http404` for any other, and `PermissionDenied` without one of the permissions
    `also`, in its app.
    """
    # Whoever may change a source sees it.
    if not any(map(request.user.has_perm, (SEES, CHANGES))):
        raise PermissionDenied
    everything = Source.objects.all()
    rows = access.limit_to_apps(everything, request.user, "app", SEES, CHANGES)
    source = rows.select_related("app__id_key").filter(pk=pk).first()
    if source is None:
        raise Http404
    for permission in also:
        demand_permission(request, permission, source.app)
    return source
