"""What a link costs in statements, however many come at once: a step, and then a revival."""

import pytest
from django.db import connection

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.process import slots
from tests.builders import a_sent_event, an_integration
from tests.integration.people.waits import a_link, append, learn_of_people
from tests.integration.statements import counted

pytestmark = pytest.mark.django_db

IS_POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture
def integration(settings, sandbox):
    slots.clear_slots()
    settings.REDIS_URL = ""
    yield an_integration()
    slots.clear_slots()


def advance(app):
    while advance_people(app.pk, ring=lambda _: None):
        pass


def let_wait_and_link(integration, first, count):
    """Let installs wait, and append who they are."""
    app, numbers = integration.app, range(first, first + count)
    for each in numbers:
        user = {"identities": {"branch_id": f"b-{each}"}}
        append(app, a_sent_event(user=user, referrer=None, via="smart_link"))
    deliver(integration.pk)
    advance(app)
    for each in numbers:
        append(app, a_link(branch_id=f"b-{each}", email=f"p{each}@example.com"))
    deliver(integration.pk)


@pytest.mark.parametrize("count", [1, 30])
def test_what_waits_goes_out_by_a_few_statements_however_many_are_linked(
    integration, count
):
    learn_of_people(integration.app, "branch_id")
    let_wait_and_link(integration, 0, 1)
    advance(integration.app)
    deliver(integration.pk)
    let_wait_and_link(integration, 100, count)

    with counted() as step:
        advance_people(integration.app_id, ring=lambda _: None)
    with counted() as revival:
        assert deliver(integration.pk) == 1

    # What is one message to PostgreSQL are several statements of SQLite, where a step also
    # reads twice whether what it learned ahead still holds.
    assert len(step) <= (20 if IS_POSTGRESQL else 30), step
    # A claim of what the step has taken already, map, begin, settle, what it closes, a look
    # in vain.
    assert len(revival) <= (9 if IS_POSTGRESQL else 21), revival
