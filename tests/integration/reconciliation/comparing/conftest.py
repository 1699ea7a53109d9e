"""A CleverTap that is asked at once, a clock that stands, and an account that is compared."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from clevertap_sync.clevertap.limits import encode_body
from clevertap_sync.models import DeliveredCount, Integration
from clevertap_sync.process import clock, stopping
from clevertap_sync.process.account_access import open_client
from clevertap_sync.sandbox import Sandbox
from tests.builders import an_integration
from tests.wire import ScriptedServer

#: Long before any day that is compared.
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
#: A Friday's noon: the days that are compared are the 9th to the 15th.
NOW = datetime(2026, 1, 16, 12, tzinfo=UTC)
NAME = "Referred App Install"


class Now:
    """The present, as the database and the sandbox have it."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at

    def passes(self, **units: float) -> None:
        """Let time pass."""
        self.at += timedelta(**units)


PRESENT = Now()


@pytest.fixture
def now(monkeypatch):
    """The present, which stands still until it `passes`."""
    PRESENT.at = NOW
    monkeypatch.setattr(clock, "read_now", PRESENT)
    return PRESENT


@pytest.fixture
def sandbox(settings, now):
    """A running sandbox that every integration delivers to."""
    with Sandbox(clock=lambda: now().timestamp()) as running:
        settings.CLEVERTAP_BASE_URL = running.template
        running.switch(counts_visible_after=0, schema_visible_after=0, visible_jitter=0)
        yield running


@pytest.fixture
def clevertap(settings, now):
    """A CleverTap that answers what a test scripts."""
    with ScriptedServer() as server:
        settings.CLEVERTAP_BASE_URL = server.url
        yield server


@pytest.fixture
def integration(db):
    """An integration of a new app whose account is compared, since long ago."""
    return an_integration(reconciles=True, counts_since=LONG_AGO)


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Nobody waits: what would have been waited for is in this list."""
    waited: list[float] = []

    def wait(seconds):
        waited.append(seconds)
        return stopping.is_stopping()

    monkeypatch.setattr(stopping, "wait_for_stop", wait)
    return waited


def on(day: int) -> date:
    """Return a day of the month that is compared."""
    return date(2026, 1, day)


def second_of(day: date, hour: int = 12) -> int:
    """Return the Unix second of the day's hour, UTC."""
    return int(datetime.combine(day, time(hour), UTC).timestamp())


def delivered(
    integration, count: int, *, day: int, hour: int = 12, name: str = NAME, **more: int
):
    """Write down that so many records were delivered in the day's hour."""
    DeliveredCount.objects.create(
        integration=integration,
        name=name,
        quarter=second_of(on(day), hour) // 900,
        delivered=count,
        settled_at=NOW - timedelta(days=30),
        **more,
    )


def stored(integration, count: int, *, day: int, hour: int = 12, name: str = NAME):
    """Let CleverTap store so many records of the day's hour."""
    records = [
        (
            f'{{"identity": "user-{n}@example.com", "ts": {second_of(on(day), hour)}, '
            f'"type": "event", "evtName": "{name}", "evtData": {{}}}}'
        ).encode()
        for n in range(count)
    ]
    account = Integration.objects.get(pk=integration.pk)
    result = open_client(account).upload(encode_body(records), records)
    assert result.accepted == count


def both(integration, count: int, *, day: int, hour: int = 12, name: str = NAME):
    """Let so many records be delivered, and be stored."""
    delivered(integration, count, day=day, hour=hour, name=name)
    stored(integration, count, day=day, hour=hour, name=name)
