"""The month in the order of time, judged in batches as the log does."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import islice
from typing import Final, NamedTuple

from referrals.fraud import SightingMemory, find_sightings, judge_fraud
from referrals.fraud_rules import FraudRules
from referrals.schema import Event, Person
from referrals.vocabulary import EventType
from tests.fraud_month.scenes import MINUTES, SCENES, Cast, Install, Scene

START: Final = datetime(2026, 11, 1, tzinfo=UTC)
BATCH: Final = 1_000
#: Only installs of the month count; who begins late in it goes on beyond its end.
_END: Final = MINUTES


class Happening(NamedTuple):
    """An install with its scene and its group."""

    minute: int
    number: int
    scene: Scene
    referrer: str
    install: Install


@dataclass(slots=True)
class Found:
    """What came of the installs of one scene under each of the rules, by their name."""

    installs: int = 0
    groups: set[str] = field(default_factory=set)
    flagged: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    groups_found: dict[str, set[str]] = field(default_factory=dict)

    def note(self, rules: str, group: str, reasons: Iterable[str]) -> None:
        """Count an install that the rules of this name find suspicious."""
        self.flagged[rules] += 1
        self.groups_found.setdefault(rules, set()).add(group)
        self.reasons.update((rules, reason) for reason in reasons)


def play_month(
    rules: Mapping[str, FraudRules],
    *,
    scale: float = 1.0,
    seed: int = 1,
    size: int = BATCH,
) -> dict[str, Found]:
    """Return what each of the `rules` found, by scene. `scale` 1 is a million installs.

    Requests have `size` installs.
    """
    judge = _Judge(rules)
    happenings = _list_happenings(scale, seed)
    while batch := list(islice(happenings, size)):
        judge.judge_batch(batch)
    return judge.found


def _list_happenings(scale: float, seed: int) -> Iterator[Happening]:
    streams = (
        _play_scene(scene, Cast(seed * 100 + number), number, scale)
        for number, scene in enumerate(SCENES)
    )
    merged = heapq.merge(*streams, key=lambda each: (each.minute, each.number))
    return (each for each in merged if each.minute < _END)


def _play_scene(
    scene: Scene, cast: Cast, number: int, scale: float
) -> Iterator[Happening]:
    """Yield the scene's installs in the order of time: its groups begin one by one."""
    groups = max(1, round(scene.groups * scale))
    waiting: list[tuple[int, int, str, Install]] = []
    made = 0
    for group in range(groups):
        begins = group * MINUTES // groups
        while waiting and waiting[0][0] <= begins:
            yield _make_happening(scene, number, heapq.heappop(waiting))
        referrer = f"referrer{number}-{group}"
        for install in scene.play(cast):
            made += 1
            heapq.heappush(waiting, (begins + install.minute, made, referrer, install))
    while waiting:
        yield _make_happening(scene, number, heapq.heappop(waiting))


def _make_happening(
    scene: Scene, number: int, waiting: tuple[int, int, str, Install]
) -> Happening:
    minute, made, referrer, install = waiting
    # Names are made by each scene's own cast: its number sets them apart.
    return Happening(minute, made * len(SCENES) + number, scene, referrer, install)


class _Judge:
    """Judges batch after batch, and counts; the sightings stay as they would be stored."""

    def __init__(self, rules: Mapping[str, FraudRules]) -> None:
        self._rules = rules
        self._store: dict[str, tuple[tuple[str, datetime], ...]] = {}
        self.found = {scene.name: Found() for scene in SCENES}

    def judge_batch(self, batch: list[Happening]) -> None:
        """Judge the installs of one request."""
        told = [(each, _make_event(each)) for each in batch]
        told.sort(key=lambda each: (each[1].occurred_at, each[1].id))
        keyed = [(each, event, find_sightings(event, _hash)) for each, event in told]
        memory = self._load(key.mark for *_, keys in keyed for key in keys)
        for happening, event, keys in keyed:
            found = self.found[happening.scene.name]
            found.installs += 1
            found.groups.add(happening.referrer)
            for name, rules in self._rules.items():
                _, reasons = judge_fraud(event, rules, keys, memory)
                if reasons:
                    found.note(name, happening.referrer, reasons)
            for key in keys:
                memory.add(key, event.occurred_at)
        self._save(memory)

    def _load(self, marks: Iterable[str]) -> SightingMemory:
        memory = SightingMemory()
        for mark in set(marks):
            for value, seen_at in self._store.get(mark, ()):
                memory.load(mark, value, seen_at)
        return memory

    def _save(self, memory: SightingMemory) -> None:
        seen, removed = memory.list_changes()
        for mark, value in removed:
            kept = (each for each in self._store[mark] if each[0] != value)
            self._store[mark] = tuple(kept)
        for mark, value, at in seen:
            others = (each for each in self._store.get(mark, ()) if each[0] != value)
            self._store[mark] = (*others, (value, at))


def _make_event(happening: Happening) -> Event:
    install, scene = happening.install, SCENES.index(happening.scene)

    def name(text: str) -> str | None:
        # Carriers, campuses and rooms are the scene's own as well.
        return f"{scene}-{text}" if text else None

    return Event(
        id=f"{happening.number:09}",
        type=EventType.APP_REINSTALL if install.again else EventType.APP_INSTALL,
        occurred_at=START + timedelta(minutes=happening.minute),
        user=Person(
            {"custom_id": f"{scene}-{install.user}"},
            ip=name(install.ip),
            device_id=name(install.device),
            advertising_id=name(install.advertising_id),
        ),
        referrer=Person(
            {"custom_id": happening.referrer},
            ip=name(install.referrer_ip),
            device_id=name(install.referrer_device),
        ),
    )


def _hash(signal: str) -> str:
    return blake2b(signal.encode(), digest_size=8).hexdigest()
