"""The spool's store: two lists on Redis, bounded in bytes and entries.

Each step is one script, so that no two processes can pass the bounds together. What another
program has left under our names is removed: only lists are ours. The braces let a cluster
keep the names together.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

import redis
from django.conf import settings

from clevertap_sync.process import doorbell
from referrals.hooks.spool import (
    Place,
    SpoolAwayError,
    SpoolFullError,
    SpoolState,
)

WAITING: Final = "{referrals.spool}:waiting"
ASIDE: Final = "{referrals.spool}:aside"
SIZE: Final = "{referrals.spool}:bytes"
#: However small they are.
MOST_ENTRIES: Final = 100_000
#: What is read at a time: so much, but at least one entry.
READ_ENTRIES: Final = 200
READ_BYTES: Final = 1_000_000

_KEYS: Final = {"waiting": WAITING, "aside": ASIDE}
_BYTES_PER_MEGABYTE: Final = 1_000_000
_PRELUDE: Final = """
local function length(key)
    local kind = redis.call('TYPE', key).ok
    if kind == 'list' then return redis.call('LLEN', key) end
    if kind ~= 'none' then redis.call('DEL', key) end
    return 0
end
local function read_size(key, entries)
    if entries == 0 or redis.call('TYPE', key).ok ~= 'string' then return 0 end
    return math.max(tonumber(redis.call('GET', key)) or 0, 0)
end
"""
_PUSH: Final = (
    _PRELUDE
    + """
local entries = length(KEYS[1]) + length(KEYS[2])
local size = read_size(KEYS[3], entries) + #ARGV[1]
if entries >= tonumber(ARGV[2]) or size > tonumber(ARGV[3]) then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('SET', KEYS[3], size)
return 1
"""
)
_READ: Final = (
    _PRELUDE
    + """
local found, size = {}, 0
if length(KEYS[1]) == 0 then return found end
for index = 1, tonumber(ARGV[2]) do
    local entry = redis.call('LINDEX', KEYS[1], ARGV[1] + index - 1)
    if not entry then break end
    size = size + #entry
    if index > 1 and size > tonumber(ARGV[3]) then break end
    found[index] = entry
end
return found
"""
)
_REMOVE: Final = (
    _PRELUDE
    + """
local removed, size = {}, 0
local entries = length(KEYS[1])
for index, entry in ipairs(ARGV) do
    removed[index] = entries > 0 and redis.call('LREM', KEYS[1], 1, entry) or 0
    size = size + removed[index] * #entry
end
entries = length(KEYS[1]) + length(KEYS[2])
if size > 0 then
    redis.call('SET', KEYS[3], math.max(read_size(KEYS[3], entries) - size, 0))
end
return removed
"""
)
_SET_ASIDE: Final = (
    _PRELUDE
    + """
local moved = 0
if length(KEYS[1]) == 0 then return moved end
length(KEYS[2])
for _, entry in ipairs(ARGV) do
    if redis.call('LREM', KEYS[1], 1, entry) == 1 then
        redis.call('RPUSH', KEYS[2], entry)
        moved = moved + 1
    end
end
return moved
"""
)
_MEASURE: Final = (
    _PRELUDE
    + """
local waiting, aside = length(KEYS[1]), length(KEYS[2])
return {waiting, aside, read_size(KEYS[3], waiting + aside)}
"""
)


class RedisSpoolStore:
    """The spool of all processes that share a broker."""

    def is_there(self) -> bool:
        """Return whether there is such a store at all. Asks nobody."""
        return bool(settings.REDIS_URL and settings.SPOOL_MEGABYTES)

    def push(self, entry: bytes) -> None:
        """Put an entry at the end. Raises `SpoolFullError` where there is no room."""
        most_bytes = settings.SPOOL_MEGABYTES * _BYTES_PER_MEGABYTE
        try:
            pushed = _run(
                _PUSH, (WAITING, ASIDE, SIZE), entry, MOST_ENTRIES, most_bytes
            )
        except SpoolAwayError as error:
            if isinstance(error.__cause__, redis.exceptions.OutOfMemoryError):
                raise SpoolFullError from None
            raise
        if not pushed:
            raise SpoolFullError

    def read(self, place: Place, start: int = 0) -> list[bytes]:
        """Return some entries in order, those from the index `start` on."""
        found = _run(_READ, (_KEYS[place],), start, READ_ENTRIES, READ_BYTES)
        return cast("list[bytes]", found)

    def remove(self, entries: Sequence[bytes], place: Place) -> list[bool]:
        """Remove each of these entries; return of each whether it was there."""
        other: Place = "aside" if place == "waiting" else "waiting"
        removed = _run(_REMOVE, (_KEYS[place], _KEYS[other], SIZE), *entries)
        return [bool(number) for number in removed]

    def set_aside(self, entries: Sequence[bytes]) -> int:
        """Move entries that wait to those that are kept aside; return how many."""
        return int(_run(_SET_ASIDE, (WAITING, ASIDE), *entries))

    def measure(self) -> SpoolState:
        """Return how much is in there."""
        return SpoolState(*_run(_MEASURE, (WAITING, ASIDE, SIZE)))


def _run(script: str, keys: Sequence[str], *arguments: bytes | int) -> Any:  # noqa: ANN401 - what the script returns
    """Let Redis run the script. It keeps none of ours, so that a flush costs nothing."""
    try:
        return doorbell.open_broker().eval(script, len(keys), *keys, *arguments)
    except redis.RedisError as error:
        raise SpoolAwayError(type(error).__name__) from error
