"""Misbehaviour to order: what may go wrong between a request and its answer.

Pure values. A `Fault` says what happens to the next requests, a `Poison` what happens to
records that match; `SwitchOrder` is how either comes in over HTTP.
"""

import random
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from clevertap_sync.clevertap.locations import Location

#: Which requests a fault is for. `uploads` are those that are no dry run.
Only = Literal["all", "uploads", "dry_runs", "reads"]

#: When a request waits until `release`, if it does.
Hold = Literal["", "before_storing", "after_storing"]

#: How the conversation ends.
Ending = Literal[
    "answer",  # as it should
    "reset_before_storing",  # RST, and nothing was stored
    "reset_after_storing",  # RST, and everything was stored
    "close_after_storing",  # FIN without an answer
    "hang_before_storing",  # no answer ever, nothing stored
    "hang_after_storing",  # no answer ever, everything stored
    "truncated",  # half of the body that content-length promised
    "endless",  # a body that never ends
    "drip",  # one byte at a time
    "gzip_bomb",  # a megabyte that unpacks to a gigabyte
    "garbage",  # not HTTP
]

NOTHING_STORED: frozenset[str] = frozenset(
    {"reset_before_storing", "hang_before_storing"}
)

#: What may be wrong in an answer that is otherwise right.
Tamper = Literal[
    "reordered",  # unprocessed in reverse
    "missing_entries",  # unprocessed without its first entry
    "duplicated_entries",  # every entry twice
    "without_records",  # entries without the echoed record
    "string_records",  # echoed records as JSON texts, as in 2017
    "keyed_entries",  # {"<record as JSON>": "<error>"}, as in October 2017
    "without_numbers",  # no "Skipped record number"
    "without_codes",  # entries without a code
    "success_status",  # status success whatever happened, as in 2017
    "wrong_count",  # processed is one too high
    "empty_fail",  # status fail, processed 0, unprocessed empty; nothing stored
]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to the next requests that have the right credentials.

    `times` requests (None: all), and no longer than `seconds` after it was set; only
    those with more than `above_records` records. With a
    `status` the answer is scripted and nothing is stored, unless `store` says so;
    without one the answer is the true one, sent late, damaged or not at all.
    """

    times: int | None = 1
    seconds: float | None = None
    only: Only = "all"
    above_records: int = 0

    status: int | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    store: bool | None = None
    #: Of the records to store only the first so many, and of these only so large a share:
    #: which ones is random, and always the same for one body. Nobody is told.
    store_first: int | None = None
    store_share: float | None = None
    #: Seconds from the end of the connection until the records are stored.
    store_late: float | None = None

    delay_before_storing: float = 0
    delay_after_storing: float = 0
    hold: Hold = ""
    tamper: tuple[Tamper, ...] = ()
    ending: Ending = "answer"
    #: Seconds between two bytes of a drip.
    drip_seconds: float = 0.2

    def stores(self) -> bool:
        """Return whether what the request carries is stored."""
        if self.store is not None:
            return self.store
        if self.stores_otherwise():
            return True
        scripted = self.status is not None or "empty_fail" in self.tamper
        return not scripted and self.ending not in NOTHING_STORED

    def stores_otherwise(self) -> bool:
        """Return whether not everything is stored, or not in time."""
        return (self.store_first, self.store_share, self.store_late) != (None,) * 3

    def choose(self, count: int, seed: str) -> list[int]:
        """Return which of `count` records are stored, by their index."""
        chosen = range(count if self.store_first is None else self.store_first)[:count]
        if self.store_share is None:
            return list(chosen)
        share = round(len(chosen) * min(max(self.store_share, 0), 1))
        return sorted(random.Random(seed).sample(chosen, share))  # noqa: S311 # to be repeated, not to be secret

    def label(self) -> str:
        """Return the fault in a word, for the page."""
        parts = [str(self.status or ""), *self.tamper, self.hold]
        parts += [
            name
            for name in ("store_first", "store_share", "store_late")
            if getattr(self, name) is not None
        ]
        if self.delay_before_storing or self.delay_after_storing:
            parts.append("delay")
        if self.ending != "answer":
            parts.append(self.ending)
        return " ".join(filter(None, parts)) or "none"


class Poison(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to records whose event name and identity contain these texts.

    With a `code` the record is refused with it; with `drop` it is answered as processed
    and lost, as CleverTap's schema rules do; with neither, the request that carries it
    is refused as a whole with `status`. Each record meets it `times` times (None: ever).
    """

    event_name: str = ""
    identity: str = ""
    code: int | None = None
    drop: bool = False
    status: int = 400
    times: int | None = None

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Return whether `record` is meant."""
        if self.event_name not in str(record.get("evtName", "")):
            return False
        if not self.identity:
            return True
        keys = ("identity", "objectId", "FBID", "GPID")
        return any(self.identity in str(record.get(key, "")) for key in keys)


class SwitchOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What `POST /_sandbox/switches` takes.

    For one location, or for all. `reset` goes first; `rules` changes those it names;
    faults and poison join those that are there.
    """

    location: Location | None = None
    reset: bool = False
    rules: dict[str, Any] = {}
    faults: tuple[Fault, ...] = ()
    poison: tuple[Poison, ...] = ()


#: Faults and poison are read with it: no thread is the first that needs one.
decode_switch_order: Final = msgspec.json.Decoder(SwitchOrder).decode
