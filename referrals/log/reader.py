"""Reading the log: by position, by key, by time."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from django.db import connection
from django.db.models import Max, Min, OuterRef, Subquery

from referrals.log.dialects import find_dialect
from referrals.log.rows import FoundRow
from referrals.models import ReferralEvent
from referrals.schema import Event

_COLUMNS = ("position", "received_at", "body", "request_id")
_HEAD = "SELECT max(position) FROM referrals_referralevent WHERE app_id = {app}"
_HEADS = "SELECT app.id, {head} FROM referrals_app app WHERE app.id IN ({ids})"
_RECEIVED = """
    SELECT app_id, position, received_at FROM referrals_referralevent
    WHERE (app_id, position) IN (VALUES {places})
"""
_RANGE = """
    SELECT position, body, request_id FROM referrals_referralevent
    WHERE app_id = %s AND position BETWEEN %s AND %s ORDER BY position
"""
# Asked once for each halving: the ORM takes five times as long.
_IS_BEFORE = """
    SELECT received_at < %s FROM referrals_referralevent
    WHERE app_id = %s AND position = %s
"""


class LoggedEvent(NamedTuple):
    """An event with its place in the log, and the request that brought it, if one did."""

    position: int
    received_at: datetime
    event: Event
    request_id: str = ""


def read_head(app_id: int) -> int:
    """Return the last position of the app's log; 0 where it is empty."""
    # Asked often: the ORM takes ten times as long to write it as it takes.
    with connection.cursor() as cursor:
        cursor.execute(_HEAD.format(app="%s"), [app_id])
        position: int | None = cursor.fetchone()[0]
    return position or 0


def find_tail(app_id: int) -> int:
    """Return the first position of the app's log that is still there; 1 where it is empty."""
    rows = ReferralEvent.objects.filter(app_id=app_id).order_by("position")
    return rows.values_list("position", flat=True).first() or 1


def read_heads(app_ids: Collection[int]) -> dict[int, int]:
    """Return the last position of each app's log; 0 where one is empty. One statement."""
    if not app_ids:
        return {}
    ids = sorted(set(app_ids))
    placeholders = ", ".join(["%s"] * len(ids))
    with connection.cursor() as cursor:
        cursor.execute(
            _HEADS.format(head=build_head_sql("app.id"), ids=placeholders), ids
        )
        return {app_id: head or 0 for app_id, head in cursor.fetchall()}


def build_head_sql(app: str) -> str:
    """Return the head as an SQL expression, NULL where the log is empty.

    For use inside a larger statement. `app` is a column of that, never a caller's text.
    """
    return f"({_HEAD.format(app=app)})"


def read_range(app_id: int, first: int, last: int) -> list[LoggedEvent]:
    """Return the events from `first` to `last`, both included, ascending.

    Where `last` is not beyond a head that was seen, all of them are there, but for those
    that retention removed.
    """
    rows = ReferralEvent.objects.filter(app_id=app_id, position__range=(first, last))
    return _decode_rows(rows.order_by("position").values_list(*_COLUMNS))


def read_events(
    app_id: int, first: int, last: int
) -> tuple[Iterator[tuple[int, Event]], list[str]]:
    """Return the same events as `read_range`, without times of receipt, at a third of its cost.

    Beside them, in the same order, the requests that brought them. For every upload: the
    times of receipt, which an upload does not need, cost the rest. The rows are read, but
    each event is decoded when its turn comes, so that its memory serves the next one, too.
    """
    return decode_events(read_bodies(app_id, first, last))


def read_bodies(app_id: int, first: int, last: int) -> list[tuple[int, str, str]]:
    """Return the same events as (position, body, request), not decoded yet."""
    with connection.cursor() as cursor:
        cursor.execute(_RANGE, [app_id, first, last])
        rows: list[tuple[int, str, str]] = cursor.fetchall()
    return rows


def decode_event(body: str) -> Event:
    """Return the event of a row's body."""
    return _decoder.decode(body)


def decode_events(
    rows: Sequence[tuple[int, str, str]],
) -> tuple[Iterator[tuple[int, Event]], list[str]]:
    """Return events as `read_events` does, of rows of (position, body, request)."""
    decode = _decoder.decode
    return (
        ((position, decode(body)) for position, body, _ in rows),
        [request_id for _, _, request_id in rows],
    )


def read_positions(app_id: int, positions: Collection[int]) -> list[LoggedEvent]:
    """Return the events at `positions`, ascending. Those that are not there are left out."""
    if not positions:
        return []
    with connection.cursor() as cursor:
        return _decode_rows(
            find_dialect().read_bodies(cursor, app_id, sorted(set(positions)))
        )


def scan_events(app_id: int, after: int, last: int, *, limit: int) -> list[LoggedEvent]:
    """Return the first `limit` events beyond `after`, up to `last`, ascending.

    For going through a whole log: what retention removed costs nothing.
    """
    rows = ReferralEvent.objects.filter(
        app_id=app_id, position__gt=after, position__lte=last
    )
    return _decode_rows(rows.order_by("position").values_list(*_COLUMNS)[:limit])


def find_event(app_id: int, key: str) -> LoggedEvent | None:
    """Return the event with this idempotency key."""
    if "\0" in key:
        return None
    rows = ReferralEvent.objects.filter(app_id=app_id, key=key)
    return next(iter(_decode_rows(rows.values_list(*_COLUMNS))), None)


def find_position(app_id: int, instant: datetime) -> int:
    """Return the last position received before `instant`; 0 where there is none.

    Events that retention removed count as received before. Costs
    one row per halving, since `received_at` never decreases along the log.
    """
    rows = ReferralEvent.objects.filter(app_id=app_id)
    ends = rows.aggregate(first=Min("position"), head=Max("position"))
    if ends["head"] is None:
        return 0
    past = connection.ops.adapt_datetimefield_value(instant)
    low: int = ends["first"] - 1
    high: int = ends["head"]
    with connection.cursor() as cursor:
        while low < high:
            middle = (low + high + 1) // 2
            cursor.execute(_IS_BEFORE, [past, app_id, middle])
            found = cursor.fetchone()
            if found is None or found[0]:
                low = middle
            else:
                high = middle - 1
    return low


def select_received_at(app_id: int, position: OuterRef) -> Subquery:
    """Return when the event at a `position` was received; NULL where it is not there.

    For a query about something that names positions.
    """
    events = ReferralEvent.objects.filter(app_id=app_id, position=position)
    return Subquery(events.values("received_at"))


def read_received_at(
    places: Collection[tuple[int, int]],
) -> dict[tuple[int, int], datetime]:
    """Return when the events at (app, position) were received, of those that are there."""
    # The ORM takes ten times as long to write it as it takes.
    if not places:
        return {}
    listed = ", ".join(["(%s, %s)"] * len(places))
    with connection.cursor() as cursor:
        cursor.execute(
            _RECEIVED.format(places=listed), [n for place in places for n in place]
        )
        return {
            (app_id, position): _read_instant(received_at)
            for app_id, position, received_at in cursor.fetchall()
        }


def _read_instant(stored: datetime) -> datetime:
    """Return an instant as the ORM does: SQLite's have no zone, and are UTC."""
    return stored if stored.tzinfo else stored.replace(tzinfo=UTC)


def _decode_rows(rows: Iterable[FoundRow]) -> list[LoggedEvent]:
    decode = _decoder.decode
    return [
        LoggedEvent(at, received_at, decode(body), request_id)
        for at, received_at, body, request_id in rows
    ]


_decoder = msgspec.json.Decoder(Event)
