"""What the server answers, as values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

STORED: Final = frozenset({"accepted", "duplicate"})


@dataclass(frozen=True)
class Result:
    """What became of one event: `accepted` or `duplicate`, and where it is in the log."""

    id: str
    status: str
    position: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether the server had not had the event before."""
        return self.status == "accepted"


@dataclass(frozen=True)
class Refusal:
    """Why the server refused one event: what to correct, and where in the event.

    `index` is its place among those that were sent together, and `pointer` a JSON pointer
    into it.
    """

    index: int
    id: str | None
    code: str
    pointer: str
    detail: str

    def __str__(self) -> str:
        where = f" at {self.pointer}" if self.pointer else ""
        return f"event {self.index} ({self.id or 'without an id'}){where}: {self.detail} [{self.code}]"


@dataclass(frozen=True)
class Outcome:
    """What became of one record of an event, at one integration."""

    integration: str
    side: str
    status: str
    meaning: str
    more: Mapping[str, Any]


@dataclass(frozen=True)
class EventState:
    """What `Client.find_event` knows of an event."""

    id: str
    position: int
    type: str
    status: str
    received_at: str
    occurred_at: str
    outcomes: tuple[Outcome, ...]


def read_rows(
    rows: Iterable[Mapping[str, Any]],
) -> tuple[list[Result], list[Refusal]]:
    """Return what became of each: the results, and the refusals."""
    results, refusals = [], []
    for row in rows:
        if row["status"] in STORED:
            warnings = row.get("warnings") or ()
            results.append(
                Result(
                    str(row.get("id", "")),
                    row["status"],
                    row.get("position"),
                    tuple(map(str, warnings)),
                )
            )
        else:
            code, pointer, detail = (
                str(row.get(name) or "") for name in ("code", "pointer", "detail")
            )
            refusals.append(Refusal(row["index"], row.get("id"), code, pointer, detail))
    return results, refusals


def read_state(answer: Mapping[str, Any]) -> EventState:
    """Return the state of an event. Raises `KeyError` where the answer is another one."""
    outcomes: Sequence[Mapping[str, Any]] = answer.get("outcomes", ())
    return EventState(
        answer["id"],
        answer["position"],
        answer["type"],
        answer["status"],
        answer["received_at"],
        answer["occurred_at"],
        tuple(map(_read_outcome, outcomes)),
    )


def _read_outcome(given: Mapping[str, Any]) -> Outcome:
    more = dict(given)
    integration, side, status, meaning = (
        str(more.pop(name, "")) for name in ("integration", "side", "status", "meaning")
    )
    return Outcome(integration, side, status, meaning, more)
