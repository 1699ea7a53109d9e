"""Numbers for the names of custom events, in the order in which the log meets them."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from django.db import connection
from django.db.models import Max

from referrals.models import CustomName
from referrals.vocabulary import EventType, normalise_name


class HasName(Protocol):
    """What a draft holds. A custom event has no row yet, and nothing else has a name."""

    @property
    def type(self) -> str:
        """An `EventType`."""

    @property
    def name(self) -> str:
        """That of a custom event."""


Contents = Sequence[HasName]

_CUSTOM: Final = EventType.CUSTOM
_SELECT_KNOWN = """
    SELECT normalised, number FROM referrals_customname
    WHERE app_id = %s AND normalised IN ({})
"""

#: More names than any app uses: those of many apps.
_MOST_REMEMBERED: Final = 10_000


def recall_numbers(app_id: int, contents: Contents) -> dict[str, int] | None:
    """Return the numbers of the custom names in drafts; None if one is not remembered.

    They were so when this process read or gave them, and have to be compared.
    """
    names = _find_first_indexes(contents)
    numbers = {name: _remembered.get((app_id, name)) for name in names}
    found = {name: number for name, number in numbers.items() if number is not None}
    return found if len(found) == len(numbers) else None


def clear_numbers() -> None:
    """Clear this process's memory of numbers."""
    _remembered.clear()


def number_names(app_id: int, head: int, contents: Contents) -> dict[str, int]:
    """Return the number of each custom name in drafts, by its normalised form.

    They go into the log after `head`. The caller holds the app's lock, so that no
    number is given twice. Events without a name of their own cost no query.
    """
    first = _find_first_indexes(contents)
    if not first:
        return {}
    numbers = _read_known_numbers(app_id, list(first))
    fresh = [normalised for normalised in first if normalised not in numbers]
    if fresh:
        names = CustomName.objects.filter(app_id=app_id)
        largest = names.aggregate(largest=Max("number"))["largest"] or 0
        numbers |= {name: n for n, name in enumerate(fresh, start=largest + 1)}
        CustomName.objects.bulk_create(
            CustomName(
                app_id=app_id,
                name=contents[first[normalised]].name,
                normalised=normalised,
                number=numbers[normalised],
                first_position=head + 1 + first[normalised],
            )
            for normalised in fresh
        )
    _remember(app_id, numbers)
    return numbers


def _remember(app_id: int, numbers: Mapping[str, int]) -> None:
    if len(_remembered) + len(numbers) > _MOST_REMEMBERED:
        _remembered.clear()
    _remembered.update({(app_id, name): n for name, n in numbers.items()})


def _read_known_numbers(app_id: int, normalised: Sequence[str]) -> dict[str, int]:
    """Return the numbers of those names that have one. Part of every append with names."""
    placeholders = ", ".join(["%s"] * len(normalised))
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_KNOWN.format(placeholders), [app_id, *normalised])
        return dict(cursor.fetchall())


def _find_first_indexes(contents: Contents) -> dict[str, int]:
    """Return the index in `contents` at which each custom name comes first."""
    first: dict[str, int] = {}
    for index, content in enumerate(contents):
        if content.type is _CUSTOM:
            first.setdefault(normalise_name(content.name), index)
    return first


_remembered: Final[dict[tuple[int, str], int]] = {}
