"""The product for people to look at: just installed, or a shop with all kinds of trouble.

Real processes, and nothing made behind the product's back: events come in by its API and
its broker, and the rest by its commands.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from celery import Celery

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from integration_project.demo.feeder import make_conflicting_event, make_history
from integration_project.demo.story import DISCARDED_NAME
from tests.browser import platform_calls
from tests.browser.visitor import PASSWORD, USERNAME
from tests.harness.environment import test_database
from tests.harness.stack import Stack

APP: Final = "demo"
#: The same people and events each time.
SEED: Final = 11
#: Fewer than the story has: the others wait for a person's approval.
CUSTOM_NAMES: Final = "3"
#: CleverTap answers that it was processed, and drops it.
LOST_NAME: Final = "Referred First Purchase"
TEST_EVENT: Final = {
    "id": "demo-test-1",
    "type": "app_install",
    "channel": "whatsapp",
    "test": True,
    "user": {"identities": {"email": "test@example.com"}},
    "referrer": {"identities": {"email": "ann@example.com"}},
}


def install(stack: Stack) -> Stack:
    """Start the product as an installation leaves it: empty, with one superuser."""
    stack.web()
    stack.worker()
    stack.manage(
        *("createsuperuser", "--noinput", "--email", "", "--username", USERNAME),
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )
    return stack


@contextmanager
def busy(folder: Path) -> Iterator[Stack]:
    """Run the product with the Demo Shop's story in it, and whatever can go wrong."""
    with Stack(
        test_database(), folder, warm=True, CUSTOM_NAMES_LIMIT=CUSTOM_NAMES
    ) as stack:
        install(stack)
        stack.sandbox.show_at_once()
        stack.sandbox.switch(discarded_names=[DISCARDED_NAME])
        stack.sandbox.poison(event_name=LOST_NAME, drop=True)
        stack.provision(APP, "--name", "Demo Shop", "--reconcile")
        _send_story(stack)
        stack.wait_until_settled()
        count_for_days(stack)
        stack.manage("reconcile", APP)
        stack.manage("replay", APP, "--reason", "no_identity")
        _send_what_the_log_refuses(stack)
        stack.wait_until_settled()
        _let_an_integration_be_held(stack)
        _connect_platforms(stack)
        stack.manage("forget", APP, "--identity", "email=gone@example.com")
        yield stack


def count_for_days(stack: Stack) -> None:
    """Let the integrations that are compared have been so for a week: no test waits a day."""
    since = datetime.now(UTC) - timedelta(days=7)
    stack.database.execute(
        f"UPDATE clevertap_sync_integration SET counts_since = '{since:%Y-%m-%d %H:%M:%S}'"  # an instant of ours
        " WHERE reconciles"
    )


def _send_story(stack: Stack) -> None:
    events = make_history(Random(SEED), datetime.now(UTC))
    stack.post(events, app=APP)
    # A backend that was not sure whether it had sent this, and one with a bug.
    stack.post([events[10], make_conflicting_event(events[11]), TEST_EVENT], app=APP)


def _let_an_integration_be_held(stack: Stack) -> None:
    """Provision an app with a passcode that CleverTap refuses, and send it an event."""
    account = ACCOUNTS[Location.IN1]
    app = "second-shop"
    stack.provision(app, "--name", "Second Shop", location=Location.IN1)
    stack.manage(
        *("provision", app, "--account-id", account.account_id, "--location", "in1"),
        *("--identity-provider", "email", "--passcode-stdin"),
        stdin="NOT-THE-PASSCODE",
    )
    stack.post({**TEST_EVENT, "id": "second-1", "test": False}, app=app)
    held = "SELECT count(*) FROM clevertap_sync_integration WHERE hold_reason <> ''"
    stack.wait_until(lambda: stack.database.rows(held) == [(1,)])


def _connect_platforms(stack: Stack) -> None:
    """Let Branch call, with whatever can become of a call; GetSocial has no secret yet."""
    platform_calls.provision(stack, APP, "--platform", "getsocial")
    made = platform_calls.provision(stack, APP, "--platform", "branch")
    url, secret = f"{stack.web_url}{made['url']}", made["secret"]
    for number in (0, 0, 1, 2):
        platform_calls.send_sample(url, secret, number=number)
    for body in (
        platform_calls.NO_REFERRER,
        platform_calls.NOT_CHOSEN,
        platform_calls.REFUSED,
    ):
        platform_calls.send(url, secret, body)
    platform_calls.send_sample(url, "not-the-secret")
    noted = "SELECT count(*) FROM referrals_sourcecall"
    stack.wait_until(lambda: stack.database.rows(noted) == [(8,)])


def _send_what_the_log_refuses(stack: Stack) -> None:
    """Send events by the broker: what is refused there has a list of its own."""
    assert stack.broker is not None
    producer = Celery(broker=stack.broker.url)
    producer.conf.broker_transport_options = {"max_retries": 0}
    refused: list[dict[str, Any]] = [
        {"id": "nobody-referred", "type": "app_install", "user": {}},
        {"id": "unheard-of", "type": "app_sneeze"},
    ]
    with producer:
        producer.send_task(
            "referrals.append_events", [APP, refused], queue="referrals", retry=False
        )
    stack.wait_until(
        lambda: (
            stack.database.rows("SELECT count(*) FROM referrals_rejectedevent")
            == [(len(refused),)]
        )
    )
