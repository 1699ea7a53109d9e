"""A plan of the database's functions stays: one of small tables reads no large one whole."""

import pytest
from django.db import connection, transaction

from clevertap_sync.delivery.sql import account_state, upload_functions
from clevertap_sync.delivery.sql.upload_functions import (
    LeasedUpload,
    NewUpload,
    SettledUpload,
)
from clevertap_sync.delivery.work import KnownIntegration
from clevertap_sync.models import Attempt, Integration, Replay, Upload
from referrals import log
from referrals.models import CustomName, Suppression
from tests.builders import NOON, a_sent_event, an_account, an_integration
from tests.integration.plans import ask, make_tables_new

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has no such functions"
    ),
]
EVENTS, SUPPRESSIONS = "referrals_referralevent", "referrals_suppression"
#: What differs from one copy of a table's row to the next, as SQL of its number and owner.
COPIES = {
    "clevertap_sync_upload": "'id', id + n, 'integration_id', owner, 'first', n",
    "clevertap_sync_attempt": "'id', id + n, 'integration_id', owner",
    "clevertap_sync_replay": "'id', id + n, 'integration_id', owner",
    EVENTS: "'app_id', app, 'position', n, 'key', 'k' || n",
    SUPPRESSIONS: "'id', id + n, 'app_id', app, 'identity_hash', md5(n::text)",
    "referrals_customname": (
        "'id', id + n, 'app_id', app, 'number', n, 'normalised', 'name' || n"
    ),
}
GROWTH = 1_000


@pytest.mark.parametrize("size", [0, 80, 200])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_plan_of_small_tables_reads_no_large_one_whole(size, is_known):
    mine, other = an_integration(), an_integration(account=an_account(account_id="B"))
    samples = take_samples(mine)
    fill(samples, [mine, other], 1, size)
    if is_known:
        ask(f"VACUUM ANALYZE {', '.join(COPIES)}")
    connection.close()
    log.append(mine.app, [a_sent_event(id="first"), a_sent_event(id="second")])
    upload_one(mine)
    upload_leased(mine)
    fill(samples, [mine, other], size + 3, size + GROWTH)
    log.append(mine.app, [a_sent_event(id=f"late-{number}") for number in range(10)])
    before = count_reads()

    for _ in range(5):
        upload_one(mine)
        upload_leased(mine)

    reads = {name: n - before.get(name, 0) for name, n in count_reads().items()}
    assert {name: n for name, n in reads.items() if n > GROWTH / 2} == {}


@pytest.mark.parametrize("size", [0, 80, 200])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_plan_of_small_tables_takes_from_no_large_one_as_a_whole(size, is_known):
    mine, other = an_integration(), an_integration(account=an_account(account_id="B"))
    samples = take_samples(mine)
    fill(samples, [mine, other], 1, size)
    if is_known:
        ask(f"VACUUM ANALYZE {', '.join(COPIES)}")
    connection.close()
    take_one(know(mine), "taken")
    fill(samples, [mine, other], size + 3, size + GROWTH)
    known = know(mine)
    before = count_reads()

    for number in range(5):
        take_one(known, f"later-{number}")

    reads = {name: n - before.get(name, 0) for name, n in count_reads().items()}
    assert {name: n for name, n in reads.items() if n > GROWTH / 2} == {}


@pytest.mark.parametrize("size", [0, 200])
def test_an_upload_is_settled_by_its_key(size):
    """The index of open uploads leads to all that were open once, while a transaction stays."""
    mine = an_integration()
    fill(take_samples(mine), [mine], 1, size)
    connection.close()
    log.append(mine.app, [a_sent_event(id="first")])
    begun = begin_one(mine)
    before = count_reads()

    settle(begun)

    reads = {name: n - before.get(name, 0) for name, n in count_reads().items()}
    found = {name: n for name, n in reads.items() if n}
    # Beside few integrations, theirs is as good a way to a key: one row of each of them.
    ways = {"newest_uploads"} & found.keys() or {"clevertap_sync_upload_pkey"}
    assert found == dict.fromkeys(("clevertap_sync_attempt_pkey", *ways), 1)


def take_samples(integration):
    """Return table → a row's JSON; and let the tables look as if they had just been made."""
    Upload.objects.create(
        integration=integration,
        state=Upload.State.SETTLED,
        settings={},
        first=1,
        last=1_000_000,
        created_at=NOON,
        due_at=NOON,
    )
    Attempt.objects.create(integration=integration, began_at=NOON, ended_at=NOON)
    Replay.objects.create(integration=integration, created_at=NOON, state="done")
    Suppression.objects.create(app=integration.app, identity_hash="0" * 32)
    CustomName.objects.create(app=integration.app, number=1, first_position=1)
    log.append(integration.app, [a_sent_event(id="sample")])
    samples = {table: ask(f"SELECT to_jsonb(t) FROM {table} AS t") for table in COPIES}
    make_tables_new(*COPIES)
    return samples


def fill(samples, integrations, first, last):
    """Store copies of the samples as each integration's; but only the last is suppressed for."""
    for integration in integrations:
        for table, changes in COPIES.items():
            if table == SUPPRESSIONS and integration is not integrations[-1]:
                continue
            ask(
                f"INSERT INTO {table} SELECT made.* FROM generate_series({first}, {last}) AS n,"
                " LATERAL (SELECT %s AS owner, %s AS app, %s AS id) AS given,"
                f" jsonb_populate_record(NULL::{table},"
                f" %s::jsonb || jsonb_build_object({changes})) AS made",
                [
                    *(integration.pk, integration.app_id, integration.pk * 100_000),
                    samples[table][0],
                ],
            )


def upload_one(integration):
    settle(begin_one(integration))


def upload_leased(integration):
    """Lease the integration's next event, then begin it, as a range of many is."""
    integration.refresh_from_db()
    position = integration.cursor + 1
    upload = Upload(
        integration=integration,
        first=position,
        last=position,
        settings={},
        created_at=NOON,
        due_at=NOON,
        lease_token=1,
    )
    with transaction.atomic():
        upload_functions.lease_range(upload)
    leased = LeasedUpload(
        records=1,
        unsent=0,
        shortened=0,
        body_hash="",
        body_changed=False,
        attempt_count=1,
        worker="",
        sent_records=1,
        body_bytes=1,
    )
    begun = upload_functions.begin_leased_upload(upload.pk, 1, leased)
    assert begun
    settled = SettledUpload(upload.pk, 1, 1, begun.attempt, 200, 1, 1)
    assert upload_functions.settle_upload(settled)


def know(integration):
    """Begin an upload of a new event, and return what the next may be taken by."""
    head = log.read_head(integration.app_id)
    Integration.objects.filter(pk=integration.pk).update(cursor=head)
    log.append(integration.app, [a_sent_event(id=f"begun-{head}")])
    begun = begin_one(integration)
    settle(begun)
    integration.refresh_from_db()
    return KnownIntegration(
        integration, begun.versions, "{}", 0, upload=Upload(), attempt=Attempt()
    )


def take_one(known, name):
    integration = known.integration
    log.append(integration.app, [a_sent_event(id=name)])
    taken = upload_functions.take_range(known, floor=0, most_events=20, worker="")
    assert len(taken.events) == 1
    settle(taken)
    known.versions.integration, integration.cursor = taken.version, taken.last


def begin_one(integration):
    """Look at the account, and begin an upload of its next event."""
    seen = account_state.read_account_state(integration.pk, locks=False, most_events=20)
    (state,) = seen.integrations
    position = state.cursor + 1
    new = NewUpload(
        first=position,
        last=position,
        settings={},
        body_hash="",
        records=1,
        unsent=0,
        shortened=0,
        lease_token=1,
        worker="",
        sent_records=1,
        body_bytes=1,
    )
    begun = upload_functions.begin_upload(integration.pk, seen.fingerprint, new)
    assert begun
    return begun


def settle(begun):
    settled = SettledUpload(begun.upload, 1, 1, begun.attempt, 200, 1, 1)
    assert upload_functions.settle_upload(settled)


def count_reads():
    """Return how many rows were read of each table as a whole, and by each index."""
    ask("SELECT pg_stat_force_next_flush()")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, seq_tup_read FROM pg_stat_user_tables UNION ALL"
            " SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes"
        )
        return dict(cursor.fetchall())
