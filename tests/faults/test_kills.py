"""SIGKILL and SIGSTOP where a crash parts two steps, and under load: nothing is lost."""

from pathlib import Path

import pytest

from referrals.failpoints import Place
from tests.faults.choice import choice
from tests.faults.ground import HASTY
from tests.harness import databases

#: Where a worker dies while it delivers 700 events, and how often it passes there first.
PLACES = {
    Place.CLAIM_WRITTEN: "claim.written=kill@2",
    Place.CLAIM_COMMITTED: "claim.committed=kill@2",
    Place.EVENT_MAPPED: "event.mapped=kill@600",
    Place.ATTEMPT_WRITTEN: "attempt.written=kill@2",
    Place.ATTEMPT_COMMITTED: "attempt.committed=kill@2",
    Place.REQUEST_ANSWERED: "request.answered=kill@2",
    Place.SETTLE_WRITTEN: "settle.written=kill@2",
    Place.SETTLE_COMMITTED: "settle.committed=kill@2",
}
#: Dead there, nobody knows whether CleverTap has the records.
UNANSWERED = {Place.ATTEMPT_COMMITTED, Place.REQUEST_ANSWERED, Place.SETTLE_WRITTEN}
#: Between the lease and the verdict: who stops here longer than the lease is replaced.
FROZEN = [Place.CLAIM_COMMITTED, Place.ATTEMPT_COMMITTED, Place.REQUEST_ANSWERED]


@pytest.mark.scenario("worker killed at `{place}`")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", databases.KINDS, indirect=True)
def test_a_worker_that_is_killed_loses_nothing(scene, place):
    scene.send(700)
    assert scene.is_killed(scene.doomed(PLACES[place]))

    scene.heal()
    scene.worker()

    scene.settle()
    found = scene.check()
    # Who takes the lease over says that an answer is missing, and only where one is.
    assert found.status["unknown_outcomes"] == (place in UNANSWERED)


@pytest.mark.scenario("worker killed while it settles a 503")
def test_a_worker_that_is_killed_while_it_settles_a_failure_repeats_nothing(scene):
    scene.send(700)
    scene.sandbox.answer(503, only="uploads")
    assert scene.is_killed(scene.doomed("failure.written=kill"))

    scene.heal()
    scene.worker()

    scene.settle()
    assert all(upload.status == 503 or upload.accepted for upload in scene.uploads())
    scene.check()


@pytest.mark.scenario("worker killed while it probes a held account")
def test_a_worker_that_is_killed_while_it_probes_loses_nothing(scene):
    scene.send(700)
    scene.sandbox.answer(401, only="uploads")
    assert scene.is_killed(scene.doomed("probe.answered=kill"))

    scene.heal()
    scene.worker()

    scene.settle_and_check()


@pytest.mark.scenario("ten kills of the worker under load")
def test_ten_kills_under_load_lose_nothing(scene):
    doubtful = []
    with scene.load(threads=2, size=25):
        for _ in range(10):
            worker = scene.worker()
            scene.wait_until(lambda ids=doubtful: not any(map(scene.is_open, ids)))
            # Each kill meets a request on its way, so that there is something to lose.
            scene.sandbox.fault(only="uploads", hold="after_storing")
            scene.wait_until(lambda: any(map(is_held, scene.uploads())))
            worker.kill()
            doubtful = scene.uploads_on_their_way()
            scene.ground.expire_leases()
            scene.sandbox.release()

    scene.heal()
    scene.worker()

    scene.settle()
    found = scene.check()
    assert len(found.log) > 100
    assert found.status["unknown_outcomes"] >= 10
    assert found.status["dead_letters"] == {}
    assert scene.read_back() == []


def is_held(request):
    return request.fault == "after_storing" and request.seconds is None


@pytest.mark.scenario("worker frozen at `{place}` for longer than its lease, then back")
@pytest.mark.parametrize("place", choice(FROZEN, Place.ATTEMPT_COMMITTED))
def test_a_worker_that_comes_back_after_its_lease_changes_nothing(scene, place):
    # Frozen in the middle of a sweep's write, it would keep SQLite locked for everybody.
    frozen = scene.doomed(f"{place}=freeze", SWEEP_SECONDS="60")
    scene.wait_until(lambda: has_swept(scene, frozen))
    scene.send(300)
    scene.wait_until(lambda: is_stopped(frozen.pid))
    scene.ground.expire_leases()
    scene.worker()
    scene.settle()

    scene.heal()
    frozen.thaw()
    # Its late answer, or its late attempt to send, meets another fencing token.
    scene.wait_until(lambda: says_that_it_was_late(frozen))

    scene.settle_and_check()


def has_swept(scene, worker):
    # It says that it is at work at the end of each sweep.
    seen = (
        f"SELECT name FROM clevertap_sync_workerseen WHERE name LIKE '%:{worker.pid}'"
    )
    return scene.stack.database.rows(seen) != []


def is_stopped(pid):
    status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return status.rpartition(")")[2].split()[0] == "T"


def says_that_it_was_late(worker):
    # At once after its claim it finds the upload in other hands, and says nothing.
    return "was taken over" in worker.log or worker.log.count('"attempt"') == 0


@pytest.mark.scenario("workers killed three times before they sent an upload")
def test_an_upload_that_ends_every_worker_is_split_and_delivered(scene):
    scene.send(100)
    for _ in range(3):
        assert scene.is_killed(scene.doomed("claim.committed=kill"))

    scene.heal()
    scene.worker()

    scene.settle()
    found = scene.check()
    assert [upload.state for upload in found.uploads if upload.parent is None] == [
        "split"
    ]


@pytest.mark.scenario("two workers race, and one is killed")
def test_two_workers_race_without_a_double_claim(scene):
    scene.send(2500)
    scene.sandbox.fault(only="uploads", times=None, delay_after_storing=0.2)
    first, _ = scene.new_worker(**HASTY), scene.worker()
    scene.wait_until(lambda: len(scene.uploads()) >= 3)
    first.kill()

    scene.heal()
    scene.sandbox.behave()

    scene.settle()
    scene.check()
    assert max(upload.in_flight for upload in scene.uploads()) <= 5


@pytest.mark.scenario("web killed at `{place}`, again and again")
@pytest.mark.parametrize("place", [Place.APPEND_WRITTEN, Place.APPEND_COMMITTED])
def test_a_web_process_that_is_killed_keeps_what_it_accepted(scene, place):
    scene.ground.web(FAILPOINTS=f"{place}=kill@4")
    scene.worker()
    with scene.load(threads=1, size=10, pause=0.01):
        scene.wait_until(lambda: scene.backend.statuses[0] >= 3)
        scene.wait_until(lambda: scene.backend.statuses[202] >= 6)
    scene.ground.end_web()

    scene.heal()

    scene.settle_and_check()


@pytest.mark.scenario("web, master and all, killed under load")
def test_a_web_process_that_is_killed_whole_keeps_what_it_accepted(scene):
    scene.worker()
    with scene.load(threads=3, size=10, pause=0.0):
        for _ in range(3):
            before = scene.backend.statuses[202]
            scene.wait_until(lambda n=before: scene.backend.statuses[202] > n + 3)
            scene.ground.web()

    scene.heal()

    scene.settle_and_check()
