"""A busy integration's next small range is taken by one call, unless anything has changed."""

from datetime import timedelta
from threading import Event

import pytest
from django.db import connection

from clevertap_sync.delivery import (
    at_once,
    deliver as delivering,
    hold,
    lifecycle,
    map_upload,
    take_next,
)
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.replay import replay_range
from clevertap_sync.models import Account, Attempt, DeadLetter, Integration, Upload
from clevertap_sync.process import clock, slots, stopping
from clevertap_sync.sandbox.faults import Fault, Poison
from referrals import failpoints, suppression
from referrals.failpoints import Place
from referrals.models import App, CustomName
from tests.builders import a_sent_event, a_sent_identify, an_app, an_integration
from tests.integration.delivery.conftest import status_of
from tests.integration.statements import counted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has no round trip to save"
    ),
]
WRITTEN_OF_A_BODY = ("body_hash", "records", "unsent", "shortened")
#: What no two uploads have in common, or two attempts.
OWN = {"id", "_state", "upload_id", "first", "last", "body_hash"} | {
    *("created_at", "due_at", "settled_at", "began_at", "ended_at", "duration_ms"),
}


@pytest.fixture
def known(engine, integration, append):
    """What a thread knows that has just delivered the integration's second range."""
    append(a_sent_event(id="before"))
    deliver(integration.pk)
    append(a_sent_event(id="begun"))
    claim = claim_next(integration.pk, begins=True)
    carry_out(claim)
    assert slots.count_busy(integration.pk) == 0
    return claim.known


def carry_out(claim):
    delivering._carry_out_and_release(claim, lambda: None)


def take(known):
    """Take the next range as a thread does that expects one, and return the claim."""
    return claim_next(known.integration.pk, begins=True, known=known)


def newest():
    upload = Upload.objects.latest("pk")
    return upload, upload.attempts.get()


def columns(row):
    return {name: value for name, value in vars(row).items() if name not in OWN}


def test_a_range_is_taken_and_settled_by_two_statements(known, append):
    append(a_sent_event(id="taken"))

    with counted() as statements:
        carry_out(take(known))

    assert [sql.split("(")[0].split()[-1] for sql in statements] == [
        "clevertap_sync_upload_take_1",
        "clevertap_sync_upload_settle_2",
    ]


def test_one_that_was_taken_leaves_what_one_leaves_that_was_looked_at(
    known, engine, append
):
    _, looked_at = engine.requests()
    before = [columns(row) for row in newest()]
    append(a_sent_event(id="taken"))

    carry_out(take(known))

    upload, attempt = newest()
    assert [columns(upload), columns(attempt)] == before
    assert (upload.first, upload.last) == (3, 3)
    request = engine.requests()[-1]
    assert upload.body_hash == request.sha256
    assert attempt.body_bytes == request.body_bytes == looked_at.body_bytes
    assert upload.created_at == upload.due_at == attempt.began_at
    assert attempt.began_at < attempt.ended_at == upload.settled_at


def test_one_after_the_other_is_taken(known, integration, append, engine):
    for number in range(5):
        append(a_sent_event(id=f"one-{number}"), a_sent_event(id=f"two-{number}"))
        claim = take(known)
        assert claim.known is known
        carry_out(claim)

    status = status_of(integration)
    assert (status.delivered, status.backlog, status.balanced) == (24, 0, True)
    assert [r.records for r in engine.requests()] == [2, 2, *[4] * 5]


def test_an_event_after_a_quiet_time_is_taken_by_what_the_last_thread_knew(
    integration, append, engine
):
    for number in range(3):
        append(a_sent_event(id=f"lone-{number}"))
        with counted() as statements:
            deliver(integration.pk)

    assert [sql.split("(")[0].split()[-1] for sql in statements] == [
        "clevertap_sync_upload_take_1",
        "clevertap_sync_upload_settle_2",
        "clevertap_sync_account_state_1",
    ]
    assert len(engine.requests()) == 3


def test_two_threads_never_know_the_same(known):
    at_once.remember_integration(known)

    assert at_once.recall_integration(known.integration.pk) is known
    assert at_once.recall_integration(known.integration.pk) is None


def test_nothing_is_locked_where_nothing_waits(known):
    before = read_locks()

    assert take_next.take_next_range(known) is None

    assert read_locks() == before
    assert slots.count_busy(known.integration.pk) == 0


def read_locks():
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin, xmax FROM clevertap_sync_account")
        return cursor.fetchall()


def test_so_many_as_a_small_range_has_are_taken_and_no_more(known, append):
    append(count=at_once.MOST_EVENTS)
    claim = take(known)
    assert (claim.upload.first, claim.upload.last) == (3, 22)
    carry_out(claim)
    append(*[a_sent_event(id=f"more-{n}") for n in range(at_once.MOST_EVENTS + 1)])

    assert take_next.take_next_range(known) is None


def pause(integration):
    lifecycle.pause_integration(integration)


def take_other_settings(integration):
    Integration.objects.update(send_event_id=True)


def claim_elsewhere(integration):
    assert claim_next(integration.pk)


def claim_and_settle_elsewhere(integration):
    deliver(integration.pk)


def suppress(integration):
    suppression.suppress_hashes(integration.app_id, ["0" * 32])


def approve_a_name(integration):
    CustomName.objects.create(
        app=integration.app,
        number=99,
        name="Level",
        normalised="level",
        first_position=1,
        approved_at=clock.read_now(),
    )


def lower_the_limit(integration):
    Account.objects.update(current_limit=1)


def wait_for_other_ids(integration):
    App.objects.update(loose_ids=["device"])


def order_a_replay(integration):
    integration.refresh_from_db()
    replay_range(integration, first=1, last=1)


def share_the_account(integration):
    an_integration(an_app("neighbour"), account=integration.account)


def hold_it(integration):
    integration.refresh_from_db()
    hold.hold_delivery(
        integration, reason="server_error", delay=0, probe=True, now=clock.read_now()
    )


def leave_one_to_be_sent_again(integration):
    newest_upload, _ = newest()
    Upload.objects.filter(pk=newest_upload.pk).update(state="open", leased_until=None)


CHANGES = (
    pause,
    take_other_settings,
    claim_elsewhere,
    claim_and_settle_elsewhere,
    suppress,
    approve_a_name,
    lower_the_limit,
    wait_for_other_ids,
    order_a_replay,
    share_the_account,
    hold_it,
    leave_one_to_be_sent_again,
)


@pytest.mark.parametrize("change", CHANGES)
def test_where_anything_has_changed_nothing_is_taken(
    known, integration, append, change
):
    append(a_sent_event(id="waits"))
    change(integration)
    before = (Upload.objects.count(), Attempt.objects.count())

    assert take_next.take_next_range(known) is None

    assert (Upload.objects.count(), Attempt.objects.count()) == before


def test_an_equal_version_of_a_row_with_another_cursor_takes_nothing(
    known, integration, append, engine
):
    """A database that lost its last commits may give their numbers to other transactions."""
    append(a_sent_event(id="elsewhere"))
    claim_and_settle_elsewhere(integration)
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM clevertap_sync_integration")
        (known.versions.integration,) = cursor.fetchone()
    append(a_sent_event(id="waits"))

    assert take_next.take_next_range(known) is None

    carry_out(take(known))
    assert [r.records for r in engine.requests()] == [2] * 4
    assert status_of(integration).balanced


def test_other_settings_are_those_of_the_next_range(known, append, engine):
    append(a_sent_event(id="waits"))
    Integration.objects.update(send_event_id=True)

    claim = take(known)

    assert claim.upload.settings["send_event_id"] is True
    assert claim.mapped is not None
    assert claim.known is not known
    carry_out(claim)
    append(a_sent_event(id="taken"))
    taken = take(claim.known)
    assert taken.rows is not None
    assert taken.upload.settings["send_event_id"] is True
    carry_out(taken)
    properties = [record["evtData"].get("Event ID") for record in engine.records()]
    assert properties == [None] * 4 + ["waits"] * 2 + ["taken"] * 2


def test_an_event_that_is_appended_before_the_call_is_in_it(known, append):
    append(a_sent_event(id="one"))
    append(a_sent_event(id="two"))

    claim = take(known)

    assert [position for position, _, _ in claim.rows] == [3, 4]


def test_of_a_range_of_which_nothing_is_sent_no_attempt_stays(
    known, integration, append, engine
):
    append(a_sent_identify())

    claim = take(known)
    assert Attempt.objects.count() == 3
    carry_out(claim)

    upload = Upload.objects.latest("pk")
    assert (upload.state, upload.records, upload.attempt_count) == ("settled", 0, 0)
    assert Attempt.objects.count() == len(engine.requests()) == 2
    assert status_of(integration).balanced
    append(a_sent_event(id="next"))
    # The next one may be alike.
    assert take_next.take_next_range(known) is None


def test_a_range_that_is_too_large_for_a_request_is_split(
    known, integration, append, engine, monkeypatch
):
    append(a_sent_event(id="one"), a_sent_event(id="two"))
    monkeypatch.setattr(map_upload, "MAX_BODY_BYTES", 400)

    carry_out(take(known))

    assert not Attempt.objects.exclude(upload__state="settled").exists()
    deliver(integration.pk)
    parts = Upload.objects.filter(parent__isnull=False)
    assert parts.count() > 1
    status = status_of(integration)
    assert (status.delivered, status.backlog, status.balanced) == (8, 0, True)


FAULTS = (
    Fault(status=503),
    Fault(status=401),
    Fault(status=429),
    Fault(status=400),
    Fault(ending="reset_before_storing"),
    Fault(ending="reset_after_storing"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=range(len(FAULTS)))
def test_what_is_not_answered_well_is_written_down_as_ever(
    known, append, engine, fault
):
    engine.switch(faults=(fault,))
    append(a_sent_event(id="taken"))

    carry_out(take(known))

    upload, attempt = newest_begun()
    assert attempt.outcome not in ("", "ok")
    assert (attempt.records, attempt.body_bytes) == (2, attempt.body_bytes)
    assert attempt.body_bytes == engine.requests()[-1].body_bytes
    assert upload.body_hash == engine.requests()[-1].sha256
    assert upload.records == 2


def newest_begun():
    attempt = Attempt.objects.exclude(upload=None).latest("pk")
    return attempt.upload, attempt


def test_a_refused_record_becomes_a_dead_letter(known, append, integration, engine):
    engine.switch(poison=(Poison(identity="bob@example.com", code=513),))
    append(a_sent_event(id="taken"))

    carry_out(take(known))

    upload, attempt = newest_begun()
    assert (upload.records, upload.delivered, upload.dead) == (2, 1, 1)
    assert (attempt.records, attempt.accepted, attempt.refused) == (2, 1, 1)
    assert upload.body_hash == engine.requests()[-1].sha256
    assert DeadLetter.objects.get().upload == upload
    assert status_of(integration).balanced


@pytest.mark.parametrize(
    "place", [Place.CLAIM_COMMITTED, Place.ATTEMPT_COMMITTED, Place.REQUEST_ANSWERED]
)
def test_one_that_dies_with_its_worker_goes_again_byte_for_byte_after_a_probe(
    known, append, integration, engine, place
):
    append(a_sent_event(id="taken"))
    claim = take(known)
    failpoints.arm_failpoints(failpoints.parse_failpoints([f"{place}=raise"]))
    with pytest.raises(failpoints.FailpointError):
        carry_out(claim)
    failpoints.arm_failpoints([])
    died = len(engine.requests())
    Upload.objects.filter(leased_until__isnull=False).update(
        leased_until=clock.read_now() - timedelta(seconds=1)
    )

    deliver(integration.pk)

    upload = Upload.objects.latest("pk")
    first, second = upload.attempts.order_by("pk")
    assert (first.outcome_unknown, second.outcome) == (True, "ok")
    probe, again = engine.requests()[died:]
    assert (probe.dry_run, again.dry_run) == (True, False)
    assert again.sha256 == upload.body_hash
    if place is Place.REQUEST_ANSWERED:
        assert engine.requests()[died - 1].sha256 == again.sha256
    status = status_of(integration)
    assert (status.unknown_outcomes, status.backlog, status.balanced) == (1, 0, True)


def test_an_event_that_ends_whoever_maps_it_leaves_a_trace(
    known, append, integration, monkeypatch
):
    append(a_sent_event(id="taken"))
    claim = take(known)

    def end(*_):
        raise SystemExit

    monkeypatch.setattr(map_upload, "map_upload", end)
    with pytest.raises(SystemExit):
        carry_out(claim)

    attempt = claim.upload.attempts.get()
    assert (attempt.outcome, attempt.ended_at) == ("", None)


def test_a_lease_that_was_lost_is_left_alone(known, append):
    append(a_sent_identify())
    claim = take(known)
    Upload.objects.filter(pk=claim.upload.pk).update(lease_token=2)

    carry_out(claim)

    upload, attempt = newest()
    assert (upload.state, upload.attempt_count, attempt.ended_at) == ("open", 1, None)


def test_a_fault_between_write_and_commit_goes_the_way_of_several_statements(
    known, append
):
    append(a_sent_event(id="waits"))
    failpoints.arm_failpoints(failpoints.parse_failpoints(["claim.written=raise@1000"]))

    assert take_next.take_next_range(known) is None


def test_an_answer_is_written_though_the_connection_that_waited_is_gone(
    known, append, integration, monkeypatch, settings
):
    """Also by a process that ends, which waits for no database that is away."""
    settings.DATABASE_POOL = 2
    append(a_sent_event(id="taken"))
    claim = take(known)
    end_connection_on_the_server()
    monkeypatch.setattr(stopping, "_stopping", Event())
    stopping._stopping.set()

    carry_out(claim)

    upload, attempt = newest()
    assert (upload.state, attempt.outcome) == ("settled", "ok")
    assert status_of(integration).balanced


def end_connection_on_the_server():
    pid = connection.connection.info.backend_pid
    other = connection.copy()
    other.inc_thread_sharing()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()
