"""What an event costs at 1, 50 and 500 a second, from its request to its settled upload.

Time is simulated, so the numbers are exact: of statements and round trips, rows, bytes and
messages. What looks while nothing happens is in `test_idle_costs`. A number here may fall.
Where one has to rise, say what is bought for it.
"""

import re
from collections import Counter
from contextlib import contextmanager

import pytest
from django.db import connection
from psycopg.pq import Trace

from clevertap_sync import receivers
from clevertap_sync.delivery import at_once, company, paces
from clevertap_sync.delivery.sql import open_floor
from clevertap_sync.process import doorbell, kept_rings
from referrals.api import auth
from tests.builders import an_integration
from tests.harness.process import PATIENCE_SECONDS
from tests.integration.simulated_time import CLOCK, World, simulated
from tests.integration.statements import counted

pytestmark = pytest.mark.django_db(transaction=True)

IS_POSTGRESQL = connection.vendor == "postgresql"
#: A message in libpq's trace: who sends it, and its bytes. The last before the next question
#: is that the server is ready.
_MESSAGE = re.compile(r"^([FB])\t(\d+)\t", re.MULTILINE)
_READY = re.compile(r"^B\t5\tReadyForQuery.*\n", re.MULTILINE)
_ROWS = """
    SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables
"""

EVENTS = 50
#: So many come a second.
RATES = (1, 50, 500)
#: What these events cost at most, at each of the rates. The bytes depend a little on how many
#: digits a number has.
MOST = {
    "statements": (260, 113, 74) if IS_POSTGRESQL else (1_260, 630, 325),
    "round trips": (260, 113, 74),
    "rows": (300, 195, 100),
    "bytes to PostgreSQL": (98_500, 59_500, 42_500),
    "bytes from PostgreSQL": (156_000, 40_000, 34_000),
    "commands of Redis": (150, 107, 106),
    "messages to workers": (50, 2, 2),
    "requests to CleverTap": (50, 29, 10),
    "bytes to CleverTap": (16_800, 16_653, 16_520),
}


@pytest.fixture
def broker(valkey, settings, monkeypatch):
    """Redis, which forgets nothing meanwhile: its clock is the one that is not simulated."""
    settings.REDIS_URL = valkey.url
    doorbell.open_broker.cache_clear()
    client = doorbell.open_broker()
    execute = client.execute_command
    lasting = {"EX": int(PATIENCE_SECONDS), "PX": int(PATIENCE_SECONDS) * 1_000}

    def execute_for_long(*words, **options):
        before = (None, *words)
        patient = (lasting.get(a, b) for a, b in zip(before, words, strict=False))
        return execute(*patient, **options)

    monkeypatch.setattr(client, "execute_command", execute_for_long)
    client.flushall()
    yield client
    client.close()
    doorbell.open_broker.cache_clear()


@pytest.fixture
def world(sandbox, broker, monkeypatch):
    """A world whose processes have delivered before, and remember what they do then."""
    made = World(an_integration())
    monkeypatch.setattr(company, "_promised", {})
    forget_all()
    with simulated(made, monkeypatch):
        made.send_events(2, rate=1)
        made.wait(10)
        yield made
    forget_all()


def forget_all():
    """Let no clock of this test be remembered by the next, nor of the last by this one."""
    receivers.clear_remembered_readers()
    at_once.forget_deliveries()
    auth.clear_remembered_keys()
    open_floor.clear_floors()
    paces.forget_paces()
    kept_rings.forget_connection()


@pytest.fixture
def measure(world, broker, sandbox, tmp_path):
    """Return what so many events cost, at so many a second."""

    def measured(count, rate):
        world.send_events(EVENTS, rate)  # so that it is known how often they come
        before = count_all(world, broker, sandbox)
        with traced(tmp_path / "trace") as sent, counted() as statements:
            world.send_events(count, rate)
        costs = count_all(world, broker, sandbox)
        costs.subtract(before)
        costs["statements"] = sum(CLOCK not in sql for sql in statements)
        assert costs.pop("records") == 2 * count
        return {**costs, **sent}

    return measured


def count_all(world, broker, sandbox):
    """Return how much of each there was so far."""
    requests = sandbox.requests()
    return Counter(
        {
            "requests to CleverTap": len(requests),
            "bytes to CleverTap": sum(request.body_bytes for request in requests),
            "records": sum(request.accepted for request in requests),
            "rows": count_rows(),
            "commands of Redis": count_commands(broker),
            "messages to workers": world.messages,
        }
    )


def count_commands(broker):
    """Return how many commands Redis carried out, but for those that ask this."""
    stats = broker.info("commandstats")
    return sum(
        stats[name]["calls"]
        for name in stats
        if not name.startswith(("cmdstat_info", "cmdstat_pubsub"))
    )


def count_rows():
    """Return how many rows were inserted, updated or deleted."""
    if not IS_POSTGRESQL:
        return connection.connection.total_changes
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(_ROWS)
        return int(cursor.fetchone()[0])


@contextmanager
def traced(path):
    """Collect how many bytes went to PostgreSQL and back, and how often it was waited for."""
    sent = {}
    if not IS_POSTGRESQL:
        yield sent
        return
    link = connection.connection.pgconn
    with path.open("w+") as file:
        link.trace(file.fileno())
        link.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        yield sent
        link.untrace()
        assert link is connection.connection.pgconn
        file.seek(0)
        exchanges = _READY.split(file.read())[:-1]
    exchanges = [text for text in exchanges if CLOCK not in text]
    messages = _MESSAGE.findall("".join(exchanges))
    sent["round trips"] = len(exchanges)
    sent["bytes to PostgreSQL"] = sum(int(size) for by, size in messages if by == "F")
    sent["bytes from PostgreSQL"] = sum(int(size) for by, size in messages if by == "B")


@pytest.mark.parametrize("rate", RATES)
def test_fifty_events_cost_no_more_than_these(measure, rate):
    costs = measure(EVENTS, rate)

    most = {name: at[RATES.index(rate)] for name, at in MOST.items()}
    assert {name: cost for name, cost in costs.items() if cost > most[name]} == {}
