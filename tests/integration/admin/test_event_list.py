"""The list of events: what became of each, whom it is about, and what was not delivered."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery import lifecycle, replay
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.insight import clevertap_destination
from clevertap_sync.models import DeadLetter, Replay, Upload
from clevertap_sync.process import slots
from clevertap_sync.sandbox.faults import Poison
from referrals import log
from referrals.identity import Identity
from tests.builders import (
    ANN,
    BOB,
    NOON,
    a_sent_event,
    a_sent_link_click,
    an_api_key,
    an_app,
    an_integration,
)
from tests.harness.process import wait_until
from tests.integration.admin.conftest import text_of

SEES_EVENTS = "referrals.view_referralevent"
SEES_IDENTITIES = "referrals.view_identities"
#: What the list says of each status that the API answers, but for dead letters.
WORDS = {
    "pending": "Waits for its upload",
    "in_flight": "Under way",
    "skipped": "Skipped",
    "not_sent": "Not sent",
    "delivered": "Delivered",
}
REASONS = {
    "no_identity": "No identity",
    "clevertap_528": "CleverTap 528",
    "request_rejected": "Request rejected",
}


@pytest.fixture(autouse=True)
def _no_slot_is_taken():
    """Free the threads that claims of a test took."""
    slots.clear_slots()
    yield
    slots.clear_slots()


@pytest.fixture
def quick(settings):
    """Holds of milliseconds."""
    settings.FIRST_HOLD_SECONDS = 0.01
    settings.LONGEST_HOLD_SECONDS = 0.05


def of(identity):
    return {"identities": {"email": f"{identity}@example.com"}}


def finish(integration):
    def is_done():
        deliver(integration.pk)
        running = integration.replays.filter(state=Replay.State.RUNNING)
        is_open = integration.uploads.filter(state=Upload.State.OPEN)
        return not running.exists() and not is_open.exists()

    wait_until(is_done)
    integration.refresh_from_db()


def rows_of(page):
    """Return, by position, what the two cells about the sides say."""
    found = {}
    for row in re.findall(r"<tr>\s*<td class=\"num\">.*?</tr>", page, re.DOTALL):
        position = int(re.search(r"/admin/events/[\w-]+/(\d+)/", row)[1])
        found[position] = re.findall(r"<td>(.*?)</td>", row, re.DOTALL)[1:3]
    return found


def outcomes_in(cell):
    """Return the words of a side's lights, each with where it holds."""
    lights = r'light-\w+">([^<]+)</span>(?: <span class="quiet">([^<]*)</span>)?'
    return re.findall(lights, cell)


def positions(response):
    return list(rows_of(text_of(response)))


def word_of(outcome):
    """Return what the list has to say where the API answers this."""
    if outcome["status"] != "dead_letter":
        return WORDS[outcome["status"]]
    replaying = ", in replay" if outcome["state"] == "replaying" else ""
    return REASONS[outcome["reason"]] + replaying


@pytest.fixture
def everything(sandbox, integration, quick):
    """An app whose events came to every end there is, at each of two integrations."""
    append = log.append
    app, nobody = integration.app, {"identities": {"custom_id": "7"}}
    other = an_integration(app, location=Location.IN1, name="India", enabled=False)
    other.identity_provider = "custom_id"
    other.save()
    integration.enabled = False
    integration.save()
    append(app, [a_sent_event(id="skipped")])
    lifecycle.enable_integration(integration, start="now")
    integration.not_sent = ["app_open:generated"]
    integration.save()
    lasting = (
        Poison(identity="refused@", code=528),
        Poison(identity="again@", code=528),
        Poison(identity="poison@"),
    )
    sandbox.switch(poison=(*lasting, Poison(identity="mended@", code=528)))
    append(
        app,
        [
            a_sent_event(id="kept-back", type="app_open"),
            a_sent_event(id="nobody", user=nobody),
            a_sent_event(id="refused", user=of("refused")),
            a_sent_event(id="mended", referrer=of("mended")),
            a_sent_event(id="in-replay", referrer=of("again")),
            a_sent_event(id="split", user=of("poison")),
            a_sent_link_click(id="click"),
            a_sent_link_click(id="no-record", referrer=None, via="smart_link"),
            a_sent_event(id="marketing", referrer=None, via="smart_link"),
        ],
    )
    finish(integration)
    sandbox.behave()
    sandbox.switch(poison=lasting)
    _replay(integration, "mended")
    finish(integration)
    _replay(integration, "in-replay")
    assert claim_next(integration.pk) is not None
    append(app, [a_sent_event(id="under-way")])
    assert claim_next(integration.pk) is not None
    lifecycle.enable_integration(other)
    finish(other)
    append(app, [a_sent_event(id="waits")])
    return app


def _replay(integration, key):
    position = log.find_event(integration.app_id, key).position
    letter = DeadLetter.objects.get(integration=integration, position=position)
    replay.replay_letters(integration, selection=[letter.pk])


def test_each_row_says_what_the_api_answers_of_the_event(admin, client, everything):
    key = an_api_key(everything)
    rows = rows_of(text_of(admin.get("/admin/events/?app=shop")))

    statuses = set()
    for position, cells in rows.items():
        (logged,) = log.read_range(everything.pk, position, position)
        answer = client.get(
            f"/v1/events/{logged.event.id}", headers={"Authorization": f"Bearer {key}"}
        ).json()
        for cell, side in zip(cells, ("referred", "generated"), strict=True):
            told = [o for o in answer["outcomes"] if o["side"] == side]
            statuses |= {o["status"] for o in told}
            words = {o["integration"]: word_of(o) for o in told}
            shown = outcomes_in(cell)
            assert {word for word, _ in shown} == set(words.values()), logged.event.id
            for word, where in shown:
                names = [name for name, each in words.items() if each == word]
                assert where == (names[0] if len(names) == 1 else "all 2")
    assert len(rows) == log.read_head(everything.pk) == 12
    assert statuses == {*WORDS, "dead_letter"}


def replay_all(integration):
    replay.replay_range(integration, first=1, last=integration.cursor)
    finish(integration)


def change(integration, **settings):
    for name, value in settings.items():
        setattr(integration, name, value)
    integration.save(update_fields=list(settings))
    lifecycle.apply_new_settings(integration)


def shown_of(admin, integration):
    """Return what the list says of each side of the newest event; listed: not delivered."""
    cells = next(iter(rows_of(text_of(admin.get("/admin/events/"))).values()))
    listed = positions(admin.get("/admin/events/?outcome=not_delivered"))
    words = [word for cell in cells for word, _ in outcomes_in(cell)]
    return words, bool(listed)


AGAIN = "Delivered, replay fell out"


@pytest.mark.parametrize("kept_back", [True, False], ids=["not sent", "skipped"])
def test_what_a_replay_of_the_range_delivered_is_delivered(
    admin, sandbox, integration, quick, kept_back
):
    integration.enabled = kept_back
    change(integration, not_sent=["app_install:generated"], enabled=kept_back)
    log.append(integration.app, [a_sent_event(id="once")])
    if not kept_back:
        lifecycle.enable_integration(integration, start="now")
    finish(integration)
    before = shown_of(admin, integration)

    change(integration, not_sent=[])
    replay_all(integration)

    assert before[0] == (
        ["Delivered", "Not sent"] if kept_back else ["Skipped", "Skipped"]
    )
    assert shown_of(admin, integration) == (["Delivered", "Delivered"], False)
    (outcomes,) = clevertap_destination.find_side_outcomes(
        integration.app_id,
        [integration],
        [(1, log.read_range(integration.app_id, 1, 1)[0].event)],
    )
    replayed = Upload.objects.get(replay__isnull=False)
    assert outcomes[1].upload == replayed.pk
    assert outcomes[1].delivered_at == replayed.settled_at


def test_a_replay_that_is_under_way_is_said_of_what_it_may_deliver(
    admin, sandbox, integration, quick
):
    change(integration, not_sent=["app_install:generated"])
    log.append(integration.app, [a_sent_event()])
    finish(integration)
    change(integration, not_sent=[])
    replay.replay_range(integration, first=1, last=1)
    assert claim_next(integration.pk) is not None

    assert shown_of(admin, integration) == (["Delivered", "Under way"], False)


def test_what_was_delivered_stays_so_when_a_replay_of_it_falls_out(
    admin, client, sandbox, integration, quick
):
    log.append(integration.app, [a_sent_event(id="once")])
    finish(integration)
    change(integration, identity_provider="custom_id")
    replay_all(integration)

    assert shown_of(admin, integration) == ([AGAIN, AGAIN], False)
    answer = client.get(
        "/v1/events/once",
        headers={"Authorization": f"Bearer {an_api_key(integration.app)}"},
    ).json()
    live = Upload.objects.get(replay=None)
    for outcome in answer["outcomes"]:
        assert (outcome["status"], outcome["state"]) == ("delivered", "open")
        assert outcome["meaning"].startswith(
            "CleverTap accepted it. A later replay of it fell out: The user has no "
        )
        assert "reason" not in outcome
    assert {letter.delivered_at for letter in DeadLetter.objects.all()} == {
        live.settled_at
    }


def test_what_a_person_was_sent_before_the_erasure_stays_delivered(
    admin, sandbox, integration, quick
):
    log.append(integration.app, [a_sent_event()])
    finish(integration)
    erasure_orders.advance_erasure(
        erasure_orders.order_erasure(integration.app, [Identity("email", ANN)])
    )
    replay_all(integration)

    words, is_listed = shown_of(admin, integration)

    assert set(DeadLetter.objects.values_list("side", flat=True)) == {"referred"}
    assert (words, is_listed) == ([AGAIN, "Delivered"], False)


def test_what_one_replay_delivered_no_later_one_takes_back(
    admin, sandbox, integration, quick
):
    nobody = {"identities": {"custom_id": "7"}}
    change(integration, not_sent=["app_install:generated"])
    log.append(integration.app, [a_sent_event(user=nobody)])
    finish(integration)
    told = [shown_of(admin, integration)]
    change(integration, not_sent=[], identity_provider="phone")
    replay_all(integration)
    told.append(shown_of(admin, integration))
    change(integration, identity_provider="email")
    replay_all(integration)
    told.append(shown_of(admin, integration))
    change(integration, identity_provider="phone")
    replay_all(integration)
    told.append(shown_of(admin, integration))

    assert told == [
        (["No identity", "Not sent"], True),
        (["No identity", "No identity"], True),
        (["No identity", "Delivered"], True),
        (["No identity", AGAIN], True),
    ]


def test_what_was_kept_back_delivered_by_one_replay_and_refused_by_the_next_was_delivered(
    admin, sandbox, integration, quick
):
    change(integration, not_sent=["app_install:generated"])
    log.append(integration.app, [a_sent_event()])
    finish(integration)
    change(integration, not_sent=[])
    replay_all(integration)
    sandbox.switch(poison=(Poison(identity=BOB),))
    replay_all(integration)

    assert Upload.objects.filter(replay__isnull=False, state="split").exists()
    assert shown_of(admin, integration) == (["Delivered", AGAIN], False)


def test_replays_cost_no_query_more(admin, sandbox, integration, quick):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert admin.get("/admin/events/").status_code == 200
        return len(captured)

    change(integration, not_sent=["app_install:generated"])
    log.append(integration.app, [a_sent_event() for _ in range(10)])
    finish(integration)
    before = queries()
    change(integration, not_sent=[])
    replay_all(integration)
    replay_all(integration)

    assert Upload.objects.filter(replay__isnull=False).count() == 2
    assert queries() == before


def test_what_is_asked_is_the_same_for_one_event_and_for_a_page_of_split_ones(
    admin, sandbox, integration, quick
):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert admin.get("/admin/events/").status_code == 200
        return len(captured)

    log.append(integration.app, [a_sent_event()])
    deliver(integration.pk)
    before = queries()
    log.append(integration.app, [a_sent_event() for _ in range(30)])
    deliver(integration.pk)
    whole = queries()
    sandbox.switch(poison=(Poison(identity="poison@"),))
    log.append(
        integration.app,
        [a_sent_event(user=of("poison")), *(a_sent_event() for _ in range(49))],
    )
    finish(integration)

    assert Upload.objects.filter(state="split").count() > 4
    assert whole == before
    # Each halving of a hundred records is one look more, whatever it was halved into.
    assert queries() <= before + 7


def test_events_far_apart_are_found_in_their_uploads(admin, sandbox, integration):
    nobody = {"identities": {"custom_id": "7"}}
    for n in range(1, 7):
        log.append(
            integration.app, [a_sent_event(user=nobody if n % 3 == 1 else of("ann"))]
        )
        deliver(integration.pk)

    page = text_of(admin.get("/admin/events/?outcome=not_delivered"))

    assert integration.uploads.count() == 6
    assert {
        position: [outcomes_in(cell) for cell in cells]
        for position, cells in rows_of(page).items()
    } == {
        4: [[("No identity", "")], [("Delivered", "")]],
        1: [[("No identity", "")], [("Delivered", "")]],
    }


def test_what_was_not_delivered_is_listed_alone(admin, everything):
    def keys(query):
        return [
            log.read_range(everything.pk, position, position)[0].event.id
            for position in positions(admin.get(f"/admin/events/?{query}"))
        ]

    # India's integration asks for an ID that almost nobody has.
    everywhere = keys("outcome=not_delivered")
    assert len(everywhere) == 10
    assert not {"waits", "no-record"} & set(everywhere)
    everything.integrations.filter(name="India").update(archived_at=NOON)
    assert keys("outcome=not_delivered") == ["split", "in-replay", "refused", "nobody"]
    assert keys("outcome=not_delivered&type=app_open") == []
    assert keys("outcome=nonsense")[0] == "waits"
    exported = text_of(admin.get("/admin/events/export/?outcome=not_delivered"))
    assert len(exported.splitlines()) == 5


def test_the_search_for_what_was_not_delivered_says_how_far_it_looked(
    admin, delivered, monkeypatch
):
    monkeypatch.setattr("clevertap_sync.admin.events.event_pages.WINDOW", 5)

    newest = text_of(admin.get("/admin/events/?outcome=not_delivered"))
    older = text_of(admin.get("/admin/events/?outcome=not_delivered&before=8"))

    assert list(rows_of(newest)) == [12, 11]
    assert "Looked at events 8 to 12." in newest
    assert "None of the events 3 to 7 is like that." in older


def test_whom_an_event_is_about_is_seen_by_those_who_may_see_identities(
    staff, sandbox, integration
):
    integration.identity_provider = "Custom_ID"
    integration.save()
    ann = {"identities": {"email": ANN, "custom_id": "ann-of-the-very-long-custom-id"}}
    log.append(integration.app, [a_sent_event(user=ann)])
    deliver(integration.pk)

    (cells,) = rows_of(
        text_of(staff(SEES_EVENTS, SEES_IDENTITIES).get("/admin/events/"))
    ).values()

    # By the identity provider, shortened; of whom it has no such identity, any other.
    assert ">ann-of-the-very-long-custom…<" in cells[0]
    assert f">{BOB}<" in cells[1]
    assert ANN not in cells[0]


def test_whom_an_event_is_about_is_seen_by_nobody_else(staff, delivered):
    page = text_of(staff(SEES_EVENTS).get("/admin/events/"))

    assert len(rows_of(page)) == 12
    assert 'class="person"' not in page
    assert ANN not in page
    assert BOB not in page


def test_a_person_who_was_erased_has_no_name_in_the_list(admin, delivered):
    assert ANN in text_of(admin.get("/admin/events/"))

    erasure_orders.advance_erasure(
        erasure_orders.order_erasure(delivered.app, [Identity("email", ANN)])
    )

    page = text_of(admin.get("/admin/events/"))
    assert ANN not in page
    assert ">erased<" in page
    assert BOB in page


def test_a_hostile_identity_is_inert(admin, sandbox, integration):
    log.append(
        integration.app,
        [a_sent_event(user={"identities": {"email": "<b>\u202ex@example.com"}})],
    )

    page = text_of(admin.get("/admin/events/"))

    assert "&lt;b&gt;\N{REPLACEMENT CHARACTER}x@example.com" in page
    assert "\u202e" not in page


def test_the_fraud_status_is_shown_only_where_it_is_not_valid(admin, integration):
    log.append(integration.app, [a_sent_event(), a_sent_event(status="suspicious")])

    page = text_of(admin.get("/admin/events/"))

    assert page.count(">Suspicious<") == 1
    assert ">valid<" not in page.partition("<table")[2]


def test_events_of_an_app_without_integration_lead_to_connecting_one(admin, db):
    app = an_app("shop", name="Shop")
    log.append(app, [a_sent_event()])

    page = text_of(admin.get("/admin/events/"))

    assert "Shop has no integration: nothing is delivered." in page
    assert f"/admin/clevertap_sync/integration/add/?app={app.pk}" in page


def test_an_empty_list_asks_for_a_key_only_where_there_is_none(admin, db):
    app = an_app("shop", name="Shop")
    without = text_of(admin.get("/admin/events/"))
    an_api_key(app)
    with_key = text_of(admin.get("/admin/events/"))

    assert "Make an API key" in without
    assert "Make an API key" not in with_key
    assert "The app has an API key: its backend can send events." in with_key
    assert f'href="/admin/referrals/app/{app.pk}/change/"' in with_key
