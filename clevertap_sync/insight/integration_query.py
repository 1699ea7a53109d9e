"""One statement about many integrations, where the ORM would take longer than the database.

Its text has `{ids}` in place of the integrations' IDs, as in `WHERE integration_id IN ({ids})`.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection


def ask_about(
    ids: Sequence[int], query: str, **instants: datetime
) -> list[tuple[Any, ...]]:
    """Return the rows that a query about these integrations finds; none without any.

    `%(name)s` in its text stands for the instant of that name. Whatever comes back is as the
    driver has it: no instants are to be read, and a sum may be a `Decimal`.
    """
    if not ids:
        return []
    adapt = connection.ops.adapt_datetimefield_value
    given: dict[str, Any] = {name: adapt(value) for name, value in instants.items()}
    given |= {f"id_{number}": key for number, key in enumerate(ids)}
    with connection.cursor() as cursor:
        cursor.execute(_name_integrations(query, len(ids)), given)
        return list(cursor.fetchall())


@lru_cache(maxsize=256)
def _name_integrations(query: str, count: int) -> str:
    names = ", ".join(f"%(id_{number})s" for number in range(count))
    return query.format(ids=names)
