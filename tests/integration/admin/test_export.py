"""CSV files of lists: what is filtered, inert, bounded, by key; and filters by date."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.delivery import replay
from clevertap_sync.models import Attempt, DeadLetter, Upload
from referrals import csv_limits, log
from referrals.admin.kit import export
from referrals.models import CustomName, RejectedEvent
from tests.builders import (
    ANN,
    BOB,
    a_sent_custom_event,
    a_sent_event,
    an_api_key,
    an_app,
)
from tests.integration.admin.conftest import text_of

LISTS = [
    "clevertap_sync/upload/",
    "clevertap_sync/attempt/",
    "clevertap_sync/deadletter/",
    "clevertap_sync/replay/",
    "clevertap_sync/integration/",
    "referrals/app/",
    "referrals/apikey/",
    "referrals/customname/",
    "referrals/rejectedevent/",
    "events/",
]
#: The heading of the instants that a list is filtered by.
COLUMNS = {"upload": "Created", "attempt": "Began", "deadletter": "Fell out"}
HOSTILE = "=HYPERLINK(\u202e<script>)"


def rows_of(response):
    assert response.status_code == 200
    text = response.getvalue().decode().removeprefix("\ufeff")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    return [dict(zip(header, row, strict=False)) for row in rows]


def a_row_of_each_list(integration):
    """Write what neither the events nor their delivery bring along."""
    an_api_key(integration.app)
    log.append(integration.app, [a_sent_custom_event("Level 1")])
    RejectedEvent.objects.create(app=integration.app, source="celery", detail="x")
    replay.replay_letters(integration, reasons=["no_identity"], created_by="x")


@pytest.mark.parametrize("page", LISTS)
def test_every_list_offers_a_file_without_identities(admin, delivered, page):
    a_row_of_each_list(delivered)
    if page == "events/":
        page = "events/export/?app=shop"
    else:
        assert f'href="/admin/{page}export/"' in text_of(admin.get(f"/admin/{page}"))
        page += "export/"

    response = admin.get(f"/admin/{page}")

    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = rows_of(response)
    assert rows
    if not page.startswith("events"):
        assert ANN not in str(rows)
        assert BOB not in str(rows)


@pytest.mark.parametrize("page", LISTS)
def test_a_file_needs_the_permission_of_its_list(staff, delivered, page):
    assert staff().get(f"/admin/{page}export/").status_code == 403


def test_a_file_has_what_the_list_shows_under_its_filters(admin, delivered):
    everything = rows_of(admin.get("/admin/clevertap_sync/deadletter/export/"))
    nothing = rows_of(
        admin.get("/admin/clevertap_sync/deadletter/export/?reason=request_rejected")
    )

    assert [row["Position"] for row in everything] == ["12", "11"]
    assert everything[0]["Reason"] == "no_identity"
    assert everything[0]["Meaning"].startswith("The user has no identity")
    assert nothing == []


def test_the_button_keeps_the_filters(admin, delivered):
    page = text_of(admin.get("/admin/clevertap_sync/deadletter/?reason=no_identity"))

    assert "/admin/clevertap_sync/deadletter/export/?reason=no_identity" in page


def test_hostile_texts_are_inert_in_a_file(admin, integration):
    RejectedEvent.objects.create(
        app=integration.app, source="celery", key="\tx", pointer="@", detail=HOSTILE
    )
    CustomName.objects.create(
        app=integration.app, name=HOSTILE, normalised="x", number=1, first_position=1
    )

    (refused,) = rows_of(admin.get("/admin/referrals/rejectedevent/export/"))
    (name,) = rows_of(admin.get("/admin/referrals/customname/export/"))

    assert refused["Event ID"] == "'�x"
    assert refused["Pointer"] == "'@"
    assert refused["Detail"] == "'=HYPERLINK(�<script>)"
    assert name["Name"] == "'=HYPERLINK(�<script>)"


def test_a_file_ends_at_its_bound_and_says_so(admin, integration, monkeypatch):
    RejectedEvent.objects.bulk_create(
        RejectedEvent(app=integration.app, source="celery", detail=str(n))
        for n in range(5)
    )
    monkeypatch.setattr(export, "MOST_ROWS", 3)

    rows = rows_of(admin.get("/admin/referrals/rejectedevent/export/"))

    assert [row["Detail"] for row in rows[:3]] == ["4", "3", "2"]
    assert rows[3]["App"] == csv_limits.CUT_NOTE
    assert len(rows) == 4


def test_a_file_reads_a_stretch_of_keys_at_a_time_and_no_more_than_its_bound(
    admin, integration, monkeypatch
):
    RejectedEvent.objects.bulk_create(
        RejectedEvent(app=integration.app, source="celery", detail=str(n))
        for n in range(50)
    )
    monkeypatch.setattr(export, "KEYS_PER_READ", 10)
    monkeypatch.setattr(export, "MOST_KEYS", 30)

    with CaptureQueriesContext(connection) as captured:
        rows = rows_of(admin.get("/admin/referrals/rejectedevent/export/"))

    assert [row["Detail"] for row in rows] == [str(n) for n in range(49, 19, -1)]
    reads = [q["sql"] for q in captured if '"detail"' in q["sql"]]
    assert sum("LIMIT" not in sql for sql in reads) == 3


def test_events_are_exported_under_the_lists_filters(admin, integration):
    log.append(
        integration.app,
        [a_sent_event(), a_sent_custom_event("=Gift", event_data={"a": "\u202eb"})],
    )

    everything = rows_of(admin.get("/admin/events/export/?app=shop"))
    (custom,) = rows_of(admin.get("/admin/events/export/?app=shop&type=custom"))

    assert [row["Position"] for row in everything] == ["2", "1"]
    assert custom["Name"] == "'=Gift"
    assert custom["User"] == '{"email":"ann@example.com"}'
    assert custom["Event data"] == '{"a":"�b"}'


def test_identities_are_exported_for_those_who_may_see_them_and_no_one_else(
    staff, integration
):
    log.append(integration.app, [a_sent_event()])

    viewer = staff("referrals.view_referralevent")
    (row,) = rows_of(viewer.get("/admin/events/export/?app=shop"))

    assert list(row) == [
        *("Position", "Event ID", "Type", "Name", "Channel", "Status", "Test"),
        *("Happened", "Received"),
    ]
    assert ANN not in str(row)


def test_a_nonsense_filter_leads_back_to_the_list(admin, delivered):
    answer = admin.get("/admin/clevertap_sync/upload/export/?since=nonsense")

    assert answer.status_code == 302
    assert answer.url == "/admin/clevertap_sync/upload/"


# Dates -------------------------------------------------------------------------------


@pytest.fixture
def week(integration):
    """A dead letter, an upload and an attempt on each of seven days; keys have gaps."""
    begins = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
    for number in range(7):
        day = begins + timedelta(days=number)
        upload = Upload.objects.create(
            pk=10 * number + 3,
            integration=integration,
            first=number + 1,
            last=number + 1,
            settings={},
            created_at=day,
            due_at=day,
        )
        Attempt.objects.create(integration=integration, upload=upload, began_at=day)
        DeadLetter.objects.create(
            integration=integration,
            upload=upload,
            position=number + 1,
            side="referred",
            reason="no_identity",
            created_at=day,
            changed_at=day,
        )
    return integration


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("since=2026-11-05", [5, 6, 7]),
        ("until=2026-11-02", [1, 2]),
        ("since=2026-11-03&until=2026-11-04", [3, 4]),
        ("since=2026-11-20", []),
        ("until=2026-10-20", []),
        ("since=2020-01-01&until=2030-01-01", [1, 2, 3, 4, 5, 6, 7]),
    ],
)
@pytest.mark.parametrize("table", COLUMNS)
def test_a_list_is_filtered_by_date(admin, week, table, query, days):
    rows = rows_of(admin.get(f"/admin/clevertap_sync/{table}/export/?{query}"))

    column = COLUMNS[table]
    assert [int(row[column][8:10]) for row in reversed(rows)] == days


def test_the_dates_stay_in_the_filter_and_keep_the_others(admin, week):
    page = text_of(
        admin.get("/admin/clevertap_sync/upload/?since=2026-11-05&state__exact=open")
    )

    assert 'name="since" value="2026-11-05"' in page
    assert '<input type="hidden" name="state__exact" value="open">' in page
    assert "Date: 2026-11-05 to …" in page


def test_nonsense_for_a_date_is_no_fault_of_the_server(admin, week):
    response = admin.get("/admin/clevertap_sync/upload/?since=%00&until=x", follow=True)

    assert response.status_code == 200


# Empty lists, refused events -----------------------------------------------------------


@pytest.mark.parametrize("page", LISTS[:-1])
def test_an_empty_list_says_what_it_is_waiting_for(admin, page):
    text = text_of(admin.get(f"/admin/{page}"))

    assert 'class="empty-list"' in text
    assert "There is nothing here yet" not in text


def test_a_list_that_a_filter_emptied_offers_to_show_all(admin, delivered):
    page = text_of(admin.get("/admin/clevertap_sync/upload/?state__exact=split"))

    assert 'Nothing is like that. <a href="?">Show all</a>' in page


def test_refused_events_stand_under_problems(admin, staff, integration):
    other = an_app("other")
    for number in range(7):
        RejectedEvent.objects.create(
            app=other, source="celery", key=f"key-{number}", detail="<script>\u202e"
        )

    page = text_of(admin.get("/admin/problems/"))
    viewer = text_of(staff("clevertap_sync.view_deadletter").get("/admin/problems/"))

    assert [n for n in range(7) if f"key-{n}" in page] == [2, 3, 4, 5, 6]
    assert "<script>\u202e" not in page
    assert "&lt;script&gt;�" in page
    assert "key-6" not in viewer
