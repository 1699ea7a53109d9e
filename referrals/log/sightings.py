"""The sightings of earlier installs, read and written within one append."""

from collections.abc import Collection
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from referrals.fraud import SightingMemory
from referrals.log.rows import Dialect
from referrals.models import Sighting

_CHUNK = 500


def look_up_sightings(
    cursor: CursorWrapper, app_id: int, dialect: Dialect, marks: Collection[str]
) -> SightingMemory:
    """Return what earlier installs of the app left at `marks`."""
    memory = SightingMemory()
    if marks:
        for seen in dialect.read_sightings(cursor, app_id, sorted(marks)):
            memory.load(*seen)
    return memory


def write_changes(
    cursor: CursorWrapper, app_id: int, dialect: Dialect, memory: SightingMemory
) -> None:
    """Store what was added to `memory`, and remove what it gave up."""
    changes = memory.list_changes()
    if changes.seen:
        dialect.write_sightings(cursor, app_id, changes.seen)
    # Of a farm alone: a household never leaves so many.
    remove_sightings_at(app_id, changes.removed)


def remove_sightings_at(app_id: int, places: Collection[tuple[str, str]]) -> None:
    """Remove the app's sightings at these marks with these values."""
    keys = [(app_id, UUID(mark), UUID(value)) for mark, value in places]
    for start in range(0, len(keys), _CHUNK):
        Sighting.objects.filter(pk__in=keys[start : start + _CHUNK]).delete()
