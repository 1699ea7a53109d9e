"""Parked letters: whether CleverTap's counts show the records whose outcome is unknown.

`reconciliation` looks them up, where an integration compares with CleverTap. A letter that
was found stays a dead letter of the books, but nobody has to do anything about it.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from django.db.models import Count

from clevertap_sync.clevertap.reasons import OUTCOME_UNKNOWN
from clevertap_sync.models import DeadLetter

#: In `--json`, what was not looked up, or not yet.
NOT_LOOKED_UP: Final = "not_looked_up"


class ParkedLetters(NamedTuple):
    """Open letters of unknown outcome, by what CleverTap's counts say of them."""

    found: int = 0
    not_found: int = 0
    unclear: int = 0
    not_looked_up: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)

    @property
    def sentence(self) -> str:
        """What the counts say of them; empty where none was looked up."""
        said = [
            (self.found, "found in CleverTap"),
            (self.not_found, "not found, safe to replay"),
            (self.unclear, "unclear"),
            (self.not_looked_up, "not looked up yet"),
        ]
        if self.total == self.not_looked_up:
            return ""
        parts = [f"{count:,} {words}" for count, words in said if count]
        return f"By CleverTap's counts: {', '.join(parts)}."


#: What each verdict means, and what follows from it.
VERDICTS: Final = {
    DeadLetter.Found.FOUND: "CleverTap has it: its count of that name and day has room for "
    "every request with these records. Leave the dead letter as it is.",
    DeadLetter.Found.NOT_FOUND: "CleverTap has not got it: it counts of that name and day "
    "exactly what was delivered otherwise. A replay counts nothing twice.",
    DeadLetter.Found.UNCLEAR: "CleverTap's counts do not tell: they fit neither, or the week "
    "around that day differs for another reason. Look for the event under the person's "
    "profile.",
}


def count_parked_letters(
    integration_ids: Iterable[int],
) -> dict[int, ParkedLetters]:
    """Return, by integration, its open letters of unknown outcome. Without any it has none."""
    letters = DeadLetter.objects.open().filter(
        integration__in=list(integration_ids), reason=OUTCOME_UNKNOWN
    )
    rows = letters.values_list("integration", "found").annotate(n=Count("*"))
    found: dict[int, ParkedLetters] = {}
    for integration_id, verdict, count in rows.order_by():
        known = found.get(integration_id, ParkedLetters())
        found[integration_id] = known._replace(**{verdict or NOT_LOOKED_UP: count})
    return found
