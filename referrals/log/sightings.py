"""The sightings of earlier installs, read and written within one append."""

from collections.abc import Sequence
from datetime import datetime

from django.db.backends.utils import CursorWrapper

from referrals.fraud import SightingKey
from referrals.log.rows import Dialect


class EarlierSightings:
    """The sightings that the next event is judged by.

    An install counts for later ones of the same request, as if they had come one by one.
    """

    def __init__(self, cursor: CursorWrapper, app_id: int, dialect: Dialect) -> None:
        self._cursor = cursor
        self._app_id = app_id
        self._dialect = dialect
        self._added: list[SightingKey] = []
        self.values_by_mark: dict[str, set[str]] = {}

    def look_up(self, sightings: Sequence[SightingKey]) -> None:
        """Read the stored sightings at the marks of `sightings`."""
        marks = sorted({sighting.mark for sighting in sightings})
        if marks:
            for mark, value in self._dialect.read_sightings(
                self._cursor, self._app_id, marks
            ):
                self.values_by_mark.setdefault(mark, set()).add(value)

    def add(self, sightings: Sequence[SightingKey]) -> None:
        """Add `sightings` of an event, for the next events."""
        for sighting in sightings:
            values = self.values_by_mark.setdefault(sighting.mark, set())
            if sighting.value not in values:
                values.add(sighting.value)
                self._added.append(sighting)

    def write_added(self, now: datetime) -> None:
        """Store the sightings that were added."""
        if self._added:
            self._dialect.write_sightings(self._cursor, self._app_id, self._added, now)
