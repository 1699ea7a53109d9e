"""What a check is: one sentence about one thing, and where it is not well, what to do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from clevertap_sync.insight.findings import Link

Values: TypeAlias = Mapping[str, int | float | str | None]


class Area(StrEnum):
    """What a check is about, in the order in which areas are shown."""

    DATABASE = "database"
    DISK = "disk"
    MIGRATIONS = "migrations"
    CLOCK = "clock"
    BROKER = "broker"
    PROCESSES = "processes"
    KEYS = "keys"
    SETTINGS = "settings"
    ALERTS = "alerts"
    BACKUP = "backup"
    DELIVERY = "delivery"


class State(StrEnum):
    """How a check came out. `unknown`: it could not be looked at."""

    ERROR = "error"
    UNKNOWN = "unknown"
    WARNING = "warning"
    INFO = "info"
    OK = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. It has no secret and nothing of a person.

    `code` is a stable name within the area, the same as a finding's where one says it.
    `remedy` says what to do, and is empty where nothing has to be done. `values` are the
    numbers behind the sentence, for scripts: plain names with their unit, such as
    `size_bytes`.
    """

    area: Area
    code: str
    state: State
    sentence: str
    remedy: str = ""
    link: Link | None = None
    values: Values = field(default_factory=dict)
