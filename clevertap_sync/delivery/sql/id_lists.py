"""Many IDs in a condition, as one parameter.

The ORM composes a placeholder for each, checks each, and the driver reads them all again:
for a thousand, that takes longer than the statement. SQLite takes a few hundred at most.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from django.db import connection
from django.db.models.expressions import RawSQL

_SELECT: Final = {
    "postgresql": "SELECT value::{type} FROM json_array_elements_text(%s::json)",
    "sqlite": "SELECT value FROM json_each(%s)",
}


def make_id_list(ids: Iterable[int]) -> RawSQL:
    """Return numbers, as many as one likes, for a condition such as `pk__in`."""
    return _make_list(list(ids), "bigint")


def make_hash_list(hashes: Iterable[str]) -> RawSQL:
    """Return hashes, 32 hexadecimal digits each, for a condition such as `hash__in`."""
    return _make_list(list(hashes), "uuid")


def _make_list(values: list[int] | list[str], column_type: str) -> RawSQL:
    statement = _SELECT[connection.vendor].format(type=column_type)
    return RawSQL(statement, [msgspec.json.encode(values).decode()])  # noqa: S611
