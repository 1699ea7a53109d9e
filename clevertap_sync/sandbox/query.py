"""What a reading call asks for: an event's name, days, and conditions on its data. Pure.

Reference: https://developer.clevertap.com/docs/clevertap-query-language
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from clevertap_sync.sandbox.counting import QUARTER_SECONDS
from clevertap_sync.sandbox.reading_rules import ReadingRules

Primitive = str | int | float
_FIRST_DAY = 19700101
_LAST_DAY = 99981231


class Condition(msgspec.Struct):
    """A condition on one property of the events that are asked for.

    Several values are alternatives. A truth value is asked for as "True" or "False":
    guess: one as JSON is not understood.
    """

    name: str
    operator: str = "equals"
    value: Primitive | list[Primitive] | None = None

    def is_sound(self) -> bool:
        """Return whether the operator exists for values of this type."""
        if self.operator in _EXISTENCE:
            return True
        values = self._values()
        known = all(self.operator in _operators_for(value) for value in values)
        return bool(values) and known

    def matches(self, data: Mapping[str, Any]) -> bool:
        """Return whether an event with this data is meant.

        Guess: one without the property meets no condition but that it does not exist.
        """
        if self.operator in _EXISTENCE:
            return (self.name in data) == (self.operator == "exists")
        if self.name not in data:
            return False
        found = _comparable(data[self.name])
        met = [_compare(self.operator, found, value) for value in self._values()]
        return all(met) if self.operator in _NEGATIONS else any(met)

    def _values(self) -> list[Primitive]:
        if self.value is None:
            return []
        return self.value if isinstance(self.value, list) else [self.value]


class Query(msgspec.Struct):
    """Which events are asked for: their name and the account's days, as YYYYMMDD."""

    event_name: str
    from_: int = msgspec.field(name="from")
    to: int
    event_properties: list[Condition] = []

    def matches(self, data: Mapping[str, Any]) -> bool:
        """Return whether an event with this data meets every condition."""
        return all(each.matches(data) for each in self.event_properties)


class Span(NamedTuple):
    """Quarter-hours from `begins` to before `ends`."""

    begins: int
    ends: int

    def __contains__(self, quarter: object) -> bool:
        """Return whether a quarter-hour is one of them."""
        return isinstance(quarter, int) and self.begins <= quarter < self.ends


_decode: Final = msgspec.json.Decoder(Query).decode


def read_query(body: bytes) -> Query:
    """Return the query in a body.

    Raises ValueError or RecursionError for one that CleverTap would not understand.
    """
    query = _decode(body)
    _date(query.from_)
    _date(query.to)
    if not all(each.is_sound() for each in query.event_properties):
        msg = "A condition has an operator that does not exist for its value"
        raise ValueError(msg)
    return query


def today(rules: ReadingRules, now: float) -> date:
    """Return the account's present day."""
    return datetime.fromtimestamp(now, rules.zone).date()


def is_to_come(query: Query, rules: ReadingRules, now: float) -> bool:
    """Return whether a query asks for a day in the account's future."""
    return _date(query.to) > today(rules, now)


def span(query: Query, rules: ReadingRules, now: float) -> Span:
    """Return the quarter-hours of the query's days, as far back as the account keeps any."""
    first, last = _date(query.from_), _date(query.to)
    if rules.retention_days is not None:
        first = max(first, today(rules, now) - timedelta(days=rules.retention_days))
    return Span(_midnight(first, rules), _midnight(last + timedelta(days=1), rules))


def local_time(ts: int, rules: ReadingRules) -> int:
    """Return an instant in the account's time zone, as yyyyMMddHHmmss."""
    return int(datetime.fromtimestamp(ts, rules.zone).strftime("%Y%m%d%H%M%S"))


def _date(number: int) -> date:
    """Return a day. Raises ValueError for a number that is none of these centuries."""
    if not _FIRST_DAY <= number <= _LAST_DAY:
        msg = "A day is a number of the form YYYYMMDD"
        raise ValueError(msg)
    return datetime.strptime(str(number), "%Y%m%d").replace(tzinfo=UTC).date()


def _midnight(day: date, rules: ReadingRules) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=rules.zone)
    return int(midnight.timestamp()) // QUARTER_SECONDS


def _comparable(value: object) -> object:
    return str(value) if isinstance(value, bool) else value


def _compare(operator: str, found: object, wanted: Primitive) -> bool:
    """Return whether a comparison holds; values of two types never compare."""
    if isinstance(wanted, str) and isinstance(found, str):
        return _TEXT[operator](found, wanted)
    if isinstance(wanted, str) or not isinstance(found, int | float):
        return operator in _NEGATIONS
    return _NUMBER[operator](found, wanted)


def _operators_for(value: Primitive) -> Mapping[str, Any]:
    return _TEXT if isinstance(value, str) else _NUMBER


_EXISTENCE = frozenset({"exists", "does_not_exist"})
_NEGATIONS = frozenset({"not_equals", "does_not_contain"})
_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "equals": lambda found, wanted: found == wanted,
    "not_equals": lambda found, wanted: found != wanted,
    "contains": lambda found, wanted: wanted in found,
    "does_not_contain": lambda found, wanted: wanted not in found,
}
_NUMBER: Mapping[str, Callable[[float, float], bool]] = {
    "equals": lambda found, wanted: found == wanted,
    "greater_than": lambda found, wanted: found > wanted,
    "greater_than_equals": lambda found, wanted: found >= wanted,
    "less_than": lambda found, wanted: found < wanted,
    "less_than_equals": lambda found, wanted: found <= wanted,
}
