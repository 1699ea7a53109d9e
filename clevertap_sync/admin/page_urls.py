"""The addresses of the pages that are not about one table's rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpResponseBase
from django.urls import URLPattern, path

from clevertap_sync.admin.events import event_export, event_pages, statistics_page
from clevertap_sync.admin.overview import problems_page
from clevertap_sync.admin.try_out import preview_page, schema_file, sending_pages
from referrals.admin import history_page, ingest_page


def urls(site: AdminSite) -> list[URLPattern]:
    """Return them for `site`, each behind its login."""

    def wrap(view: Callable[..., HttpResponseBase]) -> Any:  # noqa: ANN401 - a view
        return site.admin_view(partial(view, site=site))

    return [
        path("events/", wrap(event_pages.event_list), name="events"),
        path("events/export/", wrap(event_export.export), name="events_export"),
        path(
            "events/<slug:slug>/<int:position>/", wrap(event_pages.event), name="event"
        ),
        path("history/", wrap(history_page.history_list), name="history"),
        path("ingest/", wrap(ingest_page.ingest), name="ingest"),
        path("preview/", wrap(preview_page.start), name="preview_start"),
        path("preview/<int:pk>/", wrap(preview_page.preview), name="preview"),
        path("test-event/", wrap(sending_pages.start), name="test_event_start"),
        path("test-event/<int:pk>/", wrap(sending_pages.test_event), name="test_event"),
        path("announce/<int:pk>/", wrap(sending_pages.announce), name="announce"),
        path("announce/<int:pk>/schema.csv", wrap(schema_file.csv), name="schema_file"),
        path(
            "sent/<int:pk>/<int:first>/<int:last>/",
            wrap(sending_pages.sent),
            name="sent",
        ),
        path("referrals/", wrap(statistics_page.referrals), name="referrals"),
        path("problems/", wrap(problems_page.problems), name="problems"),
        path(
            "problems/<int:integration_id>/<str:reason>/replay/",
            wrap(problems_page.replay),
            name="problem_replay",
        ),
    ]
