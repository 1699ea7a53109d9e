"""The facts of the installation, and what every finding about it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from clevertap_sync.insight.facts import RefusalsAtDoor
from clevertap_sync.insight.findings.finding import Finding, Scope
from clevertap_sync.insight.machinery import DatabaseFacts, ProcessFacts
from clevertap_sync.process.worker_presence import FailingSweep


@dataclass(frozen=True, slots=True)
class FailingAlert:
    """An alert whose newest notices failed, `count` of them since the last one that was sent.

    `app_id` is None where the alert is for every app; `problem` is why the last one failed.
    """

    pk: int
    name: str
    app_id: int | None
    count: int
    problem: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class InstallationFacts:
    """The facts of the installation at the instant `now`."""

    now: datetime
    failing: tuple[FailingAlert, ...] = ()
    #: Refusals of callers without a known API key.
    refused: tuple[RefusalsAtDoor, ...] = ()
    sweeps: Sequence[FailingSweep] = ()
    processes: Sequence[ProcessFacts] = ()
    #: None before the first look at it.
    database: DatabaseFacts | None = None
    #: How many connections each process opens at most; 0: as many as it has requests and tasks.
    pool: int = 0


@dataclass(frozen=True, kw_only=True)
class InstallationFinding(Finding):
    """Something of the installation that is not well."""

    scope = Scope.INSTALLATION

    @classmethod
    def find_all(cls, facts: InstallationFacts) -> Iterator[Self]:
        """Yield the findings of this kind that the facts show."""
        raise NotImplementedError
