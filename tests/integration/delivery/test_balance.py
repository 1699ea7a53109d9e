"""Invariant 4: whatever goes wrong and whatever a person does, the books balance.

A random history: events of every kind, an unreliable CleverTap, settings that change,
pauses, replays and workers that vanish. The dice are thrown from a seed, so that a
history that fails can be seen again.
"""

import random
from datetime import timedelta

import pytest

from clevertap_sync.delivery import company, lifecycle, map_upload, replay
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.delivery.send import begin_attempt
from clevertap_sync.delivery.work import Claim
from clevertap_sync.insight.clevertap_destination import CleverTapDestination
from clevertap_sync.models import DeadLetter, Integration, Replay, Upload
from clevertap_sync.process import clock, slots, stopping
from clevertap_sync.sandbox.faults import Fault, Poison
from referrals import log
from tests.builders import (
    a_sent_custom_event,
    a_sent_event,
    a_sent_link_click,
    an_app,
    an_integration,
)
from tests.integration.delivery.conftest import (
    end_pauses,
    is_left,
    repeat_until,
    status_of,
)

pytestmark = pytest.mark.django_db

#: Each takes seconds, and may find what the others do not.
SEEDS = [0, *(pytest.param(n, marks=pytest.mark.thorough) for n in range(1, 6))]
STEPS = 25
FAULTS = (
    *(Fault(status=status) for status in (400, 413, 429, 500, 503, 504)),
    *(
        Fault(ending=ending)
        for ending in ("reset_before_storing", "close_after_storing", "truncated")
    ),
    *(
        Fault(tamper=tamper)
        for tamper in (
            ("without_numbers", "without_records"),
            ("duplicated_entries", "reordered"),
            ("missing_entries",),
            ("wrong_count",),
        )
    ),
)
POISON = (
    Poison(identity="refused", code=528),
    Poison(identity="later", code=555, times=2),
    Poison(identity="never"),
)


class History:
    """One integration, and the dice that decide what happens to it next."""

    def __init__(self, sandbox, seed):
        self.dice = random.Random(seed)
        self.sandbox = sandbox
        self.integration = an_integration(an_app(loose_ids=["branch_id"]))
        self.sent = 0
        #: Nothing comes any more.
        self.is_over = False

    def step(self):
        """Let one thing happen."""
        happenings = (
            *(self.append, self.append, self.append, self.deliver, self.deliver),
            *(self.trouble, self.vanish, self.change, self.pause_and_resume),
            *(self.replay_letters, self.replay_range, self.skip, self.wait),
            *(self.link, self.learn, self.learn),
        )
        self.dice.choice(happenings)()

    def append(self, most=40):
        """Send up to so many events, of every kind."""
        log.append(
            self.integration.app,
            [self._event() for _ in range(self.dice.randint(1, most))],
        )

    def deliver(self):
        """Let a worker do what may be done now, and what comes while it waits for more."""
        deliver(self.integration.pk, lingers=True)

    def come_meanwhile(self):
        """Let a few events come, now and then, while a worker waits for company."""
        if not self.is_over and self.dice.random() < 0.7:
            self.append(most=10)

    def wait(self):
        """Let the time pass for which holds and retries wait."""
        end_pauses(self.integration)

    def link(self):
        """Let somebody who installed sign up, now and then on another's device."""
        branch_id = f"b-{self.dice.randint(1, self.sent + 1)}"
        address = f"{self.dice.choice(['eve', 'refused'])}{branch_id}@example.com"
        if self.dice.random() < 0.2:
            address = "shared@example.com"
        person = {"identities": {"branch_id": branch_id, "email": address}}
        log.append(self.integration.app, [a_sent_event(user=person)])

    def learn(self):
        """Let a worker learn who is who, and match what waits."""
        while advance_people(self.integration.app_id, ring=lambda _: None):
            pass

    def trouble(self):
        """Make CleverTap answer the next request wrongly, and refuse some records."""
        faults = (self.dice.choice(FAULTS),) if self.dice.random() < 0.7 else ()
        poison = tuple(p for p in POISON if self.dice.random() < 0.5)
        self.sandbox.switch(faults=faults, poison=poison)

    def vanish(self):
        """Let a worker disappear after its claim, or after it began to send."""
        work = claim_next(self.integration.pk, begins=self.dice.random() < 0.5)
        if isinstance(work, Claim) and work.sending is None:
            mapped = map_upload.map_upload(work)
            if mapped.records and self.dice.random() < 0.5:
                begin_attempt(work, mapped)
        slots.clear_slots()
        long_ago = clock.read_now() - timedelta(seconds=1)
        Upload.objects.filter(leased_until__isnull=False).update(leased_until=long_ago)
        Integration.objects.filter(probe_leased_until__isnull=False).update(
            probe_leased_until=long_ago
        )

    def change(self):
        """Let a person change what is sent, and as whom."""
        self._set(
            identity_provider=self.dice.choice(["email", "email", "custom_id"]),
            not_sent=self.dice.choice(
                [[], ["app_install:generated"], ["custom:referred"]]
            ),
            event_kinds=self.dice.choice(["production", "both"]),
        )

    def pause_and_resume(self):
        """Let a person pause, and resume where it stopped."""
        lifecycle.pause_integration(self.integration)
        self.append()
        lifecycle.enable_integration(self.integration, start="resume")

    def skip(self):
        """Let a person resume from now."""
        if self.dice.random() < 0.3:
            lifecycle.enable_integration(self.integration, start="now")

    def replay_letters(self):
        """Let a person replay dead letters."""
        replay.replay_letters(self.integration)

    def replay_range(self):
        """Let a person replay some of what was handed out."""
        self.integration.refresh_from_db()
        last = self.integration.cursor
        if last and self.dice.random() < 0.3:
            first = self.dice.randint(1, last)
            replay.replay_range(self.integration, first=first, last=last)

    def finish(self):
        """Let everything heal, and deliver what is left."""
        self.sandbox.behave()
        self.is_over = True
        repeat_until(self._is_finished)
        return status_of(self.integration)

    def _is_finished(self):
        end_pauses(self.integration)
        self.deliver()
        self.learn()
        running = Replay.objects.filter(state=Replay.State.RUNNING)
        return not (is_left(self.integration) or running.exists())

    def outcomes(self):
        """Return what is said to have become of the records of each event."""
        app_id = self.integration.app_id
        return {
            side.status
            for logged in log.read_range(app_id, 1, log.read_head(app_id))
            for side in CleverTapDestination().explain(
                app_id, logged.position, logged.event
            )
        }

    def _event(self):
        self.sent += 1
        who = self.dice.choice(["ann", "refused", "later", "never", "bob", "carl"])
        identities = {"email": f"{who}{self.sent}@example.com"}
        if self.dice.random() < 0.7:
            identities["custom_id"] = f"c-{self.sent}"
        person = {"identities": identities}
        test = True if self.dice.random() < 0.1 else None
        if self.dice.random() < 0.15:
            person = {"identities": {"branch_id": f"b-{self.sent}"}}
        match self.dice.randint(0, 5):
            case 0:
                return a_sent_link_click(via="smart_link", referrer=None, test=test)
            case 1:
                return a_sent_link_click(referrer=person, test=test)
            case 2:
                return a_sent_event(
                    user=person, referrer=None, via="smart_link", test=test
                )
            case 3:
                nobody = {"identities": {"phone": "+35922333232"}}
                return a_sent_event(user=person, referrer=nobody, test=test)
            case 4:
                return a_sent_custom_event(user=person, test=test)
        return a_sent_event(user=person, test=test)

    def _set(self, **changes):
        self.integration.refresh_from_db()
        for name, value in changes.items():
            setattr(self.integration, name, value)
        self.integration.save()
        lifecycle.apply_new_settings(self.integration)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_books_balance_after_every_step(engine, seed, monkeypatch):
    history = History(engine, seed)
    # However slow the machine is, a worker waits for company; and this is what it waits for.
    monkeypatch.setattr(company, "BUSY", timedelta(days=1))
    monkeypatch.setattr(stopping, "wait_for_stop", lambda _: history.come_meanwhile())

    for _ in range(STEPS):
        history.step()
        assert status_of(history.integration).imbalances == ()
    status = history.finish()

    assert status.imbalances == ()
    assert (status.hold, status.backlog, status.in_flight) == (None, 0, 0)
    states = set(DeadLetter.objects.values_list("state", flat=True))
    assert states <= {"open", "delivered", "waiting", "expired"}
    assert history.outcomes() <= {
        *("delivered", "dead_letter", "not_sent", "skipped"),
        *("waiting", "expired"),
    }
