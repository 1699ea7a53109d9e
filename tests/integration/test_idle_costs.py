"""What it costs to look while nothing happens: statements, whatever number of integrations.

A number here may fall. Where one has to rise, say what is bought for it.
"""

import pytest
from django.db import connection

from clevertap_sync import insight
from clevertap_sync.worker.background_jobs import BackgroundJobs
from referrals import log
from tests.builders import a_sent_event, an_account, an_integration
from tests.integration.background import AtOnce
from tests.integration.statements import counted

pytestmark = pytest.mark.django_db

IS_POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture(params=[1, 30])
def integrations(request, settings):
    """One integration, or thirty, each with an event of its app that waits."""
    settings.REDIS_URL = ""
    made = [
        an_integration(account=an_account(account_id=f"AAA-{number:03d}-AAAZ"))
        for number in range(request.param)
    ]
    for each in made:
        log.append(each.app, [a_sent_event()])
    return made


def test_a_status_with_all_books_takes_the_same_statements_for_thirty(integrations):
    with counted() as statements, insight.read_in_snapshot():
        found = insight.read_status_of_each(integrations)

    assert [(each.backlog, each.balanced) for each in found] == [(1, True)] * len(found)
    # The clock, which only PostgreSQL has to be asked for; the numbers, the letters, the
    # unknown outcomes, the ended waits and when the oldest events came; three for the books.
    assert len(statements) == (9 if IS_POSTGRESQL else 8), statements


def test_the_statuses_with_all_findings_take_the_same_statements_for_thirty(
    integrations,
):
    with counted() as statements:
        insight.read_statuses()

    assert len(statements) <= 30, statements


class Pool:
    """Notes what it is asked to carry out."""

    def __init__(self):
        self.jobs = []

    def apply_async(self, _, arguments):
        self.jobs.append(arguments)


def test_a_sweep_that_finds_nothing_takes_three_statements(integrations, monkeypatch):
    monkeypatch.setattr(connection, "close", lambda: None)
    pause(integrations)
    pool = Pool()
    sweeping = BackgroundJobs(pool)
    sweeping.sweep()

    with counted() as statements:
        sweeping.sweep()

    # A glance, what is due, and that it is at work.
    assert len(statements) == 3, statements
    assert pool.jobs == []


def test_a_sweep_asks_for_what_is_due_once_for_all(integrations, monkeypatch):
    monkeypatch.setattr(connection, "close", lambda: None)
    pool = Pool()
    sweeping = BackgroundJobs(pool)
    sweeping.sweep()

    with counted() as statements:
        sweeping.sweep()

    # Each was handed out, by the first sweep.
    assert len(pool.jobs) == len(integrations)
    assert len(statements) == 3, statements


def pause(integrations):
    """Let nothing wait."""
    for each in integrations:
        each.cursor = 1
        each.save()


def test_a_minutes_upkeep_with_nothing_to_do_takes_the_same_statements_for_thirty(
    integrations, monkeypatch
):
    monkeypatch.setattr(connection, "close", lambda: None)

    jobs = BackgroundJobs(AtOnce())
    jobs.start_upkeep()
    with counted() as statements:
        jobs.start_upkeep()

    assert len(statements) <= 24, statements
