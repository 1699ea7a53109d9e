"""The addresses of the pages that are not about one table's rows."""

from collections.abc import Callable
from functools import partial
from typing import Final

from django.contrib.admin import AdminSite
from django.http import HttpResponseBase
from django.urls import URLPattern, path

from clevertap_sync.admin.events import event_export, event_pages, statistics_page
from clevertap_sync.admin.overview import problems_page
from clevertap_sync.admin.try_out import preview_page, schema_file, sending_pages
from referrals.admin import history_page, ingest_page
from referrals.admin.people import people_page
from referrals.admin.sources import mapping_page, sample_page

#: Route, view, name.
_PAGES: Final[tuple[tuple[str, Callable[..., HttpResponseBase], str], ...]] = (
    ("events/", event_pages.show_event_list, "events"),
    ("events/export/", event_export.export_events, "events_export"),
    ("events/<slug:slug>/<int:position>/", event_pages.show_event, "event"),
    ("history/", history_page.show_history, "history"),
    ("ingest/", ingest_page.show_ingest, "ingest"),
    ("people/", people_page.show_people, "people"),
    ("people/<slug:slug>/<str:digest>/", people_page.show_person, "person"),
    ("people/<slug:slug>/<str:digest>/mark/", people_page.mark_person, "person_mark"),
    ("people/<slug:slug>/<str:digest>/lift/", people_page.lift_person, "person_lift"),
    ("preview/", preview_page.start_preview, "preview_start"),
    ("preview/<int:pk>/", preview_page.show_preview, "preview"),
    ("test-event/", sending_pages.start_test_event, "test_event_start"),
    ("test-event/<int:pk>/", sending_pages.show_test_event, "test_event"),
    ("announce/<int:pk>/", sending_pages.show_announcement, "announce"),
    ("announce/<int:pk>/schema.csv", schema_file.export_schema, "schema_file"),
    ("sent/<int:pk>/<int:first>/<int:last>/", sending_pages.show_sent_events, "sent"),
    ("sources/<int:pk>/mapping/", mapping_page.show_mapping, "source_mapping"),
    ("sources/<int:pk>/capture/", mapping_page.switch_capture, "source_capture"),
    ("sources/<int:pk>/sample/", sample_page.show_sample, "source_send_sample"),
    ("referrals/", statistics_page.show_referrals, "referrals"),
    ("problems/", problems_page.show_problems, "problems"),
    (
        "problems/<int:integration_id>/<str:reason>/replay/",
        problems_page.show_problem_replay,
        "problem_replay",
    ),
)


def list_page_urls(site: AdminSite) -> list[URLPattern]:
    """Return the pages' addresses for `site`, each behind its login."""
    return [
        path(route, site.admin_view(partial(view, site=site)), name=name)
        for route, view, name in _PAGES
    ]
