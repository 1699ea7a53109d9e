"""Causes whose size the log and the doubts predict: which of them make up a difference."""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from heapq import nlargest
from itertools import combinations
from math import inf
from typing import Final, NamedTuple

from clevertap_sync.clevertap.causes import sentences
from clevertap_sync.clevertap.causes.cells import Cell, fits
from clevertap_sync.clevertap.causes.questions import Questions
from clevertap_sync.clevertap.causes.week import EITHER, Cause, LogScan

#: Three causes at once are looked for among so many candidates, and have to fit exactly.
_MOST_TOGETHER, _MOST_FOR_THREE = 3, 12
#: Two are looked for among so many: names of properties may be without end.
_MOST_FOR_TWO: Final = 200
#: So many properties of a name are looked at, those first that most records have.
_MOST_PROPERTIES: Final = 100
#: So many sets of causes are held against CleverTap's own counts.
_MOST_SETS: Final = 6
#: So few of a day may well be late, whatever else of it shows.
_HANDFUL: Final = 5

Say = Callable[[int], Cause]


class Candidate(NamedTuple):
    """A cause that might be. Its size is from `low` to `high`, signed; `say` puts it in words.

    Where it is true, CleverTap counts `remaining` records that have each of `witnesses`,
    which are properties; None: as many as it counts in all. `policy` tells what the account
    demands, on every day of a name. `is_doubt` says that CleverTap's answers allow it, and
    nothing else speaks for it.
    """

    low: int
    high: int
    say: Say
    policy: str = ""
    witnesses: tuple[str, ...] = ()
    remaining: int | None = None
    is_doubt: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether one size is predicted."""
        return self.low == self.high


class Sized(NamedTuple):
    """Causes that sum up to a difference, but for `off`.

    `is_proved` says that CleverTap's own counts bear them out, which the sizes do not imply.
    """

    off: int
    causes: Sequence[tuple[Candidate, int]]
    is_proved: bool = False

    @property
    def policies(self) -> set[str]:
        """Return what the account demands of the name, if that is the cause."""
        return {candidate.policy for candidate, _ in self.causes if candidate.policy}

    @property
    def is_doubt(self) -> bool:
        """Whether nothing but doubt explains it."""
        return all(candidate.is_doubt for candidate, _ in self.causes)

    def put_in_words(self) -> list[Cause]:
        """Return the causes with their sentences."""
        return [candidate.say(size) for candidate, size in self.causes]


def find_sized(
    cell: Cell,
    questions: Questions,
    *,
    were_deleted: bool,
    policies: Container[str] | None = None,
) -> Sized | None:
    """Return the causes that make up the cell's difference but for 5 %; None where none do.

    One cause is better than two, an exact size better than a near one. What CleverTap's own
    counts of a property refute is out; what they cannot tell apart is not named. `policies`
    are those that may be; None: all.
    """
    scan = questions.scan(cell)
    candidates = list(_list_doubts(cell))
    candidates += [
        each
        for each in list_predicted(scan, were_deleted=were_deleted)
        if _may_be(each, scan, policies)
    ]
    for count in range(1, _MOST_TOGETHER + 1):
        sets = _make_up(cell.difference, candidates, count)
        chosen, is_unclear = _choose(sets, cell, questions)
        if chosen or is_unclear:
            return chosen
    if were_deleted and _are_enough_erased(cell, scan):
        size = cell.difference
        return Sized(0, [(Candidate(size, size, sentences.say_deleted), size)])
    return None


def _may_be(
    candidate: Candidate, scan: LogScan | None, policies: Container[str] | None
) -> bool:
    """Whether a policy may be one of the name's: where it forbids all, silence looks alike."""
    if not candidate.policy or scan is None:
        return True
    if policies is None:
        return -candidate.low < scan.records
    return candidate.policy in policies


def _are_enough_erased(cell: Cell, scan: LogScan | None) -> bool:
    if scan is None or cell.is_recent:
        return False
    return -scan.erased <= cell.difference < 0


def find_doubt(cell: Cell) -> list[Cause]:
    """Return the cause of a difference that is within doubt."""
    return [
        candidate.say(cell.difference)
        for candidate in _list_doubts(cell)
        if candidate.low <= cell.difference <= candidate.high
    ]


def _list_doubts(cell: Cell) -> Iterator[Candidate]:
    more, fewer = cell.expected.maybe_more, cell.expected.maybe_fewer
    if more:
        yield Candidate(
            1, more, lambda size: sentences.say_sent_twice(size, more), is_doubt=True
        )
    if fewer:
        yield Candidate(
            -fewer,
            -1,
            lambda size: sentences.say_maybe_refused(size, fewer),
            is_doubt=True,
        )


def list_predicted(scan: LogScan | None, *, were_deleted: bool) -> Iterator[Candidate]:
    """Return what the log predicts, in the order of the codes."""
    if scan is None:
        return
    if were_deleted:
        # What was known of those who were deleted is no matter: their records are gone.
        scan = scan._replace(unknown=scan.unknown - scan.erased)
    yield from _list_lacking(scan)
    for name, types in _list_types(scan):
        total = types.total()
        for type_name, count in sorted(types.items()):
            yield _predict_mistyped(name, type_name, count, total - count, scan)
        if len(types) > 1:
            yield _predict_mistyped(name, "", total, 0, scan)
    if were_deleted and scan.erased:
        yield Candidate(-scan.erased, -scan.erased, sentences.say_deleted)


def _list_types(scan: LogScan) -> list[tuple[str, Counter[str]]]:
    """Return the properties that most records have, and the types of each, by name."""
    largest = nlargest(
        _MOST_PROPERTIES, scan.types.items(), key=lambda each: each[1].total()
    )
    return sorted(largest)


def _list_lacking(scan: LogScan) -> Iterator[Candidate]:
    channel, content, either = (
        scan.lacking[name] for name in ("Channel", "Content", EITHER)
    )
    for count, properties, witnesses in (
        (channel, "Channel", ("Channel",)),
        (content, "Content", ("Content",)),
        (0 if either in {channel, content} else either, EITHER, ("Channel", "Content")),
    ):
        if count:
            yield _predict_lacking(count, properties, witnesses, scan)


def _predict_lacking(
    count: int, properties: str, witnesses: tuple[str, ...], scan: LogScan
) -> Candidate:
    def say(size: int) -> Cause:
        return sentences.say_property_missing(size, properties)

    return Candidate(-count - scan.unknown, -count, say, properties, witnesses)


def _predict_mistyped(
    name: str, type_name: str, count: int, rest: int, scan: LogScan
) -> Candidate:
    def say(size: int) -> Cause:
        return sentences.say_property_type(size, name, type_name)

    least = -count - scan.unknown
    return Candidate(least, -count, say, f"{name} {type_name}", (name,), rest)


def _make_up(
    difference: int, candidates: Sequence[Candidate], count: int
) -> list[Sized]:
    """Return the sets of `count` causes that sum up to the difference, the nearest first."""
    if len(candidates) > {2: _MOST_FOR_TWO, 3: _MOST_FOR_THREE}.get(count, inf):
        return []
    sets = [_size(difference, together) for together in combinations(candidates, count)]
    found = [each for each in sets if each is not None]
    if count == _MOST_TOGETHER:
        found = [each for each in found if each.off == 0]
    return sorted(found, key=lambda each: each.off)[:_MOST_SETS]


def _size(difference: int, together: Sequence[Candidate]) -> Sized | None:
    """Return the candidates with sizes that sum up to the difference but for 5 %, or None."""
    exact = sum(candidate.low for candidate in together if candidate.is_exact)
    open_ones = [candidate for candidate in together if not candidate.is_exact]
    if len(open_ones) > 1 or _are_alternatives(together):
        return None
    if not open_ones:
        if not fits(exact, difference):
            return None
        return Sized(
            abs(exact - difference),
            [(candidate, candidate.low) for candidate in together],
        )
    rest = difference - exact
    if not open_ones[0].low <= rest <= open_ones[0].high:
        return None
    causes = [(each, each.low if each.is_exact else rest) for each in together]
    return Sized(0, causes)


def _are_alternatives(together: Sequence[Candidate]) -> bool:
    """Whether two of the causes lay claim to the same records."""
    witnesses = [name for candidate in together for name in candidate.witnesses]
    lacking = [
        each for each in together if each.witnesses and each.remaining is None
    ]  # fmt: skip
    return len(lacking) > 1 or len(set(witnesses)) < len(witnesses)


def _choose(
    sets: Sequence[Sized], cell: Cell, questions: Questions
) -> tuple[Sized | None, bool]:
    """Return the set to believe, and whether several are left that nobody can tell apart."""
    unclear: list[Sized] = []
    for each in sets:
        is_true = _is_borne_out(each, cell, questions)
        is_proof = is_true and _is_proof(each)
        if is_proof or (is_true and not cell.is_young):
            return each._replace(is_proved=bool(is_proof)), False
        if is_true is not False:
            unclear.append(each)
    if cell.is_recent or (cell.is_young and abs(cell.difference) < _HANDFUL):
        # By chance, what is not processed yet may be as much as something predicts.
        return None, False
    nearest = [each for each in unclear if each.off == unclear[0].off]
    return (nearest[0], False) if len(nearest) == 1 else (None, bool(nearest))


def _is_proof(sized: Sized) -> bool:
    """Whether the counts say more than the sizes: a type's do only where some lack the key."""
    return all(
        candidate.remaining is None for candidate, _ in sized.causes if candidate.policy
    )


def _is_borne_out(sized: Sized, cell: Cell, questions: Questions) -> bool | None:
    """Return whether CleverTap's own counts of properties agree; None: they do not tell."""
    answers = [
        _does_agree(candidate, witness, sized, cell, questions)
        for candidate, _ in sized.causes
        for witness in candidate.witnesses
    ]
    if False in answers:
        return False
    return None if None in answers or not answers else True


def _does_agree(
    candidate: Candidate, witness: str, sized: Sized, cell: Cell, questions: Questions
) -> bool | None:
    counted = questions.count_with(cell, witness)
    if counted is None:
        return None
    if candidate.remaining is None:
        return counted == cell.counted + cell.others
    # The other causes may have touched any of what remains, and what is not known has some.
    unknown = candidate.high - candidate.low
    slack = (
        cell.others
        + unknown
        + sum(abs(size) for each, size in sized.causes if each is not candidate)
    )
    off = abs(counted - candidate.remaining)
    return off <= slack or fits(counted, candidate.remaining)
