"""Causes planted in CleverTap's stand-in, from end to end: named, with the right numbers.

A week is appended, delivered and compared by the command as everywhere; each cause is planted
by a switch of the sandbox. What the command has to print comes from the records alone.
"""

from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import combinations

import pytest
from django.db import transaction

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.causes.codes import ORDER
from tests.builders import an_integration
from tests.integration.reconciliation.comparing.conftest import (  # noqa: F401 - fixtures
    PRESENT,
    now,
    pauses,
    sandbox,
)
from tests.integration.reconciliation.planting.account import (
    COUPON,
    DAYS,
    GIVEN,
    INSTALL,
    INVITED,
    NAMES,
    PlantedAccount,
)
from tests.integration.reconciliation.planting.plants import (
    PLANTS,
    discard_later,
    reset_account,
    start_of,
)
from tests.unit.causes.simulator import HOUR

pytestmark = pytest.mark.django_db

#: What only changes how CleverTap reads back: of one delivery, all can be shown.
OF_READING = (
    codes.OTHER_TIME_ZONE,
    codes.COUNTS_PEOPLE,
    codes.NOT_PROCESSED_YET,
    codes.DATA_RETENTION,
    codes.PROFILES_DELETED,
)
OF_STORING = [code for code in PLANTS if code not in OF_READING]


@pytest.fixture
def account(sandbox, now):
    """An account that is compared since the first of the seven days."""
    since = datetime.fromtimestamp(start_of(DAYS[0]), UTC)
    integration = an_integration(reconciles=True, counts_since=since)
    return PlantedAccount(sandbox, integration, PRESENT)


def plant(account, *places):
    """Plant each (plant, name), deliver, and do what follows."""
    then = [each(account, name) for each, name in places]
    account.deliver()
    for each in filter(None, then):
        each()


def expected_rows(account):
    """Return what the command has to print of each name and day, but for its sentence."""
    ours, theirs = account.truth.count_ours(), account.truth.count_theirs()
    causes = account.truth.expected()
    return {
        (name, day): {
            "integration": "default",
            "name": name,
            "day": day.isoformat(),
            "delivered": ours[name, day],
            "counted": theirs[name, day],
            "difference": theirs[name, day] - ours[name, day],
            "cause": spell(causes.get((name, day), ())),
        }
        for name in NAMES
        for day in DAYS
    }


def spell(causes):
    return ", ".join(code for code in ORDER if code in causes) or None


def assert_named(account):
    """Compare; the command names what was planted, with its numbers, and nothing else."""
    rows = account.compare()
    sentences = {key: row.pop("sentence") for key, row in rows.items()}
    assert rows == expected_rows(account)
    assert account.causes() == account.truth.expected()
    for key, causes in account.truth.expected().items():
        for size in causes.values():
            assert f" {abs(size)} record" in sentences[key]


def assert_nothing_else_named(account, *planted):
    """Compare; where two causes cannot be told apart, no third one is named."""
    rows = account.compare()
    numbers = ("delivered", "counted", "difference")
    for key, row in expected_rows(account).items():
        assert [rows[key][each] for each in numbers] == [row[each] for each in numbers]
    assert {code for causes in account.causes().values() for code in causes} <= {
        *planted
    }


@contextmanager
def rolled_back(account):
    """Undo afterwards what was compared and planted, but for what was delivered."""
    point = transaction.savepoint()
    yield
    transaction.savepoint_rollback(point)
    account.forget_plants()


def test_a_clean_week_is_equal_for_a_handful_of_questions(account):
    plant(account)

    assert_named(account)

    assert account.truth.expected() == {}
    asked = 1 + len(DAYS) + len(NAMES) - 1
    assert account.requests() == asked, "schema, days of the largest, others' weeks"


def test_a_cause_that_only_reading_has_is_named_with_its_numbers(account):
    account.deliver()
    for code in OF_READING:
        with rolled_back(account):
            PLANTS[code](account, INSTALL)()
            assert codes_of(account.truth.expected()) == {code}
            assert_named(account)


@pytest.mark.parametrize("code", OF_STORING)
def test_a_cause_is_named_with_its_numbers(account, code):
    plant(account, (PLANTS[code], place(code)))

    assert codes_of(account.truth.expected()) == {code}
    assert_named(account)


@pytest.mark.parametrize("planted", [discard_later, reset_account])
def test_what_begins_within_the_week_is_named_with_its_numbers(account, planted):
    plant(account, (planted, INSTALL))

    assert_named(account)


def test_counts_that_come_late_have_no_other_cause(account):
    account.deliver()
    for hours in (1, 5, 30):
        with rolled_back(account):
            account.switch(counts_visible_after=0.1, visible_jitter=hours * HOUR)

            account.compare()

            assert codes_of(account.causes()) <= {codes.NOT_PROCESSED_YET}


@pytest.mark.thorough
@pytest.mark.parametrize("form", [{"counts": "rounded"}, {"counts": "sampled"}])
def test_counts_that_are_not_exact_have_no_cause(account, form):
    account.multiply(6)
    account.switch(sample_above=100, **form)
    account.deliver()

    rows = account.compare()

    assert any(row["difference"] for row in rows.values())
    assert account.causes() == {}


def codes_of(causes):
    return {code for each in causes.values() for code in each}


def place(code, *, is_second=False):
    """Return the name in which a cause is planted: types are those of a custom event."""
    if code == codes.PROPERTY_TYPE:
        return GIVEN if is_second else COUPON
    return INVITED if is_second else INSTALL


#: The schema has room, or it has not.
IMPOSSIBLE = {(codes.EVENT_TYPES_FULL, codes.NAME_UNKNOWN)}
#: Where both touch the same cells, one of them hides the other: then it stays unexplained.
HIDDEN = [
    (codes.OTHER_TIME_ZONE, codes.COUNTS_PEOPLE),
    (codes.COUNTS_PEOPLE, codes.SCHEMA_PUBLISHED),
    (codes.COUNTS_PEOPLE, codes.ACCOUNT_EMPTY),
    (codes.COUNTS_PEOPLE, codes.PROFILES_DELETED),
    (codes.COUNTS_PEOPLE, codes.PROPERTY_MISSING),
    (codes.COUNTS_PEOPLE, codes.PROPERTY_TYPE),
    (codes.SCHEMA_PUBLISHED, codes.ACCOUNT_EMPTY),
    (codes.ACCOUNT_EMPTY, codes.PROFILES_DELETED),
    (codes.ACCOUNT_EMPTY, codes.PROPERTY_MISSING),
    (codes.ACCOUNT_EMPTY, codes.PROPERTY_TYPE),
    (codes.PROFILES_DELETED, codes.MAYBE_REFUSED),
    (codes.PROFILES_DELETED, codes.SENT_TWICE),
    (codes.MAYBE_REFUSED, codes.SENT_TWICE),
]
#: The second leaves no trace in the counts: nothing has to be found of it.
TRACELESS = {
    (codes.COUNTS_PEOPLE, codes.MAYBE_REFUSED),
    (codes.COUNTS_PEOPLE, codes.SENT_TWICE),
    (codes.ACCOUNT_EMPTY, codes.NOT_PROCESSED_YET),
}
PAIRS = [
    pair for pair in combinations(PLANTS, 2) if pair not in IMPOSSIBLE | set(HIDDEN)
]


@pytest.mark.thorough
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_causes_of_two_names_are_named_with_their_numbers(account, one, other):
    plant(
        account,
        (PLANTS[one], place(one)),
        (PLANTS[other], place(other, is_second=True)),
    )

    traces = {one} if (one, other) in TRACELESS else {one, other}
    assert codes_of(account.truth.expected()) == traces
    assert_named(account)


#: What may befall the same records, and can be told apart: none takes a whole day.
OF_ONE_NAME = [
    *((INSTALL, codes.OTHER_TIME_ZONE, other) for other in (
        codes.PROFILES_DELETED, codes.PROPERTY_MISSING, codes.MAYBE_REFUSED,
        codes.SENT_TWICE, codes.OTHER_SENDER,
    )),
    (COUPON, codes.OTHER_TIME_ZONE, codes.PROPERTY_TYPE),
    (INSTALL, codes.PROFILES_DELETED, codes.OTHER_SENDER),
    (INSTALL, codes.PROPERTY_MISSING, codes.SENT_TWICE),
    (COUPON, codes.PROPERTY_TYPE, codes.SENT_TWICE),
    (COUPON, codes.PROPERTY_TYPE, codes.OTHER_SENDER),
    (INSTALL, codes.PROPERTY_MISSING, codes.MAYBE_REFUSED),
    (INSTALL, codes.MAYBE_REFUSED, codes.OTHER_SENDER),
    (INSTALL, codes.SENT_TWICE, codes.OTHER_SENDER),
]  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "one", "other"), OF_ONE_NAME)
def test_two_causes_of_one_name_are_named_with_their_numbers(account, name, one, other):
    plant(account, (PLANTS[one], name), (PLANTS[other], name))

    assert codes_of(account.truth.expected()) == {one, other}
    assert_named(account)


#: Both take some of the same records, or nothing tells what each of them took.
OVERLAPPING = [
    (INSTALL, codes.PROFILES_DELETED, codes.PROPERTY_MISSING),
    (INSTALL, codes.PROFILES_DELETED, codes.MAYBE_REFUSED),
    (INSTALL, codes.PROFILES_DELETED, codes.SENT_TWICE),
    (INSTALL, codes.MAYBE_REFUSED, codes.SENT_TWICE),
    (COUPON, codes.PROFILES_DELETED, codes.PROPERTY_TYPE),
    (COUPON, codes.PROPERTY_TYPE, codes.MAYBE_REFUSED),
    (COUPON, codes.PROFILES_DELETED, codes.OTHER_SENDER),
    (COUPON, codes.MAYBE_REFUSED, codes.OTHER_SENDER),
    (COUPON, codes.SENT_TWICE, codes.OTHER_SENDER),
]


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "one", "other"), OVERLAPPING)
def test_what_overlaps_is_never_taken_for_something_else(account, name, one, other):
    plant(account, (PLANTS[one], name), (PLANTS[other], name))

    assert_nothing_else_named(account, one, other)


@pytest.mark.thorough
@pytest.mark.parametrize(("one", "other"), HIDDEN)
def test_what_is_hidden_is_unexplained_and_never_something_else(account, one, other):
    plant(
        account,
        (PLANTS[one], place(one)),
        (PLANTS[other], place(other, is_second=True)),
    )

    assert_nothing_else_named(account, one, other)
