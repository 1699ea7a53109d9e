"""The addresses of the pages that are not about one table's rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpResponse
from django.urls import URLPattern, path

from clevertap_sync.admin import events, problems
from referrals.admin import history_page


def urls(site: AdminSite) -> list[URLPattern]:
    """Return them for `site`, each behind its login."""

    def wrap(view: Callable[..., HttpResponse]) -> Any:  # noqa: ANN401 - a view
        return site.admin_view(partial(view, site=site))

    return [
        path("events/", wrap(events.event_list), name="events"),
        path("events/<slug:slug>/<int:position>/", wrap(events.event), name="event"),
        path("history/", wrap(history_page.history_list), name="history"),
        path("problems/", wrap(problems.problems), name="problems"),
        path(
            "problems/<int:integration_id>/<str:reason>/replay/",
            wrap(problems.replay),
            name="problem_replay",
        ),
    ]
