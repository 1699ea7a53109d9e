"""What a thousand events cost: statements and rows, which times on a busy machine hide.

A number here may fall. Where one has to rise, say what is bought for it.
"""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.delivery import map_upload
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.send import begin_attempt, send_upload
from clevertap_sync.delivery.settle import settle_result
from clevertap_sync.delivery.work import Claim
from clevertap_sync.models import Attempt, DeadLetter, Upload
from clevertap_sync.process import clock, slots
from referrals import log
from referrals.models import CustomName, ReferralEvent
from tests.builders import (
    a_sent_custom_event,
    a_sent_event,
    an_app,
    an_integration,
)
from tests.integration.statements import counted

pytestmark = pytest.mark.django_db(transaction=True)

IS_POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture
def integration(settings, sandbox):
    slots.clear_slots()
    settings.REDIS_URL = ""
    yield an_integration()
    slots.clear_slots()


def append(integration, count):
    return log.append(integration.app, [a_sent_event() for _ in range(count)])


@pytest.mark.parametrize("count", [1, 10, 1_000])
def test_append_takes_as_many_statements_for_a_thousand_events_as_for_one(count):
    app = an_app()
    events = [a_sent_event() for _ in range(count)]

    with counted() as statements:
        log.append(app, events)

    # On PostgreSQL the lock with the look-up, and a COPY, which Django does not see; on
    # SQLite the head, the look-up, the insert.
    assert len(statements) <= (1 if IS_POSTGRESQL else 3), statements


def test_custom_names_that_are_known_cost_one_statement():
    app = an_app()
    log.append(app, [a_sent_custom_event(f"Level {n}") for n in range(20)])
    with counted() as without:
        log.append(app, [a_sent_event() for _ in range(100)])
    events = [a_sent_custom_event(f"Level {n % 20}") for n in range(100)]

    with counted() as statements:
        log.append(app, events)

    assert len(statements) == len(without) + 1
    assert CustomName.objects.count() == 20


def test_fraud_signals_cost_two_statements():
    app = an_app()
    user = {"identities": {"email": "ann@example.com"}, "device_id": "device-1"}
    user |= {"advertising_id": "advertising-1", "ip": "198.51.100.7"}
    events = [a_sent_event(user=user) for _ in range(100)]
    with counted() as without:
        log.append(app, [a_sent_event() for _ in range(100)])

    with counted() as statements:
        log.append(app, events)

    assert len(statements) == len(without) + 2


def test_events_that_are_there_already_are_only_looked_up():
    app = an_app()
    events = [a_sent_event() for _ in range(100)]
    log.append(app, events)

    with counted() as statements:
        log.append(app, events)

    assert len(statements) == (1 if IS_POSTGRESQL else 2), statements
    assert log.read_head(app.pk) == ReferralEvent.objects.count() == 100


# What a claim decides by is five statements, which are one message on PostgreSQL. SQLite
# has no round trip to save.
READS = 1 if IS_POSTGRESQL else 5


@pytest.mark.parametrize("count", [1, 500, 1_200])
def test_a_claim_takes_the_same_statements_whatever_waits(integration, count):
    claim_next(integration.pk)  # this process learns which account it is
    append(integration, count)

    with counted() as statements:
        work = claim_next(integration.pk)

    assert work is not None
    # And the integration's update with the upload's insert, which are one statement on
    # PostgreSQL.
    assert len(statements) <= READS + (1 if IS_POSTGRESQL else 2), statements


@pytest.mark.parametrize("glances", [False, True])
def test_a_claim_that_finds_nothing_reads_once_and_writes_nothing(integration, glances):
    claim_next(integration.pk)

    with counted() as statements:
        work = claim_next(integration.pk, glances=glances)

    assert work is None
    assert len(statements) == READS, statements
    assert all(sql.strip().startswith("SELECT") for sql in statements)


def test_a_partial_range_that_has_to_wait_costs_no_more_than_nothing(integration):
    claim_next(integration.pk)
    append(integration, 1)
    claim_next(integration.pk)
    keep_fresh()
    append(integration, 1)

    with counted() as statements:
        work = claim_next(integration.pk)

    assert work is None
    assert len(statements) <= READS, statements


def keep_fresh():
    """Let the uploads be on their way for less than a moment, however long it takes."""
    Upload.objects.update(leased_until=clock.read_now() + timedelta(days=1))


def test_reading_beginning_and_settling_take_a_statement_each(integration):
    append(integration, 500)
    claim = claim_next(integration.pk)
    assert isinstance(claim, Claim)

    with counted() as read:
        mapped = map_upload.map_upload(claim)
    with CaptureQueriesContext(connection) as begun:
        sending = begin_attempt(claim, mapped)
    outcome = send_upload(claim.integration, sending, mapped.encoded_records())
    with CaptureQueriesContext(connection) as settled:
        settle_result(claim, mapped, sending, outcome, outcome.result)

    assert len(read) <= 1, read
    # Without BEGIN and COMMIT. SQLite takes them, and one for each row that is written.
    assert len(begun) <= (1 if IS_POSTGRESQL else 4), begun.captured_queries
    assert len(settled) <= (1 if IS_POSTGRESQL else 4), settled.captured_queries
    assert Upload.objects.get().delivered == 1_000


def test_an_event_alone_takes_six_statements(
    integration,
):
    claim_next(integration.pk)
    append(integration, 1)

    with counted() as statements:
        deliver(integration.pk)

    # Claim, read, begin, settle; and the look for more.
    assert len(statements) == (6 if IS_POSTGRESQL else 17), statements
    assert Upload.objects.get().delivered == 2


def test_a_process_that_has_delivered_takes_a_statement_to_look_begin_settle_and_look(
    integration,
):
    append(integration, 1)
    deliver(integration.pk)
    append(integration, 1)

    with counted() as statements:
        deliver(integration.pk)

    # On SQLite: state and events; the state again, three rows; two rows; and the state.
    assert len(statements) == (4 if IS_POSTGRESQL else 21), statements
    upload = Upload.objects.latest("pk")
    assert (upload.delivered, upload.attempt_count, upload.idle_claims) == (2, 1, 0)
    assert Attempt.objects.get(upload=upload).outcome == "ok"


def test_a_thousand_events_cost_a_row_each_and_four_for_their_delivery(integration):
    append(integration, 1_000)

    with counted() as statements:
        deliver(integration.pk)

    assert ReferralEvent.objects.count() == 1_000
    assert (Upload.objects.count(), Attempt.objects.count()) == (2, 2)
    assert not DeadLetter.objects.exists()
    written = re.findall('INSERT INTO|UPDATE "?clevertap', " ".join(statements))
    # Each upload: insert it and update the integration; begin and settle write upload
    # and attempt.
    functions = "clevertap_sync_(?:upload_lease|attempt_begin|upload_settle)_[12]"
    called = re.findall(functions, " ".join(statements))
    assert len(written) + 2 * len(called) == 2 * 6, statements
    assert not re.search(
        '(INTO|UPDATE) "?referrals_referralevent', " ".join(statements)
    )


@pytest.mark.skipif(not IS_POSTGRESQL, reason="SQLite tells no table's size")
def test_a_thousand_events_take_half_a_megabyte_with_their_indexes(integration):
    compact("referrals_referralevent")
    append(integration, 1_000)
    empty = size_of("referrals_referralevent")

    for _ in range(4):
        append(integration, 1_000)

    assert size_of("referrals_referralevent") - empty < 4 * 500_000


@pytest.mark.skipif(not IS_POSTGRESQL, reason="SQLite tells no table's size")
def test_delivering_ten_thousand_records_takes_a_few_pages(integration):
    compact("clevertap_sync_upload", "clevertap_sync_attempt")
    # The first ones also take the first pages of tables and indexes.
    append(integration, 5_000)
    deliver(integration.pk)
    before = size_of("clevertap_sync_upload"), size_of("clevertap_sync_attempt")

    append(integration, 5_000)
    deliver(integration.pk)

    after = size_of("clevertap_sync_upload"), size_of("clevertap_sync_attempt")
    assert Upload.objects.leaves().count() == 20
    assert sum(after) - sum(before) <= 6 * 8192


def compact(*tables):
    """Take from the tables what rows of other tests have left in their files."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"VACUUM FULL {table}")


def size_of(table):
    """Return a table's bytes, with those of its indexes and of what is stored beside it.

    Without the maps of free and visible pages, which come with the first vacuum: the
    server's own may come at any moment.
    """
    query = """
        WITH stored(relation) AS (
            SELECT %s::regclass::oid UNION ALL
            SELECT reltoastrelid FROM pg_class
            WHERE oid = %s::regclass AND reltoastrelid <> 0
        )
        SELECT sum(pg_relation_size(relation)) FROM (
            SELECT relation FROM stored UNION ALL
            SELECT indexrelid FROM pg_index JOIN stored ON indrelid = relation
        ) AS all_of_it
    """
    with connection.cursor() as cursor:
        cursor.execute(query, [table, table])
        return int(cursor.fetchone()[0])
