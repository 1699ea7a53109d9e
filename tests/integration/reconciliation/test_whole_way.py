"""From an event to a statement: delivered, counted by both sides, compared and explained."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.upkeep import tallies
from clevertap_sync.process.account_access import open_client
from referrals import log
from tests.builders import a_sent_event, an_integration

pytestmark = pytest.mark.django_db

#: In the week that is compared, whatever the hour.
THEN = datetime.now(UTC) - timedelta(days=3)


def send(integration, count, **changes):
    events = [
        a_sent_event(occurred_at=THEN.isoformat(), **changes) for _ in range(count)
    ]
    log.append(integration.app, events)
    deliver(integration.pk)


def compare(integration):
    """Return the statements that the command prints: of the generated side, of the other."""
    output = StringIO()
    call_command("reconcile", integration.app.slug, "--json", stdout=output)
    return json.loads(output.getvalue())


def test_what_clevertap_drops_without_a_word_is_named_with_its_number(sandbox):
    integration = an_integration(reconciles=True, counts_since=THEN - timedelta(days=9))
    sandbox.switch(
        counts_visible_after=0,
        schema_visible_after=0,
        visible_jitter=0,
        schema={
            "events": {
                "Referred App Install": {"properties": {"Channel": {"required": True}}}
            }
        },
    )
    send(integration, 30)
    tallies.add_up_tallies(worthwhile=1)
    send(integration, 12, channel=None)

    generated, referred = compare(integration)

    assert (generated["name"], generated["difference"]) == ("Generated App Install", 0)
    assert (referred["name"], referred["delivered"]) == ("Referred App Install", 42)
    assert (referred["counted"], referred["difference"]) == (30, -12)
    assert referred["cause"] == "property_missing"
    assert "Channel" in referred["sentence"]


@pytest.mark.parametrize(
    ("more", "cause"),
    [(["--delete-in-clevertap"], "profiles_deleted"), ([], "not_processed_yet")],
    ids=["at our order", "by somebody else"],
)
def test_the_events_of_people_who_were_deleted_at_our_order_are_not_missed(
    sandbox, more, cause
):
    integration = an_integration(reconciles=True, counts_since=THEN - timedelta(days=9))
    sandbox.switch(counts_visible_after=0, schema_visible_after=0, visible_jitter=0)
    send(integration, 20)
    somebody = "somebody@example.com"
    send(integration, 3, user={"identities": {"email": somebody}})
    command = ["forget", integration.app.slug, "--identity", f"email={somebody}"]

    call_command(*command, *more, stdout=StringIO())
    if not more:
        integration.refresh_from_db()
        open_client(integration).delete_profiles([somebody], object_ids=False)

    generated, referred = compare(integration)
    assert generated["difference"] == 0
    assert (referred["difference"], referred["cause"]) == (-3, cause)
