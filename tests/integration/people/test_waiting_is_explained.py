"""What is said of a record that waits: for what, and until when; never for whom."""

import json
import logging
from datetime import timedelta
from uuid import UUID

import pytest

from clevertap_sync.admin.events import timeline
from clevertap_sync.clevertap.mapping import decode_record
from clevertap_sync.delivery.canary import try_canary
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.map_upload import map_upload
from clevertap_sync.delivery.work import Claim
from clevertap_sync.insight import awaited
from clevertap_sync.insight.findings import judge_facts
from clevertap_sync.models import DeadLetter, Integration, Upload, WaitingRecord
from clevertap_sync.process import clock
from referrals import hashing, log
from referrals.admin.sources import call_preview
from referrals.destinations import OutcomeStatus, PreviewStatus
from referrals.models import App
from referrals.vocabulary import Side
from tests.builders import a_sent_event, an_api_key, an_app, an_integration
from tests.integration.delivery.test_facts import facts_of
from tests.people import emails, installs_of, knows

pytestmark = pytest.mark.django_db

SECRET_ID = "canary-7c1d"
SECRET_ADDRESS = "canary-7c1d@example.com"
INSTALL = {
    "id": "install",
    "user": {"identities": {"Branch_ID": SECRET_ID, "facebook": "f"}},
    "via": "smart_link",
    "referrer": None,
}
TRIAL = {
    "id": "trial",
    "type": "app_open",
    "user": {"identities": {"email": SECRET_ADDRESS}},
    "referrer": "last",
}
OBJECT_ID = "__g1234567890abcdef"


@pytest.fixture
def app(db):
    return an_app("shop", loose_ids=["branch_id"], remembers_referrers=True)


@pytest.fixture
def integration(app):
    return an_integration(app)


@pytest.fixture
def ask(client, app):
    key = an_api_key(app)

    def ask(event_id):
        return client.get(
            f"/v1/events/{event_id}", headers={"Authorization": f"Bearer {key}"}
        )

    return ask


def deliver_and_wait(integration, *events, hashed=None):
    """Deliver the events, and let the record that has a reason to wait do so since now."""
    log.append(integration.app, events)
    deliver(integration.pk)
    letter = DeadLetter.objects.get(reason__startswith="waiting_for")
    DeadLetter.objects.filter(pk=letter.pk).update(state=DeadLetter.State.WAITING)
    WaitingRecord.objects.filter(letter=letter).delete()
    return WaitingRecord.objects.create(
        app_id=integration.app_id,
        integration=integration,
        letter=letter,
        pick=letter.position * 2 + (letter.side == Side.GENERATED),
        hash=hashed,
        since=clock.read_now(),
    )


def hash_of(app, provider, value):
    return UUID(hashing.make_identity_hasher(app.pk)(provider, value))


def outcome_of(answer, side):
    (found,) = [o for o in answer.json()["outcomes"] if o["side"] == side]
    return found


def test_a_record_that_waits_is_answered_with_what_it_waits_for_and_until_when(
    sandbox, integration, ask, settings
):
    row = deliver_and_wait(
        integration,
        a_sent_event(**INSTALL),
        hashed=hash_of(integration.app, "branch_id", SECRET_ID),
    )

    answer = ask("install")

    outcome = outcome_of(answer, "referred")
    until = row.since + timedelta(days=settings.WAIT_DAYS)
    assert outcome["until"] == until.isoformat().replace("+00:00", "Z")
    assert (outcome["status"], outcome["reason"], outcome["waits_for"]) == (
        "waiting",
        "waiting_for_identity",
        ["branch_id"],
    )
    assert SECRET_ID not in answer.text


def test_it_waits_for_what_it_was_mapped_with_though_the_app_waits_for_others_now(
    sandbox, integration, ask
):
    hashed = hash_of(integration.app, "branch_id", SECRET_ID)
    deliver_and_wait(integration, a_sent_event(**INSTALL), hashed=hashed)
    App.objects.update(loose_ids=["facebook"])

    assert outcome_of(ask("install"), "referred")["waits_for"] == ["branch_id"]


@pytest.mark.parametrize("is_decided", [False, True])
def test_a_last_referrer_is_waited_for_and_never_told_whoever_it_is(
    sandbox, integration, ask, is_decided
):
    hashed = hash_of(integration.app, "email", SECRET_ADDRESS) if is_decided else None
    deliver_and_wait(integration, a_sent_event(**TRIAL), hashed=hashed)

    answer = ask("trial")

    outcome = outcome_of(answer, "generated")
    assert (outcome["status"], outcome["waits_for"]) == ("waiting", ["referrer"])
    assert outcome_of(answer, "referred")["status"] == "delivered"
    assert SECRET_ADDRESS not in answer.text


def test_what_waited_in_vain_is_expired_and_no_dead_letter(sandbox, integration, ask):
    row = deliver_and_wait(integration, a_sent_event(**INSTALL))
    row.delete()
    DeadLetter.objects.update(state=DeadLetter.State.EXPIRED, reason="never_known")

    outcome = outcome_of(ask("install"), "referred")

    assert (outcome["status"], outcome["reason"]) == ("expired", "never_known")
    assert outcome["remedy"].startswith("Do nothing")
    assert not {"until", "waits_for"} & set(outcome)


def test_what_has_waited_and_is_sent_now_is_in_flight(sandbox, integration, ask):
    deliver_and_wait(integration, a_sent_event(**INSTALL))
    upload = Upload.objects.get()
    DeadLetter.objects.update(
        state=DeadLetter.State.REPLAYING, replay_upload_id=upload.pk
    )

    outcome = outcome_of(ask("install"), "referred")

    assert (outcome["status"], outcome["upload"]) == ("in_flight", upload.pk)
    assert "reason" not in outcome


def test_a_page_of_events_asks_for_waits_once(
    sandbox, integration, django_assert_num_queries
):
    deliver_and_wait(integration, a_sent_event(**INSTALL))
    letters = list(DeadLetter.objects.all())
    stored = log.read_range(integration.app_id, 1, 1)
    events = {each.position: each.event for each in stored}

    with django_assert_num_queries(1):
        found = awaited.find_awaited(integration.app_id, letters, events)
    with django_assert_num_queries(0):
        assert awaited.find_awaited(integration.app_id, [], events) == {}

    assert list(found) == [letters[0].pk]


def test_a_dry_run_says_what_a_record_would_wait_for(client, app, integration):
    answer = client.post(
        "/v1/events?dry_run=1",
        json.dumps({"events": [a_sent_event(**INSTALL), a_sent_event(**TRIAL)]}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {an_api_key(app)}"},
    )

    install, trial = answer.json()["results"]
    (waiting,) = install["records"]
    assert (waiting["status"], waiting["waits_for"]) == ("waiting", ["branch_id"])
    assert waiting["event_name"] == "Referred App Install"
    assert [(each["status"], each.get("waits_for")) for each in trial["records"]] == [
        ("record", None),
        ("waiting", ["referrer"]),
    ]
    # What is sent is shown, as ever; what is waited for by its provider alone.
    assert SECRET_ID not in json.dumps(install)


def test_whatever_may_become_of_a_record_has_a_light():
    assert set(timeline.LIGHTS) == set(OutcomeStatus)
    assert set(call_preview.LIGHTS) == set(PreviewStatus)


def test_newest_outcomes_count_what_waits_apart(sandbox, integration):
    log.append(integration.app, [a_sent_event(**INSTALL), a_sent_event()])
    deliver(integration.pk)
    Upload.objects.update(records=3, delivered=2, dead=0, waiting=1)

    (facts,) = facts_of(integration)

    outcomes = facts.newest_outcomes
    assert (outcomes.records, outcomes.delivered, outcomes.waiting) == (2, 2, 1)


@pytest.mark.parametrize("value", ["null", "[object Object]", "0000", "{{user_id}}"])
def test_what_names_nobody_is_a_dead_letter_at_once(sandbox, integration, value):
    user = {"identities": {"branch_id": value}}
    log.append(
        integration.app, [a_sent_event(user=user, referrer=None, via="smart_link")]
    )

    deliver(integration.pk)

    letter = DeadLetter.objects.get()
    assert (letter.state, letter.reason) == ("open", "no_identity")
    assert not WaitingRecord.objects.exists()


@pytest.mark.usefixtures("sandbox")
class TestWrongProvider:
    """A wrong identity provider is found out though the app waits for IDs."""

    def test_of_users_without_such_an_id_it_is_a_problem_at_once(self, integration):
        Integration.objects.update(identity_provider="customer_number")
        log.append(integration.app, installs_of(emails(5)))

        deliver(integration.pk)

        letters = DeadLetter.objects.values_list("state", "reason").distinct()
        assert list(letters) == [("open", "no_identity")]
        (facts,) = facts_of(integration)
        codes = [each.code for each in judge_facts(facts)]
        assert "identity_missing" in codes

    def test_the_canary_holds_it_though_other_records_wait(self, integration):
        Integration.objects.update(identities_confirmed_at=None)
        log.append(integration.app, [a_sent_event(**INSTALL), *installs_of(emails(40))])

        deliver(integration.pk)

        integration.refresh_from_db()
        assert integration.hold_reason == "identity_mismatch"
        assert not DeadLetter.objects.exists()


def test_who_goes_by_clevertap_id_does_not_confirm_the_identity_provider(
    sandbox, integration
):
    Integration.objects.update(
        identities_confirmed_at=None, falls_back_to_clevertap_id=True
    )
    people = emails(2)
    knows(sandbox, *people)
    others = [
        a_sent_event(
            id=f"other-{n}",
            user={"identities": {"clevertap_id": f"{OBJECT_ID}{n}"}},
            referrer=None,
            via="smart_link",
        )
        for n in range(40)
    ]
    log.append(integration.app, [*others, *installs_of(people)])
    claim = claim_next(integration.pk)
    assert isinstance(claim, Claim)
    mapped = map_upload(claim)

    assert try_canary(claim, mapped)

    integration.refresh_from_db()
    assert (integration.identities_known, integration.identities_unknown) == (2, 0)
    assert integration.identities_confirmed_at is None
    assert decode_record(mapped.records[0])["objectId"] == f"{OBJECT_ID}0"


def test_without_the_identity_it_is_sent_by_clevertap_id(sandbox, integration):
    Integration.objects.update(falls_back_to_clevertap_id=True)
    user = {"identities": {"clevertap_id": OBJECT_ID, "branch_id": "b-1"}}
    log.append(
        integration.app, [a_sent_event(user=user, referrer=None, via="smart_link")]
    )

    deliver(integration.pk)

    (record,) = sandbox.records()
    assert record["objectId"] == OBJECT_ID
    assert not DeadLetter.objects.exists()


@pytest.mark.usefixtures("sandbox")
def test_an_id_that_is_waited_for_shows_nowhere(
    integration, ask, caplog, admin_client, settings
):
    settings.METRICS_TOKEN = "token-of-prometheus"
    caplog.set_level(logging.DEBUG)
    hashed = hash_of(integration.app, "branch_id", SECRET_ID)
    deliver_and_wait(
        integration,
        a_sent_event(**{**INSTALL, "user": {"identities": {"branch_id": SECRET_ID}}}),
        hashed=hashed,
    )

    bearer = {"Authorization": "Bearer token-of-prometheus"}
    letter = DeadLetter.objects.get()
    pages = {
        "/metrics": admin_client.get("/metrics", headers=bearer),
        **{
            page: admin_client.get(page, follow=True)
            for page in (
                *("/admin/", "/admin/problems/", "/admin/clevertap_sync/deadletter/"),
                f"/admin/clevertap_sync/deadletter/{letter.pk}/change/",
                f"/admin/clevertap_sync/upload/{letter.upload_id}/change/",
            )
        },
    }
    assert {answer.status_code for answer in pages.values()} == {200}
    shown = {
        **{page: answer.content.decode() for page, answer in pages.items()},
        "answer": ask("install").text,
        "logs": caplog.text,
        "letters": repr(list(DeadLetter.objects.values())),
        "waits": repr(list(WaitingRecord.objects.values())),
        "uploads": repr(list(Upload.objects.values())),
    }

    assert {place for place, text in shown.items() if SECRET_ID in text} == set()
