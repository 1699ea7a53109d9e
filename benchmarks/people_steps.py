"""What it costs to know who is who, beside the same without: stages of `benchmarks.stages`.

A link is an event that names one person by a key, which is the email address here, and by
an ID that comes before sign-up. Steps take links, and so nothing else is in their numbers.
"""

import itertools
import random
import time
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from django.db import connection

from benchmarks import events
from benchmarks.people_fill import fill_people, read_people_through
from benchmarks.stage_list import JSON, RANGE, Steps
from benchmarks.stages import Stage, Step
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.models import Integration, WaitingRecord
from clevertap_sync.process import clock
from referrals import hashing, log, people
from referrals.api.body_events import decode_events
from referrals.models import App, PeopleProgress
from referrals.people import lately

KEY: Final = "email"
LOOSE: Final = "anonymous_id"
LINKS: Final = 1_000
#: Of so many users, one has no key.
ONE_OF: Final = 5
_ROWS: Final = """
    SELECT count(found.learned_at)
    FROM json_array_elements_text(%s::json) AS sent(value)
    JOIN LATERAL (
        SELECT learned_at FROM referrals_knownidentity
        WHERE app_id = %s AND hash = sent.value::uuid AND test = false OFFSET 0
    ) AS found ON true
"""


def people_stages() -> dict[str, Stage]:
    """Return the stages by name."""
    steps = PeopleSteps()
    return {
        "step in vain": Stage(100, 0, steps.step_in_vain),
        "step of 1,000, new people": Stage(20, LINKS, steps.meet),
        "step of 1,000, met before": Stage(20, LINKS, steps.meet_again),
        "step of 1,000, met elsewhere": Stage(20, LINKS, steps.meet_by_rows),
        "step of 1,000, waited for": Stage(10, LINKS, steps.match),
        "look up 1,000": Stage(20, LINKS, steps.look_up),
        "look up the newest 1,000": Stage(20, LINKS, steps.look_up_newest),
        "read 1,000 rows by key": Stage(20, LINKS, steps.read_rows),
        "revive 1,000": Stage(10, LINKS, steps.revive),
    }


def paired_stages() -> dict[str, tuple[Stage, Stage]]:
    """Return stages by name, each without people and with them, for the same events.

    One is without the comparison with CleverTap and with it, and knows no people.
    """
    steps = PeopleSteps()
    return {
        "append 1,000": steps.pair_appends(user=make_known_user),
        "append 1,000, a fifth waits": steps.pair_appends(user=make_fifth_unknown),
        "claim to settle, 500, compared with CleverTap": steps.pair_comparisons(),
        "claim to settle, 500": steps.pair_deliveries(user=make_known_user),
        "claim to settle, 500, a fifth waits": steps.pair_deliveries(
            user=make_fifth_unknown
        ),
    }


class PeopleSteps(Steps):
    """Each method prepares a step of an app with people, if nothing else is said."""

    def __init__(self) -> None:
        super().__init__()
        self._met = 0

    def pair_appends(self, *, user: events.MakeUser) -> tuple[Stage, Stage]:
        """Return appends without people and with them."""

        def append(*, on: bool) -> Step:
            switch(on=on)
            return self.append(1_000, user=user)

        return (
            Stage(40, 1_000, lambda: append(on=False)),
            Stage(40, 1_000, lambda: append(on=True)),
        )

    def pair_deliveries(self, *, user: events.MakeUser) -> tuple[Stage, Stage]:
        """Return deliveries without people and with them."""

        def deliver_range(*, on: bool) -> Step:
            switch(on=on)
            return self.deliver(RANGE, user=user)

        return (
            Stage(40, RANGE, lambda: deliver_range(on=False)),
            Stage(40, RANGE, lambda: deliver_range(on=True)),
        )

    def pair_comparisons(self) -> tuple[Stage, Stage]:
        """Return deliveries that are not counted by name and time, and such that are."""

        def deliver_range(*, on: bool) -> Step:
            switch(on=False)
            Integration.objects.update(reconciles=on)
            return self.deliver(RANGE)

        return (
            Stage(80, RANGE, lambda: deliver_range(on=False)),
            Stage(80, RANGE, lambda: deliver_range(on=True)),
        )

    def step_in_vain(self) -> Step:
        """Prepare a step that finds nothing new."""
        self._catch_up()
        return self._step

    def meet(self) -> Step:
        """Prepare a step over links of people who are new."""
        self._catch_up()
        first, self._met = self._met, self._met + LINKS
        self._append_links(range(first, first + LINKS))
        return self._step

    def meet_again(self) -> Step:
        """Prepare a step over links that this process has learned lately."""
        self._know_people()
        lately_met = range(self._met - LINKS, self._met)
        self._append_links(lately_met)
        self._step()
        self._append_links(lately_met)
        return self._step

    def meet_by_rows(self) -> Step:
        """Prepare a step over links of any known people, which another process learned."""
        self._know_people()
        lately.forget_app(self._app.pk)
        self._append_links(self._choose())
        return self._step

    def look_up(self) -> Step:
        """Prepare to look up any known people by their IDs from before."""
        self._know_people()
        hashes = self._hash_loose(self._choose())
        return lambda: self._resolve(hashes)

    def look_up_newest(self) -> Step:
        """Prepare to look up people by their IDs from before, which a step has just learned."""
        self.meet()()
        hashes = self._hash_loose(range(self._met - LINKS, self._met))
        return lambda: self._resolve(hashes)

    def read_rows(self) -> Step:
        """Prepare to read any rows by key: the least that a look-up could take."""
        self._know_people()
        hashes = self._hash_loose(self._choose())
        asked = (msgspec.json.encode(sorted(hashes)).decode(), self._app.pk)
        return lambda: _read_rows(asked)

    def match(self) -> Step:
        """Prepare a step over links for each of which a record waits."""
        self._let_wait()
        return self._step

    def revive(self) -> Step:
        """Prepare to send what waited."""
        self._let_wait()
        self._step()
        return self._deliver_revival

    def learn(self, count: int) -> None:
        """Know at least `count` people, by steps as a worker takes them."""
        while self._met < count:
            self.meet()()

    def fill(self, count: int) -> None:
        """Know at least `count` people, as if they had been learned."""
        first, self._met = self._met, max(self._met, count)
        fill_people(
            self._app,
            range(first, self._met),
            key=KEY,
            loose=LOOSE,
            seen_at=clock.read_now(),
        )
        read_people_through(self._app)

    def _step(self) -> None:
        advance_people(self._app.pk, ring=lambda _: None)

    def _deliver_revival(self) -> None:
        if (requests := deliver(self._integration.pk)) != 1:
            message = f"What waited left in {requests} requests in place of one."
            raise RuntimeError(message)

    def _resolve(self, hashes: set[str]) -> None:
        found = people.resolve(self._app.pk, hashes, KEY, test=False)
        if len(found) != len(hashes):
            message = f"Of {len(hashes)} people, {len(found)} were known."
            raise RuntimeError(message)

    def _let_wait(self) -> None:
        """Let records wait for people who are new, and append these people's links."""
        self._catch_up()
        first, self._met = self._met, self._met + LINKS
        numbers = range(first, first + LINKS)
        self._fill(0)
        self._append(_make_event("app_install", {LOOSE: f"p-{n}"}) for n in numbers)
        deliver(self._integration.pk)
        self._step()
        self._append_links(numbers)

    def _know_people(self) -> None:
        self.learn(LINKS)
        self._catch_up()

    def _hash_loose(self, numbers: Iterable[int]) -> set[str]:
        digest = hashing.make_identity_hasher(self._app.pk)
        return {digest(LOOSE, f"p-{each}") for each in numbers}

    def _choose(self) -> list[int]:
        return random.Random(next(_numbers)).sample(range(self._met), LINKS)

    def _append_links(self, numbers: Iterable[int]) -> None:
        self._append(
            _make_event("identify", {KEY: f"p{n}@example.com", LOOSE: f"p-{n}"})
            for n in numbers
        )

    def _append(self, made: Iterable[dict[str, object]]) -> None:
        body = msgspec.json.encode({"events": list(made)})
        log.append(self._app, decode_events(JSON, body))

    def _catch_up(self) -> None:
        """Switch people on, and leave nothing to learn and nobody to look up."""
        switch(on=True)
        WaitingRecord.objects.filter(fresh=True).update(fresh=False)
        head = log.read_head(self._app.pk)
        if not PeopleProgress.objects.update(cursor=head):
            self._step()  # begins at the tail


def make_known_user(number: int) -> str:
    """Return the identities of a user with a key and an ID from before, as JSON."""
    return f'{{"{KEY}":"u{number}@example.com","{LOOSE}":"a-{number}"}}'


def make_fifth_unknown(number: int) -> str:
    """Return the same, but without the key for one user of `ONE_OF`."""
    # Not by the last digit, which decides the type.
    unknown = number // 100 % ONE_OF == 0
    return f'{{"{LOOSE}":"a-{number}"}}' if unknown else make_known_user(number)


def switch(*, on: bool) -> None:
    """Switch people on or off."""
    App.objects.update(loose_ids=[LOOSE] if on else [])


def _read_rows(asked: Sequence[str | int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, asked)
        if cursor.fetchone() != (LINKS,):
            message = "Not every row was found."
            raise RuntimeError(message)


def _make_event(kind: str, identities: dict[str, str]) -> dict[str, object]:
    return {
        "id": f"people-{next(_numbers)}",
        "type": kind,
        "occurred_at": int(time.time()),
        **({"via": "smart_link"} if kind == "app_install" else {}),
        "user": {"identities": identities},
    }


_numbers: Final = itertools.count(1)
