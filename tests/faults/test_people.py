"""What a person orders is carried out, whoever dies meanwhile: replay, erasure, retention."""

import signal
from datetime import timedelta

import pytest
from django.db.models import F

from clevertap_sync.models import Account, Attempt, DeadLetter, Replay, Upload
from clevertap_sync.process import clock
from referrals import log
from referrals.failpoints import Place
from referrals.models import ReferralEvent
from referrals.secret import Secret
from tests.faults.choice import choice

#: What the sweep does by itself once a minute.
RETAIN = "from clevertap_sync.delivery.upkeep import retention; retention.carry_out_retention(seconds=60)"


def killed(scene, order, *arguments):
    """Run a command that is killed where `order` says; fail where it was not."""
    done = scene.manage(*arguments, FAILPOINTS=f"{order}", DEBUG="true")
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.scenario("CleverTap answers 401 until a person checks the connection")
def test_a_check_of_the_connection_frees_a_held_account_at_once(scene):
    scene.new_worker(LONGEST_HOLD_SECONDS="3600")
    scene.sandbox.answer(401, times=None)
    scene.send(600)
    scene.wait_for_hold("credentials_refused")
    scene.sandbox.behave()
    waiting = len(scene.uploads())

    scene.heal()
    said = scene.manage("check_clevertap", scene.app.slug)

    scene.settle()
    found = scene.check()
    assert said.returncode == 0
    assert found.status["delivered"] == 1200
    assert not any(upload.accepted for upload in scene.uploads()[:waiting])


@pytest.mark.scenario("settings saved while a dry run is lost")
def test_a_dry_run_that_is_lost_does_not_stay_begun(scene):
    scene.send(100)
    scene.sandbox.answer(401, only="uploads")
    assert scene.is_killed(scene.doomed("probe.answered=kill"))
    trouble_free = scene.sandbox.account().passcode
    with scene.ground.django():
        scene.integration.passcode = Secret(trouble_free)
        scene.integration.save(update_fields=["passcode"])
    assert scene.manage("check_clevertap", scene.app.slug).returncode == 0

    scene.heal()
    scene.worker()

    # It waits for attempts, dry runs too, that never end.
    scene.settle_and_check()


@pytest.mark.scenario("worker killed while dead letters are replayed")
def test_dead_letters_are_replayed_by_reason_once(scene):
    scene.sandbox.poison(identity="user-", code=513)
    scene.worker()
    scene.send(300)
    scene.settle()
    scene.ground.rest()
    scene.sandbox.behave()

    plan = scene.manage(
        "replay", scene.app.slug, "--reason", "clevertap_513", "--dry-run"
    )
    scene.manage("replay", scene.app.slug, "--reason", "clevertap_513")
    assert scene.is_killed(scene.doomed("settle.written=kill"))
    scene.heal()
    scene.worker()

    scene.settle()
    found = scene.check()
    assert plan.stdout.startswith("300 records in 1 uploads. 300 arrived in the last")
    assert found.status["dead_letters"] == {}
    assert (found.status["delivered"], found.status["unknown_outcomes"]) == (600, 1)


@pytest.mark.scenario("replayed dead letters are refused again")
def test_a_replayed_record_that_fails_again_keeps_its_history(scene):
    scene.sandbox.poison(identity="user-", code=513)
    scene.worker()
    scene.send(40)
    scene.settle()

    scene.heal()
    scene.manage("replay", scene.app.slug, "--all-reasons")

    scene.settle()
    assert scene.check().status["dead_letters"] == {"clevertap_513": 40}
    with scene.ground.django():
        mine = DeadLetter.objects.filter(integration=scene.integration)
        assert set(mine.values_list("state", "failures")) == {("open", 2)}


@pytest.mark.scenario("worker killed while a range is replayed")
def test_a_range_is_replayed_as_often_as_it_was_ordered(scene):
    scene.worker()
    scene.send(1200)
    scene.settle()
    scene.ground.rest()

    said = scene.manage("replay", scene.app.slug, "--from", "101", "--to", "800")
    assert scene.is_killed(scene.doomed("attempt.committed=kill"))
    scene.heal()
    scene.worker()

    scene.settle()
    found = scene.check()
    assert "it will count twice" in said.stdout
    assert found.status["delivered"] == 2400
    # The worker died before it sent: nothing but the order made a repeat.
    assert sum(len(stored.records) for stored in found.stored) == 2400 + 1400


@pytest.mark.scenario("replay cancelled while its upload is under way")
def test_a_cancelled_replay_finishes_what_is_under_way_only(scene):
    scene.worker()
    scene.send(2000)
    scene.settle()
    scene.sandbox.fault(only="uploads", hold="before_storing", times=None)
    before = len(scene.uploads())
    with scene.ground.django():
        # One at a time; the next scenario gets its limit back.
        Account.objects.update(current_limit=1, limit_changed_at=clock.read_now())
    scene.manage("replay", scene.app.slug, "--from", "1")
    scene.wait_until(lambda: len(scene.uploads()) > before)

    with scene.ground.django():
        order = Replay.objects.get(integration=scene.integration)
    scene.manage("replay", scene.app.slug, "--cancel", str(order.pk))
    scene.heal()
    scene.sandbox.behave()
    scene.sandbox.release()

    scene.settle()
    replayed = [upload for upload in scene.check().uploads if upload.replay]
    assert [(upload.state, upload.delivered) for upload in replayed] == [
        ("settled", 1000)
    ]


@pytest.mark.scenario("`forget` killed at `{place}`, then run again")
@pytest.mark.parametrize(
    "place",
    choice(
        [Place.ERASURE_REQUESTED, Place.ERASURE_WRITTEN, Place.ERASURE_COMMITTED],
        Place.ERASURE_WRITTEN,
    ),
)
def test_an_erasure_that_is_killed_goes_on_where_it_stopped(scene, place):
    scene.worker()
    scene.send(600)
    scene.settle()
    person = f"user-{scene.app.slug}-42@example.com"
    forget = ("forget", scene.app.slug, "--identity", f"email={person}")

    killed(scene, f"{place}=kill", *forget)
    scene.heal()
    done = scene.manage(*forget, "--json")
    # Told apart from what was delivered before.
    scene.send(1, user={"identities": {"email": person}}, content="later")

    scene.settle()
    assert done.returncode == 0, done.stderr
    assert '"done"' in done.stdout
    found = scene.check()
    # What came since is not sent, and the books still balance.
    assert found.status["dead_letters"] == {"suppressed": 1}
    assert found.status["delivered"] == 1201
    assert not any(person in body for body in bodies(scene)[:600])


@pytest.mark.scenario("`forget` of a person in an upload whose worker was killed")
def test_an_erasure_waits_for_the_upload_that_may_have_arrived(scene):
    scene.send(100)
    assert scene.is_killed(scene.doomed("request.answered=kill"))
    person = f"user-{scene.app.slug}-42@example.com"
    forget = ("forget", scene.app.slug, "--identity", f"email={person}", "--json")

    waiting = scene.manage(*forget)
    scene.heal()
    scene.worker()
    scene.settle()
    done = scene.manage(*forget)

    found = scene.check()
    assert ('"waiting"' in waiting.stdout, '"done"' in done.stdout) == (True, True)
    assert (found.status["delivered"], found.status["unknown_outcomes"]) == (200, 1)
    assert not any(person in body for body in bodies(scene))


@pytest.mark.scenario("retention killed at `{place}`, under load")
@pytest.mark.parametrize(
    "place",
    choice([Place.RETENTION_FOLDED, Place.RETENTION_TRIMMED], Place.RETENTION_FOLDED),
)
def test_retention_that_is_killed_leaves_the_books_balanced(scene, place):
    scene.sandbox.poison(identity="-7@", code=513)
    # Its own upkeep, which comes once a minute, must find nothing that is old enough.
    scene.new_worker(RETENTION_DAYS="3650")
    scene.send(1200)
    scene.settle()
    before = scene.check()
    age(scene)

    with scene.load():
        killed(scene, f"{place}=kill", "shell", "-c", RETAIN)
        assert scene.manage("shell", "-c", RETAIN).returncode == 0
    scene.heal()

    scene.settle()
    after = scene.evidence()
    new = len(scene.backend.accepted) - 1200
    assert (before.status["delivered"], after.status["balanced"]) == (2398, True)
    assert after.status["delivered"] >= 2398 + 2 * new
    assert after.log[0][0] == after.tail + 1 == 1201
    assert [position for position, _ in after.log] == list(
        range(1201, 1201 + len(after.log))
    )
    with scene.ground.django():
        assert not Upload.objects.filter(
            integration=scene.integration, last__lte=1200
        ).exists()
        assert not DeadLetter.objects.filter(integration=scene.integration).exists()
        mine = Attempt.objects.filter(integration=scene.integration, dry_run=False)
        assert not mine.filter(upload__first__lte=1200).exists()


def bodies(scene):
    """Return the events as the log keeps them, as text."""
    with scene.ground.django():
        app_id = scene.app.pk
        return [
            repr(each.event)
            for each in log.read_range(app_id, 1, log.read_head(app_id))
        ]


def age(scene):
    """Make everything that is there as old as if it had come a year ago."""
    year = timedelta(days=365)
    with scene.ground.django():
        events = ReferralEvent.objects.filter(app=scene.app)
        events.update(received_at=F("received_at") - year)
        Upload.objects.filter(integration=scene.integration).update(
            settled_at=clock.read_now() - year
        )
