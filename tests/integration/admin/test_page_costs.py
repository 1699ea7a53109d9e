"""What the pages cost: so many queries, an index for each, and no count of a big table.

A number here may fall. Where one has to rise, say what is bought for it.
"""

import re

import pytest
from django.db import connection

from clevertap_sync import insight
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.upkeep import tallies
from clevertap_sync.models import DeadLetter, Replay
from referrals import log
from referrals.identity import Identity
from tests.builders import a_sent_event, a_source, an_account, an_integration
from tests.integration.admin.conftest import text_of

EVENTS, UPLOADS, ATTEMPTS, LETTERS = BIG = (
    "referrals_referralevent",
    "clevertap_sync_upload",
    "clevertap_sync_attempt",
    "clevertap_sync_deadletter",
)
#: The most queries that each page may take. Two are the session and the person.
BUDGETS = {
    # Twenty-five of them are of everything at once: what findings are judged by.
    # What waits is counted by an index of its own.
    "": 42,
    # Three of these tell what became of the rows: integrations, uploads, dead letters.
    "events/": 9,
    "events/?type=app_open&channel=sms&status=valid&kind=production": 7,
    "events/?q=nobody": 7,
    "events/?outcome=not_delivered": 9,
    "events/?before=5": 9,
    "events/?after=5": 9,
    # One of these finds what had waited for what the event says.
    "events/shop/1/": 12,
    "events/shop/11/": 12,
    "ingest/": 6,
    # Twenty-one of them are what findings are judged by, for all integrations at once.
    "problems/": 27,
    "problems/{integration}/no_identity/replay/": 12,
    "clevertap_sync/upload/": 5,
    "clevertap_sync/upload/?before=5": 5,
    "clevertap_sync/upload/?state__exact=open": 5,
    "clevertap_sync/upload/?integration__id__exact={integration}": 5,
    "clevertap_sync/upload/?q=1": 5,
    "clevertap_sync/upload/{upload}/change/": 8,
    "clevertap_sync/attempt/": 5,
    "clevertap_sync/attempt/?dry_run__exact=1": 5,
    "clevertap_sync/attempt/?q=1": 5,
    "clevertap_sync/attempt/{attempt}/change/": 7,
    "clevertap_sync/deadletter/": 5,
    "clevertap_sync/deadletter/?reason=no_identity&state__exact=open": 5,
    "clevertap_sync/deadletter/{letter}/change/": 9,
    # Everything that the doctor looks at; of the books the newest, as on the overview.
    "machinery/": 61,
    "clevertap_sync/replay/": 6,
    "clevertap_sync/replay/{replay}/change/": 8,
    "clevertap_sync/integration/": 6,
    # Three of these read what came in by all sources of the page at once.
    "referrals/source/": 8,
    "referrals/source/add/": 2,
    "referrals/source/add/?platform=branch": 5,
    "referrals/source/{source}/change/": 10,
    "referrals/source/{source}/connect/": 8,
    "referrals/erasurerequest/": 5,
    "referrals/erasurerequest/{erasure}/change/": 7,
    # The fourth tells whether there is but one app, which is chosen then.
    "referrals/erasurerequest/erase/": 4,
}


@pytest.fixture
def places(admin, delivered):
    """What the addresses of the pages name."""
    admin.post(f"/admin/problems/{delivered.pk}/no_identity/replay/")
    deliver(delivered.pk)
    return {
        "integration": delivered.pk,
        "upload": delivered.uploads.first().pk,
        "attempt": delivered.attempts.first().pk,
        "letter": DeadLetter.objects.first().pk,
        "replay": Replay.objects.get().pk,
        "source": a_source(delivered.app, "branch").pk,
        "erasure": erasure_orders.order_erasure(
            delivered.app, [Identity("email", "a@b.example")]
        ).pk,
    }


def statements_of(admin, page):
    """Return the statements of one page, and what their parameters are."""
    statements = []

    def note(execute, sql, params, many, context):
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        response = admin.get(f"/admin/{page}")
    assert response.status_code == 200, page
    return [(sql, params) for sql, params in statements if sql.startswith("SELECT")]


def test_every_page_stays_within_its_budget_and_counts_and_scans_no_big_table(
    admin, places
):
    faults = {}
    for page, budget in BUDGETS.items():
        statements = statements_of(admin, page.format(**places))
        found = [f"{len(statements)} queries"] if len(statements) > budget else []
        found += [f"counts: {sql}" for sql, _ in statements if counts_a_big_table(sql)]
        found += scans_of_big_tables(statements)
        if found:
            faults[page] = found

    assert faults == {}


def counts_a_big_table(sql):
    if "COUNT(" not in sql:
        return False
    if re.search(f'FROM "({EVENTS}|{UPLOADS})"', sql):
        return True
    # Those that an index of their own lists: unknown outcomes, letters by state.
    is_listed = '"outcome_unknown"' in sql or '"state" = ' in sql
    return bool(
        re.search(f'FROM "({ATTEMPTS}|{LETTERS})"', sql)
        and not ('"integration_id"' in sql and is_listed)
    )


def scans_of_big_tables(statements):
    """Return the statements for which PostgreSQL reads the whole of a big table."""
    if connection.vendor != "postgresql":
        return []
    found = []
    with connection.cursor() as cursor:
        # Small tables are always scanned; this way only where no index serves.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql, params in statements:
            if re.search(rf"\b({'|'.join(BIG)})\b", sql):
                cursor.execute(f"EXPLAIN {sql}", params)
                plan = "\n".join(line for (line,) in cursor.fetchall())
                if re.search(rf"Seq Scan on ({'|'.join(BIG)})", plan):
                    found.append(f"scans: {sql}\n{plan}")
        cursor.execute("SET LOCAL enable_seqscan = on")
    return found


def test_further_integrations_cost_lists_no_query_each(admin, places, delivered):
    pages = ["clevertap_sync/upload/", "clevertap_sync/integration/", "problems/"]
    log.append(delivered.app, [a_sent_event()])
    before = [len(statements_of(admin, page)) for page in pages]
    for n in range(3):
        other = an_integration(account=an_account(account_id=f"TWO-TWO-TW{n}Z"))
        log.append(other.app, [a_sent_event()])

    assert [len(statements_of(admin, page)) for page in pages] == before


def test_the_overview_agrees_with_delivery_status_however_much_was_tallied(
    admin, delivered, places
):
    def tiles():
        page = text_of(admin.get("/admin/"))
        found = re.findall(r"<dt>([^<]+)</dt><dd>(?:<a[^>]*>)?([^<]+)<", page)
        return {name: value for name, value in found if name != "95 % within"}

    before = tiles()
    tallies.add_up_tallies(worthwhile=1)

    status = insight.read_statuses()[0]
    assert tiles() == before
    assert status.balanced
    assert before["Records delivered"] == str(status.delivered)
