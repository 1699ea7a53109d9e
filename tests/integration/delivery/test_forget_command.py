"""`manage.py forget`: what it does, says and prints; never an identity."""

import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.models import Account, Integration, Upload
from clevertap_sync.process import slots
from clevertap_sync.sandbox.accounts import ACCOUNTS
from clevertap_sync.sandbox.faults import Fault
from referrals.models import ErasureRequest, Suppression
from tests.builders import BOB, a_sent_event, an_account, an_integration
from tests.harness.process import PATIENCE_SECONDS
from tests.integration.delivery.erasing import (
    CANARY,
    by_canary,
    of_canary,
    rows_with,
)
from tests.integration.people.knowing import KnownPeople
from tests.integration.threads import Worker

pytestmark = pytest.mark.django_db

IDENTITY = f"email={CANARY}"


@pytest.fixture(autouse=True)
def _own_slots():
    slots.clear_slots()


@pytest.fixture
def forget(integration, capsys):
    """Run the command; return its exit status and what it printed."""

    def forget(*arguments):
        try:
            call_command("forget", integration.app.slug, *arguments)
        except SystemExit as error:
            status = error.code
        else:
            status = 0
        printed = capsys.readouterr()
        assert "canary" not in printed.out.casefold() + printed.err.casefold()
        return status, printed.out

    return forget


def known_to(engine):
    """Return whom CleverTap knows."""
    return {who for who, _ in engine.counts()}


def test_a_person_is_erased_and_the_rest_is_said_in_plain_words(
    engine, append, finish, forget
):
    append(by_canary(), of_canary(), count=1)
    finish()

    status, said = forget("--identity", IDENTITY)

    assert status == 0
    assert said.startswith(
        "email=c•••: erased from 2 events and 0 dead letters; later events are suppressed.\n"
    )
    assert "CleverTap keeps the person's profile" in said
    assert "Backups of this database hold the person until they expire" in said
    assert rows_with(CANARY) == []


def test_a_dry_run_changes_nothing_and_names_what_else_the_person_is_called(
    engine, append, forget
):
    append(
        by_canary(user={"identities": {"email": CANARY, "custom_id": "4711"}}),
        of_canary(),
        count=1,
    )

    status, said = forget("--identity", IDENTITY, "--dry-run")

    assert status == 0
    assert said.splitlines()[0].endswith(
        "2 events, 1 as the user and 1 as the referrer. Nothing was changed."
    )
    assert "by other identities, too: custom_id=•••." in said
    assert rows_with(CANARY) == ["referrals_referralevent"]
    assert not Suppression.objects.exists()
    assert not ErasureRequest.objects.exists()


def test_scripts_get_json(integration, engine, append, forget):
    append(by_canary(user={"identities": {"email": CANARY, "custom_id": "4711"}}))
    app = integration.app.slug

    _, plan = forget("--identity", IDENTITY, "--dry-run", "--json")
    _, done = forget("--identity", IDENTITY, "--identity", "custom_id=4711", "--json")

    assert json.loads(plan) == {
        "app": app,
        "identities": ["email=c•••"],
        "dry_run": True,
        "events": 1,
        "as_user": 1,
        "as_referrer": 0,
        "other_identities": ["custom_id=•••"],
        "known_identities": [],
        "shared_identities": [],
    }
    assert json.loads(done) == {
        "app": app,
        "identities": ["email=c•••", "custom_id=•••"],
        "request": ErasureRequest.objects.get().pk,
        "state": "done",
        "events": 1,
        "dead_letters": 0,
        "uploads_waiting": 0,
        "uploads_replaced": 0,
        "completes_by": None,
    }


def test_what_else_the_person_is_known_by_is_named_and_taken_along_on_order(
    integration, append, forget
):
    known = KnownPeople(integration)
    mine, everybodys = ("branch_id", "branch-canary"), ("custom_id", "shared-canary")
    known.knows(2, ("email", CANARY), mine, everybodys, shared=[everybodys])
    append(a_sent_event(user={"identities": dict([mine])}))

    _, said = forget("--identity", IDENTITY, "--dry-run")
    _, with_them = forget("--identity", IDENTITY, "--dry-run", "--including-others")
    _, plan = forget("--identity", IDENTITY, "--dry-run", "--json")
    _, done = forget("--identity", IDENTITY, "--including-others")

    assert said.splitlines()[1:] == [
        (
            "Known to be the same person's: branch_id=•••. With --including-others they "
            "are erased, too."
        ),
        (
            "Shared with somebody else: custom_id=•••. They are never taken along: name "
            "them if the person means them."
        ),
    ]
    assert ": 1 events, 1 as the user" in with_them
    known_there = json.loads(plan)
    assert known_there["known_identities"] == ["branch_id=•••"]
    assert known_there["shared_identities"] == ["custom_id=•••"]
    assert "erased from 1 events" in done
    assert rows_with(mine[1]) == []


def test_a_profile_is_deleted_by_what_else_the_person_is_known_by(
    engine, integration, append, finish, forget
):
    append(by_canary())
    finish()
    known = KnownPeople(integration)
    known.knows(2, ("custom_id", "canary-4711"))
    known.adds(2, ("email", CANARY), value=CANARY)

    status, said = forget(
        *("--identity", "custom_id=canary-4711", "--including-others"),
        "--delete-in-clevertap",
    )

    assert status == 0
    assert "default: CleverTap has taken the order to delete the person." in said
    assert known_to(engine) == {BOB}


def test_identities_come_from_standard_input_too(append, forget, monkeypatch):
    append(by_canary())
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{IDENTITY}\r\n\n"))

    forget("--stdin")

    assert rows_with(CANARY) == []


@pytest.mark.django_db(transaction=True)
def test_an_upload_under_way_is_waited_for(
    engine, integration, append, forget, monkeypatch
):
    engine.switch(faults=(Fault(hold="before_storing", only="uploads"),))
    is_under_way = erasure_orders.is_under_way

    def goes_on_then(order):
        found = is_under_way(order)
        engine.release()
        return found

    monkeypatch.setattr(erasure_orders, "is_under_way", goes_on_then)
    append(by_canary())
    worker = Worker(deliver, integration.pk)
    engine.wait_for_requests(1, PATIENCE_SECONDS)

    status, said = forget("--identity", IDENTITY)

    engine.release()
    worker.finish()
    assert (status, Upload.objects.get().state) == (0, "settled")
    assert "erased from 1 events" in said
    assert rows_with(CANARY) == []


def test_what_has_to_wait_completes_by_itself_and_clevertap_is_asked_after_that(
    engine, integration, append, finish, forget
):
    engine.switch(faults=(Fault(ending="reset_after_storing", only="uploads"),))
    append(by_canary())
    deliver(integration.pk)

    status, said = forget("--identity", IDENTITY, "--delete-in-clevertap")

    assert status == 1
    assert "1 uploads may hold the person" in said
    assert "CleverTap was not asked to delete anything yet" in said
    assert known_to(engine) == {CANARY, BOB}
    finish()
    erasure_orders.advance_all_erasures()

    status, said = forget("--identity", IDENTITY, "--delete-in-clevertap")

    assert status == 0
    assert "default: CleverTap has taken the order to delete the person." in said
    assert known_to(engine) == {BOB}
    assert ErasureRequest.objects.count() == 1


def test_each_account_is_asked_by_its_own_identity_provider(
    engine, integration, forget
):
    for name, provider, location in [
        ("india", "custom_id", Location.IN1),
        ("us", "clevertap_id", Location.US1),
        ("keyless", "Email", Location.SG1),
        ("archived", "email", Location.MEC1),
    ]:
        an_integration(
            integration.app,
            name=name,
            location=location,
            account=an_account(location),
            identity_provider=provider,
            enabled=False,
            archived_at="2026-01-01T00:00Z" if name == "archived" else None,
            passcode="" if name == "keyless" else ACCOUNTS[location].passcode,
        )

    status, said = forget(
        *("--identity", IDENTITY, "--identity", "clevertap_id=__h123456"),
        *("--delete-in-clevertap", "--json"),
    )

    assert status == 1
    assert [
        (each["integration"], each["outcome"]) for each in json.loads(said)["clevertap"]
    ] == [
        ("default", "accepted"),
        ("india", "no_identity"),
        ("keyless", "no_passcode"),
        ("us", "accepted"),
    ]
    deleted = Account.objects.exclude(deleted_at=None).order_by("location")
    assert list(deleted.values_list("location", flat=True)) == ["eu1", "us1"]
    assert [(r.location, r.status) for r in engine.requests()] == [
        (Location.EU1, 200),
        (Location.US1, 200),
    ]


def test_where_clevertap_s_own_id_stands_in_the_person_is_deleted_by_both(
    engine, integration, append, forget
):
    object_id = "__h123456"
    install = a_sent_event(
        user={"identities": {"clevertap_id": object_id}},
        referrer={"identities": {"email": CANARY}},
    )
    Integration.objects.update(falls_back_to_clevertap_id=True)
    append(install)
    deliver(integration.pk)
    before = known_to(engine)

    status, _ = forget(
        *("--identity", IDENTITY, "--identity", f"clevertap_id={object_id}"),
        "--delete-in-clevertap",
    )

    assert before == {CANARY, object_id}
    assert (status, known_to(engine)) == (0, set())


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        (Fault(status=503, only="reads"), "server_error: HTTP 503"),
        (Fault(status=401, only="reads"), "credentials_refused: HTTP 401"),
    ],
)
def test_a_refused_deletion_is_said_and_can_be_repeated(
    engine, append, forget, fault, detail
):
    engine.switch(faults=(fault,))

    status, said = forget("--identity", IDENTITY, "--delete-in-clevertap", "--json")
    again, _ = forget("--identity", IDENTITY, "--delete-in-clevertap")

    (answer,) = json.loads(said)["clevertap"]
    assert (status, answer["outcome"]) == (1, "failed")
    assert answer["detail"].startswith(detail)
    assert again == 0


def test_a_person_who_agrees_again_is_no_longer_suppressed(forget):
    forget("--identity", IDENTITY)

    status, said = forget("--identity", IDENTITY, "--lift")

    assert (status, Suppression.objects.count()) == (0, 0)
    assert said.startswith("1 of 1 identities were suppressed.")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--identity", CANARY),
        ("--identity", f"={CANARY}"),
        ("--identity", "email= "),
        ("--identity", f"email={CANARY}\udc80"),
        ("--identiti", IDENTITY),
        ("--identity", IDENTITY, CANARY),
        ("--identity", IDENTITY, f"--mail={CANARY}"),
        (),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_without_repeating_it(integration, arguments):
    with pytest.raises(CommandError) as caught:
        call_command("forget", integration.app.slug, *arguments)

    assert "canary" not in str(caught.value)
    told = ("PROVIDER=VALUE", "UTF-8", "this command does not know")
    assert any(words in str(caught.value) for words in told)
    assert not Suppression.objects.exists()


def test_an_unknown_app_is_refused(integration):
    with pytest.raises(CommandError, match=f"Apps: {integration.app.slug}"):
        call_command("forget", "nowhere", "--identity", IDENTITY)


def test_no_log_line_holds_the_person(engine, append, finish, forget, caplog):
    caplog.set_level("DEBUG")
    append(by_canary())
    finish()

    forget("--identity", IDENTITY, "--delete-in-clevertap")
    erasure_orders.advance_all_erasures()

    own = [r for r in caplog.records if not r.name.startswith("django.db.backends")]
    assert "canary" not in repr([vars(record) for record in own]).casefold()
