"""SIGTERM to the whole process group, as a platform sends it: an orderly end in time."""

import os
import signal

import pytest

from clevertap_sync.models import DEFAULT_IN_FLIGHT
from tests.faults.choice import choice


def terminate(process):
    """Send SIGTERM to the process and all its children; return how it ended."""
    os.killpg(process.pid, signal.SIGTERM)
    return process.wait()


def open_uploads(scene):
    """Return the uploads of which CleverTap has stored the records and answered nothing."""
    found = scene.uploads()
    return [each for each in found if each.accepted and each.seconds is None]


@pytest.mark.scenario("SIGTERM to the worker's process group, answers come")
def test_a_worker_finishes_what_it_has_begun(scene):
    scene.sandbox.fault(only="uploads", times=5, hold="after_storing")
    worker = scene.new_worker()
    scene.send(2500)
    # As many as the account takes at a time: no other comes while these are open.
    scene.wait_until(lambda: len(open_uploads(scene)) == DEFAULT_IN_FLIGHT)

    os.killpg(worker.pid, signal.SIGTERM)
    scene.wait_until(lambda: "Warm shutdown" in worker.log)
    scene.sandbox.release()
    status = worker.wait()
    began = [request for request in scene.uploads() if request.accepted]
    unknown = scene.evidence().status["unknown_outcomes"]
    scene.heal()
    scene.worker()

    scene.settle()
    scene.check()
    assert (status, unknown) == (0, 0)
    assert len(began) == DEFAULT_IN_FLIGHT
    assert all(request.status == 200 for request in scene.uploads())


@pytest.mark.scenario("SIGTERM to the worker's process group, no answer comes{redis}")
@pytest.mark.parametrize(
    "redis", choice(["", ", Redis is down"], ""), ids=["", "no redis"]
)
def test_a_worker_gives_back_what_is_not_answered_in_time(scene, redis):
    scene.sandbox.fault(only="uploads", times=5, hold="after_storing")
    worker = scene.new_worker(REQUEST_SECONDS="60", LEASE_SECONDS="75")
    scene.send(2500)
    scene.wait_until(lambda: scene.sandbox.state()["records_accepted"] >= 3000)
    if redis:
        scene.stack.broker.process.kill()

    status = terminate(worker)
    found = scene.evidence()
    scene.heal()
    scene.sandbox.behave()
    scene.sandbox.release()
    scene.worker()

    scene.settle()
    scene.check()
    assert status == 0
    # It said so itself, and did not leave it to who takes the lease over.
    assert found.status["unknown_outcomes"] >= 3
    assert not any(upload.leased for upload in found.uploads)


@pytest.mark.scenario("SIGTERM to the web's process group under load")
def test_the_web_process_answers_what_it_has_begun(scene):
    scene.worker()
    with scene.load(threads=3, size=50, pause=0.0):
        scene.wait_until(lambda: scene.backend.statuses[202] > 10)
        web = scene.ground.running_web()
        status = terminate(web)
        scene.web()
        before = scene.backend.statuses[202]
        scene.wait_until(lambda: scene.backend.statuses[202] > before)

    scene.heal()

    scene.settle_and_check()
    assert status == 0
