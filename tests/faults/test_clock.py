"""Hosts whose clocks are an hour off: leases and holds go by the database's clock."""

import re
import time
from pathlib import Path

import pytest

from tests.faults.ground import HASTY, ended_by_kill

HOUR = 3600
SKEWED = str(Path(__file__).parent / "skewed")


@pytest.mark.scenario("two workers, their clocks an hour fast and an hour slow")
def test_workers_whose_clocks_differ_do_not_take_each_others_uploads(postgresql):
    scene = postgresql
    scene.sandbox.fault(only="uploads", times=None, delay_after_storing=0.3)
    scene.sandbox.answer(503, times=1, only="uploads")
    workers = [an_off_worker(scene, HOUR), an_off_worker(scene, -HOUR)]
    scene.send(3000)

    scene.heal()

    scene.settle()
    found = scene.check()
    assert [round(skew_of(worker) / HOUR) for worker in workers] == [1, -1]
    # No lease looked old to anybody: nothing was sent twice.
    assert found.status["unknown_outcomes"] == 0
    assert max(request.in_flight for request in scene.uploads()) <= 5


@pytest.mark.scenario(
    "worker with a clock an hour fast takes over from one that was killed"
)
def test_a_worker_whose_clock_is_fast_waits_for_the_lease(postgresql):
    scene = postgresql
    scene.send(300)
    assert ended_by_kill(scene.doomed("attempt.committed=kill", **HASTY))

    scene.heal()
    an_off_worker(scene, HOUR)

    scene.settle_and_check()


@pytest.mark.scenario("web with a clock an hour fast")
def test_a_web_process_whose_clock_is_fast_takes_events(postgresql):
    scene = postgresql
    scene.ground.end_web()
    scene.stack.cold_web(PYTHONPATH=SKEWED, SKEW_SECONDS=str(HOUR))
    scene.worker()
    scene.send(100)

    scene.heal()

    scene.settle_and_check()
    scene.ground.end_web()


def an_off_worker(scene, seconds):
    return scene.stack.cold_worker(PYTHONPATH=SKEWED, SKEW_SECONDS=str(seconds))


def skew_of(worker):
    """Return how far off the worker's log says that it is."""
    last = re.findall(r'"time": "([^"]+)"', worker.log)[-1]
    said = time.mktime(time.strptime(last[:19], "%Y-%m-%dT%H:%M:%S"))
    return said - time.mktime(time.gmtime())
