"""A look-up of a thousand identities costs a thousand look-ups, whatever is known already.

Until PostgreSQL has gathered statistics about a table, every index that begins with the
app looks as good to it as the one that also names the identity.
"""

import re
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.process import clock
from referrals.models import KnownIdentity, KnownPerson
from referrals.people import tables
from tests.integration.people.steps import a_learning_app
from tests.integration.plans import make_tables_new

pytestmark = pytest.mark.django_db

MANY = 400
LOOKED_UP = ("referrals_knownidentity", "referrals_knownperson")


@pytest.fixture
def app():
    """An app that has just learned of many people, about whom nothing was analysed yet."""
    if connection.vendor == "postgresql":
        make_tables_new(*LOOKED_UP)
    app, now = a_learning_app(), clock.read_now()
    KnownIdentity.objects.bulk_create(
        KnownIdentity(
            app=app, hash=f"{n:032x}", provider="email", person=n, seen_at=now
        )
        for n in range(MANY)
    )
    KnownPerson.objects.bulk_create(
        KnownPerson(app=app, number=n, keys={}, size=1, seen_at=now)
        for n in range(MANY)
    )
    return app


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's planner")
@pytest.mark.parametrize(
    ("look_up", "index"),
    [
        (
            lambda app: tables.read_identities(app.pk, "hash", [f"{7:032x}"]),
            "referrals_knownidentity_pkey",
        ),
        (
            lambda app: tables.read_identities(app.pk, "person", [7]),
            "identities_of_a_person",
        ),
        (lambda app: tables.read_people(app.pk, [7]), "referrals_knownperson_pkey"),
        (
            lambda app: tables.read_owners(
                app.pk, [f"{7:032x}"], "email", test=False, dated=True
            ),
            "referrals_knownidentity_pkey",
        ),
    ],
    ids=["an identity", "those of a person", "a person", "whose an identity is"],
)
def test_without_statistics_too_a_look_up_goes_by_its_own_index(app, look_up, index):
    used = find_indexes(lambda: look_up(app))

    assert set(used) <= {index, "referrals_knownperson_pkey"}
    assert index in used


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's planner")
@pytest.mark.parametrize("dated", [False, True])
def test_whose_an_identity_is_takes_two_rows_and_since_when_a_third(app, dated):
    hashes = [f"{7:032x}"]
    used = find_indexes(
        lambda: tables.read_owners(app.pk, hashes, "phone", test=False, dated=dated)
    )

    assert used == {
        "referrals_knownidentity_pkey": 1 + dated,
        "referrals_knownperson_pkey": 1,
    }


def find_indexes(look_up):
    """Return the indexes of known people that a look-up of one goes by, and how often."""
    with CaptureQueriesContext(connection) as statements:
        assert len(look_up()) == 1
    with connection.cursor() as cursor:
        # Of so few rows a scan is as good, once something has analysed the table, and so is
        # a bitmap of the same index.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {statements[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    return Counter(re.findall(r"using (\w+) on referrals_known(?:ident|person)", plan))
