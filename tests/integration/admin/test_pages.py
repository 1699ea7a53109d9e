"""Overview, events, problems and the lists: what they show, to whom, at what cost."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync import insight
from clevertap_sync.delivery import split
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.replay import replay_letters
from clevertap_sync.models import Attempt, DeadLetter, Integration, Replay, Upload
from clevertap_sync.process import clock
from referrals import log
from referrals.models import ReferralEvent, RejectedEvent
from tests.builders import (
    ANN,
    BOB,
    NOON,
    a_sent_custom_event,
    a_sent_event,
    a_sent_link_click,
    an_api_key,
    an_app,
    an_integration,
)
from tests.integration.admin.conftest import text_of
from tests.integration.delivery.conftest import status_of

SCRIPT = "<script>alert(1)</script>"
UPLOADS = "/admin/clevertap_sync/upload/"
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
    "problems/",
    "",
]


def test_the_overview_agrees_with_delivery_status(admin, delivered):
    page = text_of(admin.get("/admin/"))

    tiles = dict(re.findall(r"<dt>([^<]+)</dt><dd>(?:<a[^>]*>)?([^<]+)<", page))
    status = insight.read_statuses()[0]
    assert tiles == {
        "Events accepted": str(status.head),
        "Records delivered": str(status.delivered),
        "Dead letters": str(status.dead_letters["no_identity"]),
        "Backlog": "0",
        "Lag": "0 s",
        "95 % within": tiles["95 % within"],
    }
    assert re.fullmatch(r"\d\.\d s", tiles["95 % within"])
    assert (status.head, status.delivered) == (12, 22)


def test_an_empty_installation_says_what_to_do_first(admin):
    page = text_of(admin.get("/admin/"))

    assert "From nothing to the first delivered event" in page
    assert "/admin/referrals/app/add/" in page
    assert "No integration yet" in page
    assert "There is no app yet" in text_of(admin.get("/admin/events/"))


def test_a_held_integration_is_explained(admin, sandbox):
    wrong = an_integration(passcode="WRO-NG-PASS")
    log.append(wrong.app, [a_sent_event()])
    deliver(wrong.pk)

    page = text_of(admin.get("/admin/"))

    assert re.search(r"Held for \d+ s: CleverTap knows the account", page)
    assert "1 event waits" in page
    assert "none is lost" in page


def test_books_that_do_not_add_up_are_red_on_the_overview(admin, delivered):
    upload = delivered.uploads.order_by("-pk").first()
    delivered.uploads.filter(pk=upload.pk).update(delivered=upload.delivered + 7)

    page = text_of(admin.get("/admin/"))

    assert '<span class="light light-bad">Books do not balance</span>' in page
    assert f"Upload {upload.pk} has {upload.records} records" in page


def add_rows(integration, count):
    """Add so many rows to every list, and have the events among them delivered."""
    app, nobody = integration.app, {"identities": {}}
    for _ in range(count):
        name = f"Level {app.custom_names.count()}"
        log.append(
            app, [a_sent_event(user=nobody), a_sent_custom_event(name, user=nobody)]
        )
        deliver(integration.pk)
        replay_letters(integration, reasons=["no_identity"], created_by="x")
        other = an_app()
        an_api_key(other)
        RejectedEvent.objects.create(app=other, source="celery", detail="x")


def test_a_list_shows_no_identity_and_costs_the_same_with_more_rows(admin, delivered):
    def queries(page):
        with CaptureQueriesContext(connection) as captured:
            response = admin.get(f"/admin/{page}")
        assert response.status_code == 200, page
        # The list of events names people to those who may see them, and alone does.
        if page != "events/":
            assert ANN not in text_of(response), page
            assert BOB not in text_of(response), page
        return captured.captured_queries

    add_rows(delivered, 1)
    before = {page: queries(page) for page in LISTS}
    add_rows(delivered, 5)
    after = {page: queries(page) for page in LISTS}

    uncapped = re.compile(
        r'SELECT COUNT\(\*\)[^(]*FROM "(?!auth|django)\w+"', re.IGNORECASE
    )
    for page in LISTS:
        # These two ask more where there is more to tell, such as what fell out first.
        is_told_more = page in {"", "problems/"}
        assert is_told_more or len(after[page]) == len(before[page]), page
        assert len(after[page]) <= {"": 45, "problems/": 30}.get(page, 12), page
        if page.startswith("clevertap_sync") or page == "events/":
            assert not [q["sql"] for q in after[page] if uncapped.search(q["sql"])]


def test_an_upload_of_no_record_was_not_delivered(admin, sandbox, integration):
    log.append(integration.app, [a_sent_link_click(referrer=None, via="smart_link")])
    deliver(integration.pk)
    upload = integration.uploads.get()
    assert (upload.state, upload.records) == ("settled", 0)

    for page in ("", f"{upload.pk}/change/"):
        shown = text_of(admin.get(f"/admin/clevertap_sync/upload/{page}"))
        assert '<span class="light light-idle">Nothing to send</span>' in shown
        assert ">Delivered</span>" not in shown


def numbers(page):
    """Return the numbers of the uploads that a list shows."""
    return [int(pk) for pk in re.findall(r'"field-id"><a href="\D+(\d+)/', page)]


def test_the_list_of_uploads_shows_the_last_answer(admin, sandbox, integration):
    sandbox.answer(503)
    log.append(integration.app, [a_sent_event()])
    deliver(integration.pk)
    Integration.objects.update(held_until=NOON)
    deliver(integration.pk)
    statuses = Attempt.objects.filter(dry_run=False).order_by("pk")
    assert list(statuses.values_list("status", flat=True)) == [503, 200]

    page = text_of(admin.get(UPLOADS))

    assert re.findall(r'class="field-answer">(\d+), [\d,]+ ms<', page) == ["200"]


def test_links_list_the_parts_of_an_upload_and_the_uploads_of_a_replay(
    admin, delivered
):
    replayed = replay_letters(delivered, reasons=["no_identity"], created_by="x")
    deliver(delivered.pk)
    whole, again = Upload.objects.order_by("pk")
    part = split.split_into_parts(whole, [[2]], NOON)[0]

    parts = text_of(admin.get(f"{UPLOADS}?parent__id__exact={whole.pk}"))
    uploads = text_of(admin.get(f"{UPLOADS}?replay__id__exact={replayed.pk}"))

    assert numbers(parts) == [part.pk]
    assert numbers(uploads) == [again.pk]


@pytest.mark.parametrize(
    "guess", ["integration__passcode__startswith=x", "replay__created_by__startswith=x"]
)
def test_no_address_of_a_list_guesses_at_what_it_does_not_show(admin, delivered, guess):
    assert admin.get(f"{UPLOADS}?{guess}").status_code == 400


def test_events_are_paged_by_key_newest_first(admin, integration):
    log.append(integration.app, [a_sent_event(id=f"e-{n}") for n in range(1, 121)])

    first = text_of(admin.get("/admin/events/?app=shop"))
    second = text_of(admin.get("/admin/events/?app=shop&before=71"))
    last = text_of(admin.get("/admin/events/?app=shop&before=21"))
    up = text_of(admin.get("/admin/events/?app=shop&after=20"))

    assert _positions(first) == list(range(120, 70, -1))
    assert "before=71" in first
    assert ">Newer<" not in first
    assert _positions(second) == list(range(70, 20, -1))
    assert _positions(last) == list(range(20, 0, -1))
    assert ">Older<" not in last
    assert _positions(up) == list(range(70, 20, -1))


def test_events_are_filtered(admin, integration):
    log.append(
        integration.app,
        [a_sent_event(), a_sent_custom_event(), a_sent_event(test=True)],
    )

    assert _positions(text_of(admin.get("/admin/events/?type=custom"))) == [2]
    assert _positions(text_of(admin.get("/admin/events/?kind=test"))) == [3]
    assert _positions(text_of(admin.get("/admin/events/?type=link_click"))) == []
    assert _positions(text_of(admin.get("/admin/events/?before=x&type='"))) == [3, 2, 1]


def test_an_event_is_found_by_its_id(admin, integration):
    log.append(integration.app, [a_sent_event(id="this-one")])

    found = admin.get("/admin/events/?app=shop&q=this-one")
    other = admin.get("/admin/events/?app=shop&q=another")

    assert found.url == "/admin/events/shop/1/"
    assert "None of the events 1 to 1 has this ID or names anybody" in text_of(other)


def test_an_event_is_found_by_an_identity_of_either_side(admin, integration):
    cara = {"identities": {"email": 'cara"%@example.com', "custom_id": "c"}}
    log.append(
        integration.app,
        [
            a_sent_event(user=cara),
            a_sent_event(),
            a_sent_event(referrer=cara),
            a_sent_custom_event(event_data={"plan": 'cara"%@example.com'}),
        ],
    )

    def found(identity):
        page = admin.get("/admin/events/", {"q": identity})
        return _positions(text_of(page))

    assert found('cara"%@example.com') == [3, 1]
    assert found('CARA"%@example.com') == []
    assert found("cara") == []
    assert "Looked at events 1 to 4." in text_of(admin.get("/admin/events/?q=c"))


def test_whoever_may_not_see_identities_searches_by_none(staff, integration):
    log.append(integration.app, [a_sent_event(), a_sent_custom_event(channel="sms")])
    viewer = staff("referrals.view_referralevent")

    page = text_of(viewer.get(f"/admin/events/?q={ANN}"))

    assert "You may not search by identity" in page
    assert _positions(page) == [2, 1]


def test_events_are_filtered_by_channel_and_day(admin, integration):
    log.append(
        integration.app,
        [a_sent_event(channel="WhatsApp"), a_sent_event(channel="sms"), a_sent_event()],
    )
    ReferralEvent.objects.filter(position=1).update(received_at=NOON)

    def found(query):
        return _positions(text_of(admin.get(f"/admin/events/?{query}")))

    assert found("channel=whatsapp") == [3, 1]
    assert found("channel=sms") == [2]
    assert found("day=2026-11-23") == [1]
    assert found("day=2026-11-22") == []
    assert found("day=9999-12-31&channel=%00") == []
    assert found("day=nonsense") == [3, 2, 1]


def test_the_list_is_live_until_somebody_pauses_it(admin, integration):
    log.append(integration.app, [a_sent_event() for _ in range(60)])

    live = text_of(admin.get("/admin/events/?type=app_install"))
    paused = text_of(admin.get("/admin/events/?type=app_install&live=off"))
    older = text_of(admin.get("/admin/events/?before=30"))

    assert 'id="events" data-live="5"' in live
    assert 'href="?type=app_install&amp;live=off">Pause</a>' in live
    assert "data-live" not in paused + older
    assert 'href="?type=app_install">Go live</a>' in paused


def test_an_events_page_tells_its_way(admin, delivered):
    page = text_of(admin.get("/admin/events/shop/11/"))

    assert "Not delivered" in page
    assert "no identity for the integration" in page
    assert "CleverTap accepted it." in page
    assert "&quot;evtName&quot;: &quot;Generated App Install&quot;" in page
    assert f">Upload {delivered.uploads.get().pk}</a>" in page
    assert BOB in page
    assert admin.get("/admin/events/shop/99/").status_code == 404


def test_identities_and_payloads_need_their_permission(staff, delivered):
    viewer = staff("referrals.view_referralevent")

    page = text_of(viewer.get("/admin/events/shop/1/"))

    assert ANN not in page
    assert BOB not in page
    assert "spring" not in page
    assert "••••" in page
    assert "app_install" in page


@pytest.mark.parametrize("page", [*LISTS[:-1], "events/shop/1/"])
def test_whoever_has_no_permission_sees_nothing(staff, delivered, page):
    assert staff().get(f"/admin/{page}").status_code == 403


def test_whoever_is_not_logged_in_is_asked_to(client, db):
    for page in LISTS:
        response = client.get(f"/admin/{page}")
        assert response.status_code == 302
        assert response.url.startswith("/admin/login/")


def test_hostile_texts_are_inert(admin, sandbox):
    app = an_app("shop", name=SCRIPT)
    integration = an_integration(app, identity_provider="{{ 7|add:7 }}")
    log.append(
        app,
        [
            a_sent_custom_event(
                f"=cmd {SCRIPT}", user={"identities": {SCRIPT: SCRIPT}}
            ),
            a_sent_event(channel=SCRIPT, content="\u202etxt", via="smart_link"),
        ],
    )
    deliver(integration.pk)
    DeadLetter.objects.update(detail=SCRIPT)

    pages = [
        *LISTS,
        "events/shop/1/",
        "events/shop/2/",
        f"clevertap_sync/integration/{integration.pk}/change/",
        f"clevertap_sync/deadletter/{DeadLetter.objects.first().pk}/change/",
        f"problems/{integration.pk}/no_identity/replay/",
    ]
    for page in pages:
        response = admin.get(f"/admin/{page}")
        assert response.status_code == 200, page
        assert SCRIPT not in text_of(response), page


def test_problems_are_grouped_with_meaning_and_remedy(admin, delivered):
    page = text_of(admin.get("/admin/problems/"))

    assert "The user has no identity for the integration" in page
    assert "Choose an identity provider that users have and replay" in page
    assert "<strong>2</strong> records" in page
    assert "/admin/events/shop/12/" in page


def test_a_replay_of_a_reason_is_planned_then_ordered(admin, delivered):
    address = f"/admin/problems/{delivered.pk}/no_identity/replay/"

    plan = text_of(admin.get(address))
    assert "2 records in 1 upload" in plan
    assert not Replay.objects.exists()
    response = admin.post(address)

    replay = Replay.objects.get()
    assert response.url == f"/admin/clevertap_sync/replay/{replay.pk}/change/"
    assert (replay.reasons, replay.planned) == (["no_identity"], 2)
    assert replay.created_by == "ann"


def test_a_replay_of_what_clevertap_may_have_says_so_first(admin, delivered):
    before = text_of(admin.get(f"/admin/problems/{delivered.pk}/no_identity/replay/"))
    DeadLetter.objects.filter(reason="no_identity").update(reason="outcome_unknown")

    problems = text_of(admin.get("/admin/problems/"))
    plan = text_of(admin.get(f"/admin/problems/{delivered.pk}/outcome_unknown/replay/"))

    assert "nobody knows whether CleverTap stored it" in problems
    assert "Look in CleverTap whether the event is there" in problems
    assert "what it has already stored, it will count twice" in plan
    assert "count twice" not in before


def test_what_was_found_in_clevertap_is_said_and_left_out(admin, delivered):
    letters = DeadLetter.objects.filter(reason="no_identity")
    now = clock.read_now()
    letters.update(reason="outcome_unknown", found="not_found", found_at=now)
    found = DeadLetter.objects.filter(reason="outcome_unknown").first()
    DeadLetter.objects.filter(pk=found.pk).update(found="found")

    problems = text_of(admin.get("/admin/problems/"))
    plan = text_of(admin.get(f"/admin/problems/{delivered.pk}/outcome_unknown/replay/"))
    page = text_of(admin.get(f"/admin/clevertap_sync/deadletter/{found.pk}/change/"))
    missing = text_of(admin.get("/admin/clevertap_sync/deadletter/?found=not_found"))

    split = "counts: 1 found in CleverTap, 1 not found, safe to replay."
    assert split in problems
    assert "1 record in 1 upload" in plan
    assert "1 of unknown outcome was found in CleverTap, and stays here." in plan
    assert "CleverTap has it" in page
    assert "Not in CleverTap" in missing
    assert f"/deadletter/{found.pk}/change/" not in missing


def test_the_page_says_why_outcomes_are_unknown_lately(admin, delivered):
    address = f"/admin/clevertap_sync/integration/{delivered.pk}/change/"
    assert "Unknown outcomes of the last 30 days" not in text_of(admin.get(address))
    now = clock.read_now()
    for cause, days in [("worker_killed", 1), ("worker_killed", 29), ("deadline", 31)]:
        Attempt.objects.create(
            integration=delivered,
            upload=Upload.objects.first(),
            began_at=now - timedelta(days=days),
            ended_at=now,
            outcome="no_answer",
            outcome_unknown=True,
            unknown_cause=cause,
        )

    page = text_of(admin.get(address))
    attempts = text_of(
        admin.get("/admin/clevertap_sync/attempt/?unknown_cause=deadline")
    )

    assert "Unknown outcomes of the last 30 days" in page
    assert "2 killed workers" in page
    assert "a deploy hook" in page
    assert "No answer (outcome unknown: deadline)" in attempts
    assert status_of(delivered).unknown_causes == {"worker_killed": 2}


def test_selected_dead_letters_are_replayed_after_a_confirmation(admin, delivered):
    chosen = DeadLetter.objects.order_by("pk").first()
    order = {"action": "replay_selected", "_selected_action": [chosen.pk]}

    plan = text_of(admin.post("/admin/clevertap_sync/deadletter/", order))
    assert "1 record in 1 upload" in plan
    assert not Replay.objects.exists()
    admin.post("/admin/clevertap_sync/deadletter/", {**order, "confirmed": "1"})

    assert Replay.objects.get().selection == [chosen.pk]


def test_whoever_may_only_look_replays_nothing(staff, delivered):
    viewer = staff("clevertap_sync.view_deadletter", "clevertap_sync.view_replay")

    refused = viewer.post(f"/admin/problems/{delivered.pk}/no_identity/replay/")
    viewer.post(
        "/admin/clevertap_sync/deadletter/",
        {"action": "replay_selected", "_selected_action": ["1"], "confirmed": "1"},
    )

    assert refused.status_code == 403
    assert not Replay.objects.exists()


def test_a_running_replay_is_cancelled_by_a_post(admin, delivered):
    admin.post(f"/admin/problems/{delivered.pk}/no_identity/replay/")
    replay = Replay.objects.get()
    address = f"/admin/clevertap_sync/replay/{replay.pk}/cancel/"

    assert admin.get(address).status_code == 405
    admin.post(address)

    replay.refresh_from_db()
    assert replay.state == Replay.State.CANCELLED


@pytest.mark.parametrize("table", ["upload", "attempt", "deadletter", "replay"])
def test_what_the_engine_writes_is_only_read(admin, delivered, table):
    row = {
        "upload": delivered.uploads,
        "attempt": delivered.attempts,
        "deadletter": delivered.dead_letters,
    }.get(table)
    assert admin.get(f"/admin/clevertap_sync/{table}/add/").status_code == 403
    if row is None:
        return
    address = f"/admin/clevertap_sync/{table}/{row.first().pk}"
    assert admin.get(f"{address}/change/").status_code == 200
    assert admin.post(f"{address}/change/", {"state": "open"}).status_code == 403
    assert admin.post(f"{address}/delete/", {"post": "yes"}).status_code == 403


def _positions(page):
    return [
        int(position) for position in re.findall(r"/admin/events/shop/(\d+)/", page)
    ]


@pytest.mark.parametrize(
    "page",
    [
        "clevertap_sync/upload/?q=abc",
        "clevertap_sync/upload/?q=99999999999999999999999",
        "clevertap_sync/attempt/?q=%00",
        "clevertap_sync/deadletter/?reason=%00",
        "referrals/rejectedevent/?q=%00",
        "events/?app=%00&before=99999999999999999999999&q=%00",
        "events/?before=-5&after=%E0%A5%A9",
    ],
)
def test_nonsense_in_an_address_is_no_fault_of_the_server(admin, delivered, page):
    assert admin.get(f"/admin/{page}", follow=True).status_code == 200


@pytest.mark.parametrize(
    "page",
    [
        "events/shop/99999999999999999999999/",
        "events/nothing/1/",
        "problems/99999999999999999999999/no_identity/replay/",
        "problems/1/nonsense/replay/",
    ],
)
def test_what_is_not_there_is_not_found(admin, delivered, page):
    assert admin.get(f"/admin/{page}").status_code == 404
