"""What an account's schema demands of a name's records: the same on all of its days.

On one day a number may agree by chance. So a demand that CleverTap's own counts do not prove is
believed only where the other days of its name show it too.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from clevertap_sync.clevertap.causes import sentences
from clevertap_sync.clevertap.causes.cells import Cell
from clevertap_sync.clevertap.causes.parts import Part
from clevertap_sync.clevertap.causes.questions import Questions
from clevertap_sync.clevertap.causes.sized import Candidate, list_predicted
from clevertap_sync.clevertap.causes.week import Cause

Policies = set[str]


def revoke_chances(parts: Sequence[Part], questions: Questions) -> dict[str, Policies]:
    """Take back what agrees by chance. Return each folded name's policies that are left."""
    left: dict[str, Policies] = defaultdict(set)
    for folded, row in _group(parts).items():
        policies = set().union(*(_policies(part) for part in row))
        for policy in policies:
            holders = [part for part in row if policy in _policies(part)]
            if _is_believed(policy, holders, row, questions):
                left[folded].add(policy)
                continue
            for part in holders:
                part.sized = None
    return left


def find_beside_doubt(
    cell: Cell, policies: Policies, questions: Questions
) -> list[Cause]:
    """Return what a policy forbids, where repeats or refusals hide that it is missing."""
    _, more, fewer = cell.expected
    if cell.difference == 0 or more == fewer == 0:
        return []
    demanded = find_demanded(cell, policies, questions)
    rest = cell.difference - demanded.low if demanded else 0
    if demanded is None or rest == 0 or not -fewer <= rest <= more:
        return []
    doubt = (
        sentences.say_sent_twice(rest, more)
        if rest > 0
        else sentences.say_maybe_refused(rest, fewer)
    )
    return [demanded.say(demanded.low), doubt]


def find_demanded(
    cell: Cell, policies: Policies, questions: Questions
) -> Candidate | None:
    """Return the cause that a policy of the name makes of this cell, if it is one."""
    predicted = (
        list_predicted(questions.scan(cell), were_deleted=False) if policies else ()
    )
    held = [each for each in predicted if each.policy in policies and each.is_exact]
    return held[0] if len(held) == 1 else None


def _group(parts: Iterable[Part]) -> dict[str, list[Part]]:
    rows = defaultdict(list)
    for part in parts:
        rows[part.original.folded].append(part)
    return rows


def _policies(part: Part) -> Policies:
    return part.sized.policies if part.sized else set()


def _is_believed(
    policy: str, holders: Sequence[Part], row: Sequence[Part], questions: Questions
) -> bool:
    telling = [part for part in holders if not _may_be_people(part, questions)]
    if any(part.sized and part.sized.is_proved for part in telling):
        return True
    # What the log has is exact, and so is what a schema drops.
    exact = sum(part.sized.off == 0 for part in holders if part.sized)
    if 2 * exact <= len(holders):
        return False
    against = [
        part
        for part in row
        if part not in holders and _speaks_against(part, policy, questions)
    ]
    return len(telling) > 2 * len(against)


def _may_be_people(part: Part, questions: Questions) -> bool:
    """Whether the count is that of distinct people just as well."""
    scan = questions.scan(part.cell) if part.cell else None
    return (
        scan is not None and part.cell is not None and scan.people == part.cell.counted
    )


def _speaks_against(part: Part, policy: str, questions: Questions) -> bool:
    """Whether the day has records that the policy forbids, and no such cause."""
    cell = part.cell
    if cell is None or cell.is_recent or cell.expected.delivered == 0:
        return False
    predicted = list_predicted(questions.scan(cell), were_deleted=False)
    return any(each.policy == policy for each in predicted)
