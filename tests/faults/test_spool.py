"""The database away while platforms call: who never sends again loses nothing by it."""

from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests

from tests.faults.platform import Platform
from tests.harness.process import PATIENCE_SECONDS
from tests.harness.proxy import Proxy

#: For hanging only: without a deadline, an answer waits for as long as a connection does.
LATE_SECONDS = PATIENCE_SECONDS / 2
NUMBERS = range(1, 33)
#: Shaped as a source's public ID.
NOBODY = "x" * 22


@contextmanager
def web_behind_a_proxy(scene):
    """Let a web process reach the database by a network that fails on order."""
    scene.ground.rest()
    url = scene.stack.database.url
    with Proxy(urlsplit(url).port) as proxy:
        patient = f"{proxy.url_of(url)}?connect_timeout={PATIENCE_SECONDS:.0f}"
        scene.ground.web(DATABASE_URL=patient)
        # On a busy machine a process may take longer for its first call than hooks have.
        scene.wait_until(lambda: is_in_time(scene))
        yield proxy
        scene.ground.end_web()


def is_in_time(scene):
    """Say whether the web process looks a source up, which is nobody's, in its time."""
    address = f"{scene.stack.web_url}/v1/hooks/{NOBODY}"
    return requests.post(address, timeout=PATIENCE_SECONDS).status_code != 503


def call_until_taken(scene, platform, number):
    """Send a call again as long as it is refused, as a platform does that sends again."""

    def is_taken():
        [status] = platform.call([number])
        assert status in {200, 503}
        return status == 200

    scene.wait_until(is_taken)


def end_web_in_order(scene):
    """Let the web process end as with a deployment: it writes the counts that it has."""
    scene.ground.running_web().stop()


def is_drained(platform):
    """Say whether the worker took out of the spool what web processes put there.

    On a busy machine a call before the outage may have been late, and be there as well.
    """
    counts = platform.counts()
    put_in, taken_out = counts.get("spooled", 0), counts.get("drained", 0)
    return put_in == taken_out >= len(NUMBERS)


@pytest.mark.scenario("database silent, then gone, while Branch and Adjust call")
def test_an_outage_costs_no_call_that_is_never_sent_again(postgresql):
    scene, platform = postgresql, Platform(postgresql, "branch")
    sends_again = Platform(postgresql, "adjust")
    with web_behind_a_proxy(scene) as proxy:
        before = platform.call([0]) + sends_again.call([100])
        proxy.black_hole()
        during = platform.call(range(1, 12))
        proxy.refuse()
        during += platform.call(range(12, 33))
        refused = sends_again.call([101, 102])
        proxy.behave()
        scene.heal()
        scene.new_worker()
        scene.wait_until(lambda: len(platform.log()) == 2 + len(NUMBERS))

        # Some of these may go into the spool, too: the process has not tried again yet.
        again = platform.call([0, *NUMBERS])
        for number in (101, 102):
            call_until_taken(scene, sends_again, number)
        end_web_in_order(scene)
        scene.wait_until(lambda: is_drained(platform))
        scene.settle()
    assert before + during + again == [200] * 67
    assert refused == [503, 503]
    assert platform.longest < LATE_SECONDS
    assert platform.log() == [0, 100, *NUMBERS, 101, 102]
    scene.check()
    assert platform.losses() == sends_again.losses() == {}
    assert "spooled" not in sends_again.counts()


@pytest.mark.scenario("worker killed while it drains the spool")
def test_a_worker_that_is_killed_while_it_drains_loses_and_doubles_nothing(postgresql):
    scene, platform = postgresql, Platform(postgresql, "branch")
    with web_behind_a_proxy(scene) as proxy:
        platform.call([0])
        proxy.refuse()
        platform.call(NUMBERS)
        proxy.behave()
        assert scene.is_killed(scene.doomed("spool.appended=kill"))
        assert platform.log() == [0, *NUMBERS]

        scene.heal()
        end_web_in_order(scene)
        scene.new_worker()
        scene.wait_until(lambda: is_drained(platform))
        scene.settle()

    assert platform.log() == [0, *NUMBERS]
    scene.check()
    assert platform.losses() == {}


@pytest.mark.scenario(
    "database away, Redis flushed with a spool in it, then gone: counted"
)
def test_what_redis_loses_is_counted_and_shown(postgresql):
    scene, platform = postgresql, Platform(postgresql, "branch")
    with web_behind_a_proxy(scene) as proxy:
        platform.call([0])
        proxy.refuse()
        spooled = platform.call(NUMBERS)
        scene.stack.broker.flush()
        scene.stack.broker.process.kill()
        refused = platform.call([100, 101, 102])
        proxy.behave()
        scene.heal()
        end_web_in_order(scene)
    scene.ground.rest()
    for _ in range(2):
        scene.new_worker(SPOOL_LOST_AFTER_SECONDS="0.2")

    scene.wait_until(lambda: len(platform.losses()) == 2)

    scene.settle()
    assert spooled == [200] * len(NUMBERS)
    assert refused == [503] * 3
    assert platform.longest < LATE_SECONDS
    lost = platform.counts()["spooled"]
    assert lost >= len(NUMBERS)
    assert platform.losses() == {"spool_lost": lost, "spool_away": 3}
    assert platform.log() == [0]
    scene.check()
