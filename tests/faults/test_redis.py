"""The broker flushed, killed, frozen, full, or never there: it is only a doorbell."""

import time

import pytest
import redis

from tests.faults.choice import choice


@pytest.fixture
def broker(scene):
    """The ground's Valkey, as good as new for the next scenario."""
    broker = scene.stack.broker
    yield broker
    if broker.process.returncode is None:
        broker.process.thaw()
        with redis.Redis.from_url(broker.url) as client:
            client.config_set("maxmemory", 0)
            client.flushall()


@pytest.mark.scenario("Redis flushed each second under load, six times")
def test_a_flushed_broker_costs_no_event(scene, broker):
    scene.worker()
    with scene.load():
        for _ in range(6):
            time.sleep(1)
            broker.flush()

    scene.heal()

    scene.settle_and_check()


@pytest.mark.scenario("Redis killed under load, and back")
def test_a_killed_broker_costs_no_event(scene, broker):
    scene.worker()
    with scene.load():
        time.sleep(0.5)
        broker.process.kill()
        time.sleep(1.5)
        broker.start()
        scene.heal()
        time.sleep(0.5)

    scene.settle_and_check()


@pytest.mark.scenario("Redis killed under load, for good")
def test_a_broker_that_stays_away_costs_no_event(scene, broker):
    scene.worker()
    with scene.load():
        time.sleep(0.5)
        broker.process.kill()
        time.sleep(1)

    scene.heal()

    scene.settle_and_check()


@pytest.mark.scenario("Redis frozen under load, and thawed")
def test_a_frozen_broker_costs_no_event(scene, broker):
    scene.worker()
    with scene.load():
        time.sleep(0.5)
        broker.process.freeze()
        # Events are accepted while the broker says nothing at all.
        before = scene.backend.statuses[202]
        scene.wait_until(lambda: scene.backend.statuses[202] > before + 5)
        scene.wait_until(scene.uploads)
        broker.process.thaw()

    scene.heal()

    scene.settle_and_check()


@pytest.mark.scenario("Redis frozen, while a worker starts and delivers")
def test_a_worker_delivers_beside_a_frozen_broker(scene, broker):
    broker.process.freeze()
    scene.new_worker()

    scene.send(100)

    scene.settle_and_check()


@pytest.mark.scenario("Redis full: it refuses every write")
def test_a_full_broker_costs_no_event(scene, broker):
    with redis.Redis.from_url(broker.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
    scene.worker()
    with scene.load():
        time.sleep(1.5)

    scene.heal()

    scene.settle_and_check()


@pytest.mark.scenario("Redis never started")
def test_a_broker_that_never_was_costs_no_event(scene, broker):
    broker.process.kill()
    scene.new_worker()

    scene.send(1200)

    scene.settle_and_check()


#: What a stranger who can write to the broker may leave where Celery reads.
GARBAGE = {
    "messages that are none": lambda client: client.lpush(
        "referrals",
        "no JSON",
        b"\xff\xfe",
        "[]",
        "7",
        '{"body": 1}',
        "{}",
        '{"headers": 7}',
    ),
    "another type in place of the queue": lambda client: client.set(
        "referrals", "text"
    ),
    "another type in place of the bindings": lambda client: client.set(
        "_kombu.binding.referrals", "text"
    ),
    "another type in place of what is not acknowledged": lambda client: (
        client.set("unacked", "text"),
        client.set("unacked_index", "text"),
    ),
}


#: What docs/operations.md reckons with for a web process and a worker.
MOST_CONNECTIONS = 3 + 3
#: This the library meets while it connects. What it had open, until it tries again, is closed
#: when the garbage collector comes by, so that there may be more for some minutes.
MET_AT_CONNECTING = "another type in place of what is not acknowledged"


def write_garbage(client, what):
    """Leave it there, whatever stands there now."""
    client.delete("referrals", "_kombu.binding.referrals", "unacked", "unacked_index")
    GARBAGE[what](client)


def wait_for_answers(scene, number):
    """Wait until so many more requests were accepted."""
    before = scene.backend.statuses[202]
    scene.wait_until(lambda: scene.backend.statuses[202] > before + number)


@pytest.mark.scenario("garbage in Redis under load: {what}")
@pytest.mark.parametrize("what", choice(GARBAGE, *list(GARBAGE)[:2]))
def test_garbage_in_the_broker_costs_no_event_and_no_worker(scene, broker, what):
    worker = scene.new_worker()
    with redis.Redis.from_url(broker.url) as client, scene.load():
        for _ in range(4):
            write_garbage(client, what)
            for key in client.scan_iter("cursor:*"):
                client.set(key, "no number")
            wait_for_answers(scene, 3)

    scene.heal()

    scene.settle_and_check()
    assert worker.returncode is None
    if what == MET_AT_CONNECTING:
        return
    with redis.Redis.from_url(broker.url) as client:
        assert len(client.client_list()) - 1 <= MOST_CONNECTIONS
