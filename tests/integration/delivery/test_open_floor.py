"""What was open and is not any more costs a claim nothing, and nothing open is missed."""

from datetime import timedelta
from itertools import chain, repeat
from types import SimpleNamespace

import psycopg
import pytest
from django.db import connection, transaction

from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.sql import account_state, open_floor
from clevertap_sync.models import Integration, Upload
from clevertap_sync.process import clock, slots
from referrals import log
from tests.builders import an_account, an_integration
from tests.integration.delivery.conftest import begun
from tests.integration.plans import ask, make_tables_new

IS_POSTGRESQL = connection.vendor == "postgresql"
READ_AT_A_GLANCE = (
    *("clevertap_sync_account", "clevertap_sync_integration"),
    *("clevertap_sync_upload", "clevertap_sync_replay"),
    *("referrals_app", "referrals_customname", "referrals_suppression"),
    "referrals_referralevent",
)


@pytest.fixture(autouse=True)
def _a_hint_lasts(monkeypatch):
    """Let no hint be forgotten because the machine is slow."""
    monkeypatch.setattr(open_floor, "LOOK_AGAIN_SECONDS", 1e9)
    open_floor.clear_floors()


def opens_seen(integration):
    with transaction.atomic():
        seen = account_state.read_account_state(integration.pk, locks=True)
    (state,) = seen.integrations
    return state.first_open


@pytest.mark.django_db(transaction=True)
def test_an_open_upload_is_seen_however_many_were_settled_around_it(
    engine, integration, append, settings
):
    append(count=1)
    waits = claim_next(integration.pk).upload
    # On its way for so long that others need not wait for it.
    soon = clock.read_now() + timedelta(seconds=settings.LEASE_SECONDS / 2)
    Upload.objects.filter(pk=waits.pk).update(leased_until=soon)

    for number in range(5):
        append({**an_event(), "id": f"late-{number}"})
        deliver(integration.pk)

    assert Upload.objects.leaves().count() == 5
    assert opens_seen(integration) == waits.pk


def an_event():
    return {
        "id": "",
        "type": "app_open",
        "user": {"identities": {"email": "ann@example.com"}},
        "referrer": {"identities": {"email": "bob@example.com"}},
    }


@pytest.mark.django_db(transaction=True)
def test_an_upload_that_another_process_opened_is_seen(
    engine, integration, append, monkeypatch
):
    append(count=1)
    deliver(integration.pk)
    assert opens_seen(integration) is None
    mine = dict(open_floor.read_floors(integration.account_id))
    assert mine == {integration.pk: Upload.objects.get().pk}

    # Another process knows nothing of this one's floor, nor this one of its upload.
    append({**an_event(), "id": "other"})
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(open_floor, "_accounts", {})
        other, _, _ = begun(integration)

    assert opens_seen(integration) == other.upload.pk


@pytest.mark.django_db(transaction=True)
def test_a_glance_without_the_lock_teaches_no_floor(engine, integration, append):
    append(count=1)
    claim_next(integration.pk)
    open_floor.clear_floors()

    glance = account_state.read_account_state(integration.pk, locks=False)

    # A claim that is not committed yet may have a lower ID than what a glance sees.
    assert glance.integrations[0].first_open is not None
    assert open_floor.read_floors(integration.account_id) == {}


@pytest.mark.django_db(transaction=True)
def test_parts_lie_above_the_floor(engine, integration, append):
    engine.poison(identity="user-2@")
    append(count=3)
    open_floor.clear_floors()

    deliver(integration.pk)

    assert opens_seen(integration) is None
    floor = open_floor.read_floors(integration.account_id)[integration.pk]
    assert floor <= Upload.objects.order_by("pk").last().pk


@pytest.mark.django_db(transaction=True)
def test_the_hint_is_forgotten_after_a_while(engine, integration, append, monkeypatch):
    append(count=1)
    deliver(integration.pk)
    assert open_floor.read_floors(integration.account_id)

    monkeypatch.setattr(open_floor, "LOOK_AGAIN_SECONDS", 0.0)
    open_floor.clear_floors()
    append({**an_event(), "id": "later"})
    deliver(integration.pk)

    assert open_floor.read_floors(integration.account_id) == {}


@pytest.fixture
def new_tables(transactional_db):
    """Tables without a row, alive or dead, of other tests, and without statistics of such.

    A glance that is planned by what another test left may read whole tables.
    """
    make_tables_new(*READ_AT_A_GLANCE)


@pytest.mark.skipif(not IS_POSTGRESQL, reason="SQLite keeps no dead versions")
@pytest.mark.parametrize("is_analyzed", [False, True])
@pytest.mark.usefixtures("new_tables")
def test_a_transaction_that_stays_open_makes_claims_no_slower(engine, is_analyzed):
    integration = an_integration()
    kept = {"host", "port", "dbname", "user", "password"}
    address = connection.get_connection_params()
    with psycopg.connect(**{k: v for k, v in address.items() if k in kept}) as other:
        other.execute("SELECT txid_current()")
        leave_dead_versions(integration, 2_000)
        # Few: each leaves a version of the integration's row, and perhaps a page, as well.
        for number in range(3):
            log.append(integration.app, [{**an_event(), "id": f"e{number}"}])
            deliver(integration.pk)
            slots.clear_slots()

        if is_analyzed:  # as PostgreSQL does by itself, whenever it likes
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE clevertap_sync_upload")
        with_floor = count_pages_of_a_glance(integration)
        open_floor.clear_floors()
        without = count_pages_of_a_glance(integration)

    assert sum(with_floor.values()) <= 40, with_floor
    uploads = "clevertap_sync_upload"
    assert with_floor.pop(uploads) <= 6
    assert without.pop(uploads) >= 40
    assert without == with_floor


def leave_dead_versions(integration, count):
    """Let the index of open uploads have so many that are open no more."""
    now = clock.read_now()
    opened = Upload.objects.bulk_create(
        Upload(
            integration=integration,
            **dict.fromkeys(("first", "last", "records", "delivered"), 1),
            **dict.fromkeys(("created_at", "due_at"), now),
            settings={},
        )
        for _ in range(count)
    )
    made = Upload.objects.filter(pk__in=[upload.pk for upload in opened])
    made.update(state=Upload.State.SETTLED, settled_at=now)


def count_pages_of_a_glance(integration):
    """Return table → pages of it and its indexes that a glance reads, once it is planned."""
    account_state.read_account_state(integration.pk, locks=False)
    before = count_pages()
    account_state.read_account_state(integration.pk, locks=False)
    return {table: pages - before[table] for table, pages in count_pages().items()}


def count_pages():
    """Return table → pages of it and its indexes that were read so far, by anybody."""
    ask("SELECT pg_stat_force_next_flush()")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit"
            " FROM pg_statio_user_tables WHERE relname = ANY(%s)",
            [list(READ_AT_A_GLANCE)],
        )
        return dict(cursor.fetchall())


@pytest.mark.django_db
@pytest.mark.parametrize("reads", range(4))
def test_floors_that_are_forgotten_while_a_claim_asks_with_them_fail_no_claim(
    engine, integration, append, monkeypatch, reads
):
    append(count=1)
    assert claim_next(integration.pk)
    assert opens_seen(integration)
    # By this clock, they are too old from one of the looks at it on.
    ticks = chain(repeat(0.0, reads), repeat(1e10))
    clock_of_floors = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr(open_floor, "time", clock_of_floors)

    seen = account_state.read_account_state(integration.pk, locks=False)

    assert [each.in_flight for each in seen.integrations] == [1]


@pytest.mark.skipif(IS_POSTGRESQL, reason="PostgreSQL answers by one call")
@pytest.mark.django_db
def test_an_integration_that_moves_while_a_glance_asks_about_it_has_no_state(
    integration,
):
    other = an_account(account_id="TWO-TWO-TWOZ")

    def move(execute, *asked):
        found = execute(*asked)
        moved.pop()(account=other) if moved else None
        return found

    moved = [Integration.objects.filter(pk=integration.pk).update]
    with connection.execute_wrapper(move):
        seen = account_state.read_account_state(integration.pk, locks=False)

    assert seen is None
