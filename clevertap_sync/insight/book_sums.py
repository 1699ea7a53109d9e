"""What the books are checked by: of each integration a few sums, read for all at once.

Whatever number of integrations there is, it takes three statements: one goes through all
uploads, one through the ranges in the log's order, one counts what belongs to no upload's row.
They are SQL, because the ORM took most of the time composing them. A condition that finds a
fault stands here once: `list_uploads` lists the uploads that `read_book_sums` has counted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from clevertap_sync.insight.integration_query import ask_about

#: How many uploads of one fault are told.
SHOWN: Final = 5

#: Of a settled upload `u`: its records are not what became of them.
HAS_WRONG_SUMS: Final = (
    "u.state = 'settled' AND (u.records IS NULL "
    "OR u.records <> u.delivered + u.dead + u.waiting)"
)
#: Of a settled part: it has not the records that it covers.
COVERS_OTHERS: Final = "u.state = 'settled' AND u.covers <> u.records + u.unsent"
HAS_NO_PARTS: Final = (
    "u.state = 'split' AND NOT EXISTS "
    "(SELECT 1 FROM clevertap_sync_upload p WHERE p.parent_id = u.id)"
)
#: How many records the parts of an upload `u` cover; NULL where it has none.
COVERED_BY_PARTS: Final = (
    "(SELECT sum(p.covers) FROM clevertap_sync_upload p WHERE p.parent_id = u.id)"
)
HAS_OTHER_PARTS: Final = (
    "u.state = 'split' AND u.records IS NOT NULL "
    f"AND coalesce({COVERED_BY_PARTS}, -1) <> u.records"
)

_UPLOADS: Final = f"""
    SELECT u.integration_id,
        coalesce(sum(CASE WHEN u.state = 'settled' AND u.replay_id IS NULL
            THEN u.dead + u.waiting END), 0),
        coalesce(sum(CASE WHEN u.state = 'settled' AND u.id <= i.tallied_to
            THEN u.delivered END), 0),
        count(CASE WHEN {HAS_NO_PARTS} THEN 1 END),
        count(CASE WHEN {HAS_OTHER_PARTS} THEN 1 END),
        count(CASE WHEN {HAS_WRONG_SUMS} THEN 1 END),
        count(CASE WHEN {COVERS_OTHERS} THEN 1 END),
        count(u.identities)
    FROM clevertap_sync_upload u
    JOIN clevertap_sync_integration i ON i.id = u.integration_id
    WHERE u.integration_id IN ({{ids}})
    GROUP BY u.integration_id
"""  # noqa: S608 - our own conditions

# Each range with the end of the one before it, which is the tail for the first one.
_RANGES_IN_ORDER: Final = """
    SELECT u.integration_id, u.id, u.first, u.last,
        coalesce(lag(u.last) OVER in_order, i.tail) AS before,
        lead(u.first) OVER in_order AS following
    FROM clevertap_sync_upload u
    JOIN clevertap_sync_integration i ON i.id = u.integration_id
    WHERE u.integration_id IN ({ids}) AND u.parent_id IS NULL AND u.replay_id IS NULL
    WINDOW in_order AS (PARTITION BY u.integration_id ORDER BY u.first)
"""
_IS_UNTILED: Final = "r.first <> r.before + 1"
_RANGES: Final = f"""
    SELECT r.integration_id, count(CASE WHEN {_IS_UNTILED} THEN 1 END),
        max(CASE WHEN r.following IS NULL THEN r.last END)
    FROM ({_RANGES_IN_ORDER}) r
    GROUP BY r.integration_id
"""  # noqa: S608 - our own words
_UNTILED: Final = f"""
    SELECT r.id, r.first, r.before FROM ({_RANGES_IN_ORDER}) r
    WHERE {_IS_UNTILED} ORDER BY r.first LIMIT {SHOWN}
"""  # noqa: S608 - our own words

_FURTHER: Final = {
    # Few letters fell out of a replay, so these are counted, and not all others looked up.
    "letters": """
        SELECT d.integration_id, count(*) AS n FROM clevertap_sync_deadletter d
        WHERE d.integration_id IN ({ids}) GROUP BY d.integration_id
    """,
    "letters_of_replays": """
        SELECT d.integration_id, count(*) AS n FROM clevertap_sync_deadletter d
        JOIN clevertap_sync_upload u ON u.id = d.upload_id AND u.replay_id IS NOT NULL
        WHERE d.integration_id IN ({ids}) GROUP BY d.integration_id
    """,
    "stranded": """
        SELECT d.integration_id, count(*) AS n FROM clevertap_sync_deadletter d
        WHERE d.integration_id IN ({ids}) AND d.state = 'replaying' AND NOT EXISTS (
            SELECT 1 FROM clevertap_sync_upload u WHERE u.state = 'open'
            AND (u.id = d.replay_upload_id OR u.root_id = d.replay_upload_id)
        ) GROUP BY d.integration_id
    """,
    "without_wait": """
        SELECT d.integration_id, count(*) AS n FROM clevertap_sync_deadletter d
        WHERE d.integration_id IN ({ids}) AND d.state = 'waiting' AND NOT EXISTS (
            SELECT 1 FROM clevertap_sync_waitingrecord w
            WHERE w.letter_id = d.id AND w.integration_id = d.integration_id
        ) GROUP BY d.integration_id
    """,
    "idle_waits": """
        SELECT w.integration_id, count(*) AS n FROM clevertap_sync_waitingrecord w
        JOIN clevertap_sync_deadletter d ON d.id = w.letter_id AND d.state <> 'waiting'
        WHERE w.integration_id IN ({ids}) GROUP BY w.integration_id
    """,
    "tallied": """
        SELECT t.integration_id, sum(t.delivered + t.replayed) AS n
        FROM clevertap_sync_tally t
        WHERE t.integration_id IN ({ids}) GROUP BY t.integration_id
    """,
}
_COUNTS: Final = " UNION ALL ".join(
    f"SELECT '{name}', {name}.integration_id, {name}.n FROM ({query}) {name}"  # noqa: S608 - our own
    for name, query in _FURTHER.items()
)


class UploadSums(NamedTuple):
    """What an integration's uploads come to. Of faults, the number of uploads with it."""

    #: Records that were booked dead or waiting, replays left out.
    booked: int = 0
    #: Records that were delivered by the uploads that are in the tallies.
    delivered_to_tallies: int = 0
    without_parts: int = 0
    with_other_parts: int = 0
    with_wrong_sums: int = 0
    covering_others: int = 0
    #: Uploads that say under whom their records go out. No fault.
    pinned: int = 0


class RangeSums(NamedTuple):
    """How many ranges leave a gap or an overlap, and the last position of the last one."""

    untiled: int = 0
    reached: int | None = None


@dataclass(frozen=True, slots=True)
class BookSums:
    """What was summed up of one integration."""

    uploads: UploadSums
    ranges: RangeSums
    #: Dead letters that fell out of uploads of the log.
    written: int
    #: Letters of a replay that has ended.
    stranded: int
    #: Letters that wait, but for nobody.
    without_wait: int
    #: Waits of letters that do not wait.
    idle_waits: int
    #: Records that were delivered according to the tallies.
    tallied: int


def read_book_sums(ids: Sequence[int]) -> dict[int, BookSums]:
    """Return the sums of each of these integrations. It reads all of their uploads."""
    uploads = {
        key: UploadSums(*map(int, sums)) for key, *sums in ask_about(ids, _UPLOADS)
    }
    ranges = {key: RangeSums(*sums) for key, *sums in ask_about(ids, _RANGES)}
    counts: Counter[tuple[str, int]] = Counter()
    for name, key, number in ask_about(ids, _COUNTS):
        counts[name, key] = int(number)
    return {
        key: BookSums(
            uploads.get(key, UploadSums()),
            ranges.get(key, RangeSums()),
            written=counts["letters", key] - counts["letters_of_replays", key],
            stranded=counts["stranded", key],
            without_wait=counts["without_wait", key],
            idle_waits=counts["idle_waits", key],
            tallied=counts["tallied", key],
        )
        for key in ids
    }


def list_uploads(
    integration_id: int, condition: str, columns: str
) -> list[tuple[Any, ...]]:
    """Return these columns of the first few uploads with a fault: a condition from above."""
    query = (
        f"SELECT {columns} FROM clevertap_sync_upload u "  # noqa: S608 - our own words
        f"WHERE u.integration_id IN ({{ids}}) AND {condition} ORDER BY u.id LIMIT {SHOWN}"
    )
    return ask_about([integration_id], query)


def list_untiled_ranges(integration_id: int) -> list[tuple[Any, ...]]:
    """Return the first few ranges that do not begin where the one before them ended.

    Each as (ID, first position, last position of the one before).
    """
    return ask_about([integration_id], _UNTILED)
