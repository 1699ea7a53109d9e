"""Parked letters: what was never answered is looked up in CleverTap's counts, a day later.

Letters of one account, name and day are one question. The answer is written on the letters,
and nothing is sent again by itself: a person decides, with that evidence.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.causes.week import QUARTER_SECONDS, Delivered
from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.clevertap.reasons import OUTCOME_UNKNOWN
from clevertap_sync.insight.delivered_counts import (
    find_day,
    find_newest_settled,
    find_quarters,
)
from clevertap_sync.models import DeadLetter, Statement
from clevertap_sync.reconciliation import reader
from clevertap_sync.reconciliation.our_numbers import OurName, read_ours
from clevertap_sync.reconciliation.parked_verdict import (
    ComparedDay,
    is_clean,
    judge_day,
)
from clevertap_sync.reconciliation.reconciling_account import (
    ReconcilingAccount,
    find_reconciling_accounts,
)
from referrals import log

#: CleverTap has said nowhere how soon its counts are whole.
LOOK_AFTER: Final = timedelta(hours=24)
#: What cannot be told yet is not read again sooner.
LOOK_EVERY: Final = timedelta(hours=1)
#: So long a letter waits for a night that compares its week.
WAIT_FOR_WEEK: Final = timedelta(days=3)
#: Days beside the letter's that show whether its week is clean.
WEEK: Final = timedelta(days=6)
#: What one round looks at, of each account.
MOST_LETTERS: Final = 2_000
MOST_QUESTIONS: Final = 20
SECONDS: Final = 60.0

#: By account. A memory of this process: another one may look at the same moment.
_look_again_at: dict[int, datetime] = {}


class _Cell(NamedTuple):
    """What is asked: a folded name on a day of the account."""

    name: str
    day: date


def look_up_parked_letters(now: datetime) -> int:
    """Look up the letters that are due, account by account; return how many have a verdict.

    Safe to run anywhere: the account's lease lets one process ask.
    """
    written = 0
    for found in find_reconciling_accounts():
        if now >= _look_again_at.get(found.account.pk, now):
            mine = _look_up_account(found, now)
            _look_again_at[found.account.pk] = now if mine else now + LOOK_EVERY
            written += mine
    return written


def forget_when_to_look() -> None:
    """Look at once, as a new process does."""
    _look_again_at.clear()


def _look_up_account(found: ReconcilingAccount, now: datetime) -> int:
    letters = _find_due_letters(found, now)
    if not letters:
        return 0
    groups = _group_by_cell(found, letters)
    verdicts = _Verdicts(now)
    first_day, today = found.find_first_day(), found.find_day(now)
    asked: list[tuple[_Cell, Sequence[DeadLetter]]] = []
    for cell, mine in groups.items():
        if cell is None or first_day is None or cell.day < first_day:
            verdicts.write(mine, None)
        elif cell.day < today:
            asked.append((cell, mine))
    if asked:
        _Questions(found, verdicts).ask(asked)
    return verdicts.written


def _find_due_letters(found: ReconcilingAccount, now: datetime) -> list[DeadLetter]:
    """Return what was parked a day ago and not looked up, by the index of such letters."""
    letters = DeadLetter.objects.open().filter(
        integration__in=found.ids,
        reason=OUTCOME_UNKNOWN,
        found="",
        changed_at__lte=now - LOOK_AFTER,
    )
    columns = letters.select_related("integration").only(
        *("integration__app", "position", "event_name", "changed_at"),
        *("upload", "replay_upload"),
    )
    return list(columns.order_by("changed_at")[:MOST_LETTERS])


def _group_by_cell(
    found: ReconcilingAccount, letters: Iterable[DeadLetter]
) -> Mapping[_Cell | None, list[DeadLetter]]:
    """Group letters by name and day. None: its event is gone, or was sent by another time."""
    by_app: defaultdict[int, list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        by_app[letter.integration.app_id].append(letter)
    groups: defaultdict[_Cell | None, list[DeadLetter]] = defaultdict(list)
    for app_id, mine in by_app.items():
        positions = {int(letter.position or 0) for letter in mine}
        events = log.read_positions(app_id, positions)
        instants = {each.position: each.event.occurred_at for each in events}
        for letter in mine:
            instant = _find_ts(letter, instants.get(int(letter.position or 0)))
            groups[_make_cell(found, letter, instant)].append(letter)
    return groups


def _find_ts(letter: DeadLetter, occurred_at: datetime | None) -> datetime | None:
    """Return the time that the record was sent with."""
    upload = letter.replay_upload or letter.upload
    return upload.known_at or occurred_at


def _make_cell(
    found: ReconcilingAccount, letter: DeadLetter, instant: datetime | None
) -> _Cell | None:
    if instant is None:
        return None
    quarter = int(instant.timestamp()) // QUARTER_SECONDS
    name = normalise_event_name(letter.event_name)
    return _Cell(name, find_day(quarter, found.zone))


class _Verdicts:
    """Writes what was found on the letters."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.written = 0

    def write(self, letters: Sequence[DeadLetter], is_there: bool | None) -> None:  # noqa: FBT001 - a verdict
        """Write it, but on no letter that a person has replayed meanwhile."""
        verdict = {
            True: DeadLetter.Found.FOUND,
            False: DeadLetter.Found.NOT_FOUND,
            None: DeadLetter.Found.UNCLEAR,
        }[is_there]
        for letter in letters:
            same = DeadLetter.objects.open().filter(
                pk=letter.pk, reason=OUTCOME_UNKNOWN, changed_at=letter.changed_at
            )
            self.written += same.update(found=verdict, found_at=self.now)


@dataclass(frozen=True, slots=True)
class _Known:
    """Of one account: what was delivered, by folded name and day, and when that settled."""

    ours: Mapping[str, OurName]
    settled_at: Mapping[date, float]


class _Questions:
    """Asks about one account's names and days."""

    def __init__(self, found: ReconcilingAccount, verdicts: _Verdicts) -> None:
        self._found = found
        self._verdicts = verdicts

    def ask(self, asked: Sequence[tuple[_Cell, Sequence[DeadLetter]]]) -> None:
        """Ask as many as the round allows; the rest is due in the next one."""
        known = self._read_known([cell for cell, _ in asked])
        ready = []
        for cell, letters in asked:
            week = self._read_week(cell)
            if is_clean(week) and self._is_quiet(known, cell):
                ready.append((cell, letters, week))
            elif self._waited_long(letters):
                self._verdicts.write(letters, None)
        if not ready:
            return
        with reader.open_reader(self._found.account, seconds=SECONDS) as reading:
            if reading is None:
                return
            try:
                for cell, letters, week in ready[:MOST_QUESTIONS]:
                    self._ask_one(reading, known, cell, letters, week)
            except reader.ReadingStopped:
                # The lease says why, and until when. What is left stays due.
                return

    def _ask_one(
        self,
        reading: reader.Reading,
        known: _Known,
        cell: _Cell,
        letters: Sequence[DeadLetter],
        week: Sequence[ComparedDay],
    ) -> None:
        ours = known.ours.get(cell.name)
        delivered = ours.find(cell.day) if ours else Delivered()
        name = ours.name if ours else letters[0].event_name
        try:
            counted = reading.count(name, cell.day, cell.day)
        except reader.QuestionRefused:
            self._verdicts.write(letters, None)
            return
        verdict = judge_day(delivered, counted, letters=len(letters), week=week)
        self._verdicts.write(letters, verdict)

    def _waited_long(self, letters: Sequence[DeadLetter]) -> bool:
        newest = max(letter.changed_at for letter in letters)
        return newest <= self._verdicts.now - WAIT_FOR_WEEK

    def _is_quiet(self, known: _Known, cell: _Cell) -> bool:
        """Return whether nothing of that day was delivered since counts may lack it."""
        settled = known.settled_at.get(cell.day, 0.0)
        return settled <= (self._verdicts.now - LOOK_AFTER).timestamp()

    def _read_week(self, cell: _Cell) -> list[ComparedDay]:
        """Return the other days of the name that were compared; none where people count."""
        rows = Statement.objects.filter(
            account=self._found.account,
            folded_name=cell.name,
            day__range=(cell.day - WEEK, cell.day + WEEK),
        )
        others = list(rows.exclude(day=cell.day))
        if any(_counts_people(each) for each in others):
            return []
        return [
            ComparedDay(
                each.day,
                Delivered(each.delivered, each.maybe_more, each.maybe_fewer),
                each.counted,
            )
            for each in others
        ]

    def _read_known(self, cells: Sequence[_Cell]) -> _Known:
        days = [cell.day for cell in cells]
        first, last = min(days), max(days)
        quarters = find_quarters(first, last, self._found.zone)
        settled_at = find_newest_settled(self._found.ids, *quarters, self._found.zone)
        return _Known(read_ours(self._found, first, last), settled_at)


def _counts_people(statement: Statement) -> bool:
    return any(each["code"] == codes.COUNTS_PEOPLE for each in statement.causes)
