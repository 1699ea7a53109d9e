"""The addresses of the pages that are not about one table's rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpResponseBase
from django.urls import URLPattern, path

from clevertap_sync.admin import (
    event_export,
    events,
    preview,
    problems,
    referring,
    schema_file,
    sending,
)
from referrals.admin import history_page, ingest_page


def urls(site: AdminSite) -> list[URLPattern]:
    """Return them for `site`, each behind its login."""

    def wrap(view: Callable[..., HttpResponseBase]) -> Any:  # noqa: ANN401 - a view
        return site.admin_view(partial(view, site=site))

    return [
        path("events/", wrap(events.event_list), name="events"),
        path("events/export/", wrap(event_export.export), name="events_export"),
        path("events/<slug:slug>/<int:position>/", wrap(events.event), name="event"),
        path("history/", wrap(history_page.history_list), name="history"),
        path("ingest/", wrap(ingest_page.ingest), name="ingest"),
        path("preview/", wrap(preview.start), name="preview_start"),
        path("preview/<int:pk>/", wrap(preview.preview), name="preview"),
        path("test-event/", wrap(sending.start), name="test_event_start"),
        path("test-event/<int:pk>/", wrap(sending.test_event), name="test_event"),
        path("announce/<int:pk>/", wrap(sending.announce), name="announce"),
        path("announce/<int:pk>/schema.csv", wrap(schema_file.csv), name="schema_file"),
        path("sent/<int:pk>/<int:first>/<int:last>/", wrap(sending.sent), name="sent"),
        path("referrals/", wrap(referring.referrals), name="referrals"),
        path("problems/", wrap(problems.problems), name="problems"),
        path(
            "problems/<int:integration_id>/<str:reason>/replay/",
            wrap(problems.replay),
            name="problem_replay",
        ),
    ]
