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


def list_page_urls(site: AdminSite) -> list[URLPattern]:
    """Return them for `site`, each behind its login."""

    def wrap(view: Callable[..., HttpResponseBase]) -> Any:
        return site.admin_view(partial(view, site=site))

    return [
        path("events/", wrap(event_pages.show_event_list), name="events"),
        path("events/export/", wrap(event_export.export_events), name="events_export"),
        path(
            "events/<slug:slug>/<int:position>/",
            wrap(event_pages.show_event),
            name="event",
        ),
        path("history/", wrap(history_page.show_history), name="history"),
        path("ingest/", wrap(ingest_page.show_ingest), name="ingest"),
        path("preview/", wrap(preview_page.start_preview), name="preview_start"),
        path("preview/<int:pk>/", wrap(preview_page.show_preview), name="preview"),
        path(
            "test-event/", wrap(sending_pages.start_test_event), name="test_event_start"
        ),
        path(
            "test-event/<int:pk>/",
            wrap(sending_pages.show_test_event),
            name="test_event",
        ),
        path(
            "announce/<int:pk>/", wrap(sending_pages.show_announcement), name="announce"
        ),
        path(
            "announce/<int:pk>/schema.csv",
            wrap(schema_file.export_schema),
            name="schema_file",
        ),
        path(
            "sent/<int:pk>/<int:first>/<int:last>/",
            wrap(sending_pages.show_sent_events),
            name="sent",
        ),
        path("referrals/", wrap(statistics_page.show_referrals), name="referrals"),
        path("problems/", wrap(problems_page.show_problems), name="problems"),
        path(
            "problems/<int:integration_id>/<str:reason>/replay/",
            wrap(problems_page.show_problem_replay),
            name="problem_replay",
        ),
    ]
