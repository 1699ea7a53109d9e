"""Who dies while an install is brought to whom it turned out to be: each goes once, as it was."""

import time

import pytest

from clevertap_sync.models import Integration
from referrals.failpoints import Place
from tests.faults.choice import choice
from tests.faults.test_kills import is_stopped

#: Where a worker dies that learns who is who, and sends what waited for it; and how often
#: it passes there first: the first upload is the log's own.
PLACES = {
    Place.SETTLE_WRITTEN: "settle.written=kill",
    Place.PEOPLE_LEARNED: "people.learned=kill@2",
    Place.PEOPLE_MATCHED: "people.matched=kill@2",
    Place.PEOPLE_COMMITTED: "people.committed=kill@2",
    Place.REVIVAL_CLAIMED: "revival.claimed=kill",
    Place.CLAIM_WRITTEN: "claim.written=kill@2",
    Place.ATTEMPT_COMMITTED: "attempt.committed=kill@2",
    Place.REQUEST_ANSWERED: "request.answered=kill@2",
    Place.SETTLE_COMMITTED: "settle.committed=kill@2",
}
#: The revival is sent by then, and its answer is lost.
IN_DOUBT = "request.answered=kill@2"


@pytest.fixture(autouse=True)
def _learns(scene):
    scene.learn_of_people()


def send_two_and_their_links(scene):
    scene.send(1)
    scene.install("a", "b", "nobody")
    scene.link(("a", "ann"), ("b", "bob"))


@pytest.mark.scenario("worker killed at `{place}` while it revives what waited")
@pytest.mark.parametrize("place", choice(PLACES, Place.PEOPLE_MATCHED))
def test_a_worker_that_is_killed_sends_what_waited_once(scene, place):
    send_two_and_their_links(scene)
    assert scene.is_killed(scene.doomed(PLACES[place]))

    scene.heal()
    scene.worker()

    scene.settle()
    found = scene.check()
    assert found.status["delivered"] == 4
    assert found.status["waiting"] == {"waiting_for_identity": 1}


@pytest.mark.scenario("a link is disputed while its revival is in doubt")
def test_what_is_in_doubt_goes_again_as_it_was_though_the_link_has_changed(scene):
    send_two_and_their_links(scene)
    assert scene.is_killed(scene.doomed(IN_DOUBT))

    scene.link(("a", "dan"))
    scene.install("a")
    scene.heal()
    scene.worker()

    scene.settle()
    found = scene.check()
    assert [x.state for x in found.letters].count("expired") == 1
    twice = [upload.sha256 for upload in found.stored]
    assert len(twice) - len(set(twice)) == 1


@pytest.mark.scenario("`forget` of a person while what waited for them is in doubt")
def test_an_erasure_waits_for_the_revival_that_may_have_arrived(scene):
    send_two_and_their_links(scene)
    assert scene.is_killed(scene.doomed(IN_DOUBT))
    forget = (
        *("forget", scene.app.slug, "--json"),
        *("--identity", f"email={scene.address_of('ann')}"),
    )

    waiting = scene.manage(*forget)
    scene.heal()
    scene.worker()
    scene.settle()
    done = scene.manage(*forget)
    scene.forgotten[scene.address_of("ann")] = time.time()
    scene.install("a")

    scene.settle()
    found = scene.check()
    assert ('"waiting"' in waiting.stdout, '"done"' in done.stdout) == (True, True)
    assert found.status["delivered"] == 4
    assert found.status["waiting"] == {"waiting_for_identity": 2}


def enable(scene, *, is_enabled):
    """Let the scene's integration deliver, or not; the app learns all the same."""
    with scene.ground.django():
        Integration.objects.filter(pk=scene.integration.pk).update(enabled=is_enabled)


@pytest.mark.scenario("worker frozen within a step, and another delivers")
@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
@pytest.mark.thorough
def test_while_a_worker_stands_still_in_a_step_others_deliver(scene):
    # Nothing is delivered meanwhile: a thread that stood still in that would hold rows.
    enable(scene, is_enabled=False)
    scene.install("a")
    frozen = scene.doomed("people.learned=freeze")
    scene.wait_until(lambda: is_stopped(frozen.pid))
    enable(scene, is_enabled=True)
    scene.worker()
    scene.send(20)
    scene.link(("a", "ann"))
    scene.wait_until(lambda: sum(len(x.records) for x in scene.stored()) >= 40)

    scene.heal()
    frozen.thaw()

    scene.settle()
    assert scene.check().status["delivered"] == 41
