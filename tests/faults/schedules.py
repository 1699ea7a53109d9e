"""Random schedules: from a seed to a sequence of faults, always the same for the same seed.

Pure. What a step does is in `trouble`; here is only what happens, in which order, and
with how long a pause. What people do, and what becomes known of them, is drawn apart from
the faults: those of a seed are the same whether or not its app learns who is who, and whether
or not workers compare with CleverTap meanwhile.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from referrals.failpoints import Place
from tests.harness.environment import Kind

STEPS: Final = (6, 12)
#: Nothing happens for so long after a step, in seconds.
PAUSES: Final = (0.0, 0.0, 0.05, 0.1, 0.2, 0.4)
#: What has scenarios of its own, or is not what a worker does.
ELSEWHERE: Final = (
    *("append.", "erasure.", "retention."),
    *("count.", "statements.", "comparison."),
)
WORKER_PLACES: Final = tuple(p for p in Place if not p.startswith(ELSEWHERE))
#: A place where an exception leaves a verdict behind has a scenario of its own.
RAISING_PLACES: Final = tuple(p for p in WORKER_PLACES if p != Place.EVENT_MAPPED)
WEB_PLACES: Final = (Place.APPEND_WRITTEN, Place.APPEND_COMMITTED)
STATUSES: Final = (301, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504)
RETRY_AFTER: Final = ("0", "1", "soon", "Mon, 23 Nov 2026 12:00:00 GMT", "-5")
ENDINGS: Final = (
    *("reset_before_storing", "reset_after_storing", "close_after_storing"),
    *("hang_before_storing", "hang_after_storing", "truncated", "endless", "drip"),
    *("gzip_bomb", "garbage"),
)
#: Lies that leave it to be told which records were refused, or at least how many.
LIES: Final = (
    *("reordered", "duplicated_entries", "string_records", "keyed_entries"),
    *("without_records", "without_numbers", "without_codes", "success_status"),
    *("wrong_count", "empty_fail"),
)
#: Of so many schedules, the app of one does not learn who is who.
ALL_BUT_ONE: Final = 4
#: Devices, and as many people: device 7 is person 7's, who is also the load's seventh user.
DEVICES: Final = 24
#: Where a command dies that erases, and a worker that erases, learns or revives.
ERASURE_PLACES: Final = (Place.ERASURE_WRITTEN, Place.ERASURE_COMMITTED)
PEOPLE_PLACES: Final = (
    *ERASURE_PLACES,
    *(p for p in Place if p.startswith(("people.", "revival."))),
)
NETWORK: Final[Mapping[str, Mapping[str, float]]] = {
    "refuse": {},
    "reset": {},
    "black_hole": {},
    "cut": {"after": 40},
    "drip": {"every": 0.02},
    "delay": {"seconds": 0.2},
}


@dataclass(frozen=True)
class Step:
    """One thing that happens, with what it needs to know, and the pause after it."""

    name: str
    pause: float
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{self.name}({told}), then {self.pause} s"


@dataclass(frozen=True)
class Schedule:
    """What happens in one run: the load, the records that are refused, the steps."""

    seed: int
    threads: int
    size: int
    #: The number of an event whose records meet `Poison(**poison)`, if there is one.
    poisoned: int
    poison: Mapping[str, Any]
    steps: tuple[Step, ...]
    replays: bool
    #: Whether devices' installs wait for their sign-up.
    learns: bool = False
    #: Whether workers compare with CleverTap meanwhile.
    compares: bool = False

    def __str__(self) -> str:
        head = (
            f"Schedule {self.seed}: {self.threads} threads send {self.size} at a time; "
            f"event {self.poisoned} meets {dict(self.poison)}; "
            f"dead letters are {'' if self.replays else 'not '}replayed; "
            f"installs {'wait for their' if self.learns else 'know no'} sign-up; "
            f"workers {'' if self.compares else 'do not '}compare with CleverTap."
        )
        return "\n  ".join([head, *map(str, self.steps)])


def schedule(seed: int, kind: Kind) -> Schedule:
    """Return the schedule that `seed` stands for on this kind of database."""
    dice = random.Random(f"{seed} {kind}")
    return _add_comparisons(_add_people(_schedule_faults(seed, kind, dice), kind), kind)


def _schedule_faults(seed: int, kind: Kind, dice: random.Random) -> Schedule:
    return Schedule(
        seed=seed,
        threads=dice.randint(1, 3),
        size=dice.choice((1, 5, 20, 60)),
        poisoned=dice.randint(1, 40),
        poison=dice.choice(
            ({}, {"code": 513}, {"code": 555, "times": 2}, {"status": 400})
        ),
        steps=tuple(_steps(dice, kind)),
        replays=dice.random() < 0.5,
    )


def _steps(dice: random.Random, kind: Kind) -> Iterator[Step]:
    happenings = [
        *(_worker, _worker, _worker, _web, _broker, _broker),
        *(_answer, _ending, _lie, _network, _network, _person, _person),
        *((_server, _server) if kind == "postgresql" else (_lock, _lock)),
    ]
    yield Step("start_worker", 0.1)
    for _ in range(dice.randint(*STEPS)):
        name, options = dice.choice(happenings)(dice, kind)
        yield Step(name, dice.choice(PAUSES), options)


_Happening = tuple[str, Mapping[str, Any]]


def _worker(dice: random.Random, _: Kind) -> _Happening:
    which = {"which": dice.randrange(4)}
    action = dice.choice(("kill", "raise"))
    places = RAISING_PLACES if action == "raise" else WORKER_PLACES
    order = f"{dice.choice(places)}={action}@{dice.randint(1, 4)}"
    return dice.choice(
        (
            ("start_worker", {}),
            ("start_doomed_worker", {"order": order}),
            ("kill_worker", which),
            ("kill_worker", which),
            ("freeze_worker", {**which, "seconds": dice.choice((0.3, 0.8, 3.0))}),
            ("end_worker", which),
        )
    )


def _web(dice: random.Random, _: Kind) -> _Happening:
    order = f"{dice.choice(WEB_PLACES)}=kill@{dice.randint(1, 9)}"
    return dice.choice(
        (("kill_web", {}), ("end_web", {}), ("start_doomed_web", {"order": order}))
    )


def _broker(dice: random.Random, _: Kind) -> _Happening:
    names = ("flush", "kill", "start", "freeze", "thaw", "fill")
    return f"{dice.choice(names)}_broker", {}


def _answer(dice: random.Random, _: Kind) -> _Happening:
    headers = {"Retry-After": dice.choice(RETRY_AFTER)} if dice.random() < 0.4 else {}
    options = {"status": dice.choice(STATUSES), "headers": headers}
    return "answer", {**options, "times": dice.randint(1, 4)}


def _ending(dice: random.Random, _: Kind) -> _Happening:
    only = dice.choice(("all", "uploads", "dry_runs"))
    options = {"ending": dice.choice(ENDINGS), "only": only}
    return "misbehave", {**options, "times": dice.randint(1, 2)}


def _lie(dice: random.Random, _: Kind) -> _Happening:
    lies = dice.sample(LIES, dice.randint(1, 2))
    delay = dice.choice((0.0, 0.0, 0.3, 1.5))
    options = {"tamper": lies, "delay_after_storing": delay, "only": "uploads"}
    return "misbehave", {**options, "times": dice.randint(1, 5)}


def _network(dice: random.Random, _: Kind) -> _Happening:
    where = dice.choice(("clevertap", "clevertap", "broker", "database"))
    what = dice.choice((*NETWORK, "behave", "behave"))
    if where == "database" and what == "drip":
        what = "delay"  # a page a byte at a time takes longer than anybody waits
    return "disturb", {"where": where, "what": what}


def _person(dice: random.Random, _: Kind) -> _Happening:
    names = ("mistype_passcode", "correct_passcode", "check_connection")
    return dice.choice((*names, "pause", "resume", "replay_letters")), {}


def _server(dice: random.Random, _: Kind) -> _Happening:
    names = ("terminate_connections", "terminate_connections", "crash_database")
    return dice.choice(names), {}


def _lock(dice: random.Random, _: Kind) -> _Happening:
    return "lock_database", {"seconds": dice.choice((0.1, 0.3, 0.8))}


# People


def _add_people(plan: Schedule, kind: Kind) -> Schedule:
    dice = random.Random(f"people of {plan.seed} {kind}")
    if not dice.randrange(ALL_BUT_ONE):
        return plan
    return replace(plan, learns=True, steps=tuple(_mix_people(plan.steps, dice)))


def _mix_people(faults: Iterable[Step], dice: random.Random) -> Iterator[Step]:
    """Yield the faults in their order; after each, what happens to people meanwhile."""
    happenings = [_install, _install, _link, _link, _link, _dispute, _forget, _doom]
    yield Step("install", 0.0, {"devices": range(1, DEVICES + 1)})
    for fault in faults:
        yield fault
        for happen in dice.choices(happenings, k=dice.randint(1, 2)):
            name, options = happen(dice)
            yield Step(name, dice.choice(PAUSES), options)
    yield Step("link", 0.0, {"devices": _some_devices(dice)})


def _install(dice: random.Random) -> _Happening:
    return "install", {"devices": _some_devices(dice)}


def _link(dice: random.Random) -> _Happening:
    return "link", {"devices": _some_devices(dice)}


def _dispute(dice: random.Random) -> _Happening:
    return "dispute", {"device": dice.randint(1, DEVICES)}


def _forget(dice: random.Random) -> _Happening:
    places = (Place.ERASURE_REQUESTED, *ERASURE_PLACES)
    order = dice.choice(("", "", *(f"{place}=kill" for place in places)))
    return "forget", {"person": dice.randint(1, DEVICES), "order": order}


def _doom(dice: random.Random) -> _Happening:
    order = f"{dice.choice(PEOPLE_PLACES)}=kill@{dice.randint(1, 3)}"
    return "start_doomed_worker", {"order": order}


def _some_devices(dice: random.Random) -> range:
    first = dice.randint(1, DEVICES)
    return range(first, min(first + dice.choice((1, 4, 12)), DEVICES + 1))


# Comparisons


def _add_comparisons(plan: Schedule, kind: Kind) -> Schedule:
    """Let workers of every other plan compare, and CleverTap store parts of uploads."""
    dice = random.Random(f"nights of {plan.seed} {kind}")
    if dice.random() < 0.5:
        return plan
    steps: list[Step] = []
    for step in plan.steps:
        steps.append(step)
        if dice.random() < 0.5:
            name, options = dice.choice((_compare, _compare, _store_a_part))(dice)
            steps.append(Step(name, dice.choice(PAUSES), options))
    return replace(plan, compares=True, steps=tuple(steps))


def _compare(_: random.Random) -> _Happening:
    return "order_comparison", {}


def _store_a_part(dice: random.Random) -> _Happening:
    share = {"store_share": dice.choice((0.1, 0.5, 0.9)), "status": 504}
    first = {"store_first": dice.randint(1, 20), "ending": "close_after_storing"}
    return "misbehave", {**dice.choice((share, first)), "only": "uploads"}
