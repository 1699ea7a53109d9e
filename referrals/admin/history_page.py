"""The page History: every change with its author and time. For superusers alone."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_safe

from referrals import history
from referrals.admin.kit.page_keys import BEFORE, read_page_key
from referrals.models import App, Change

PER_PAGE: Final = 50


@require_safe
def show_history(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the latest changes, filtered by app, person and date; paged by key."""
    if not request.user.is_superuser:
        raise PermissionDenied
    asked = request.GET
    rows = list(
        _filter_changes(asked).select_related("app").order_by("-pk")[: PER_PAGE + 1]
    )
    older = asked.copy()
    older["before"] = str(rows[PER_PAGE - 1].pk) if len(rows) > PER_PAGE else ""
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": "History",
        "changes": rows[:PER_PAGE],
        "apps": App.objects.all(),
        "people": [
            *get_user_model()
            .objects.order_by("username")
            .values_list("username", flat=True),
            history.COMMAND_LINE,
            history.WORKER,
        ],
        "asked": asked,
        "older": f"?{older.urlencode()}" if older["before"] else "",
        "filtered": any(value for value in asked.values()),
    }
    return TemplateResponse(request, "referrals/history.html", context)


def _filter_changes(asked: QueryDict) -> QuerySet[Change]:
    rows = Change.objects.all()
    for name, column in (
        ("app", "app__slug"),
        ("by", "by"),
        ("kind", "kind"),
        ("row", "row"),
    ):
        if text := asked.get(name, "").replace("\0", ""):
            rows = rows.filter(**{column: text})
    if since := _read_day(asked.get("since")):
        rows = rows.filter(at__gte=since)
    if until := _read_day(asked.get("until")):
        rows = rows.filter(at__lt=until + timedelta(days=1))
    before = read_page_key(asked.get(BEFORE))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return rows


def _read_day(text: str | None) -> datetime | None:
    """Return the day's first instant in UTC; None for a text that is no day."""
    try:
        day: date | None = parse_date(text or "")
    except ValueError:
        return None
    if day is None or day == date.max:
        return None
    return datetime.combine(day, time(), UTC)
