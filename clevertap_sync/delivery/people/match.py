"""Match: a step finds for which waiting records somebody is known now, and lets them go.

What it writes, a claim may be reading. So all is read first; then the accounts concerned
are locked, in the order that all keep; then all is written, the dead letters before what
they wait for. A dead letter that a claim took meanwhile is left alone.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from clevertap_sync.clevertap.reasons import SHARED_IDENTITY
from clevertap_sync.delivery.account_lock import lock_accounts_and_read_clock
from clevertap_sync.delivery.people import lookups, prompt_upload
from clevertap_sync.delivery.people.prompt_upload import KnownRecord
from clevertap_sync.delivery.sql import waiting_rows
from clevertap_sync.delivery.sql.account_state import AccountState
from clevertap_sync.delivery.sql.id_lists import make_hash_list, make_id_list
from clevertap_sync.delivery.sql.revival_rows import KnownLetter
from clevertap_sync.delivery.sql.waiting_rows import AnsweredRow, Link, Wait
from clevertap_sync.insight.picks import make_pick, read_position, read_side
from clevertap_sync.models import (
    DeadLetter,
    Replay,
    WaitingRecord,
)
from referrals import history, people
from referrals.vocabulary import Side

#: So many fresh records does a step look up, and so many of those whose person it learned
#: of: what is left is fresh for the next.
FRESH_PER_STEP: Final = 1_000
LINKED_PER_STEP: Final = 5_000
#: So many records of users, and not of those who invited them, may wait for one ID. What
#: more wait for is a constant of some program, and would all go to whoever signs up first.
WAITS_OF_A_USER: Final = 1_000
_CROWDED: Final = (
    f"Marked as shared: more than {WAITS_OF_A_USER:,} records of users waited for it."
)


class Answer(NamedTuple):
    """What a step found for a waiting record: whom it waits for, and who that is.

    `matched` is the hash of the identity that it goes out under; None where nobody is
    known. `linked_by` is the position of the event that said so.
    """

    wait: Wait
    hash: str | None
    matched: str | None = None
    linked_by: int | None = None
    is_shared: bool = False

    @property
    def is_change(self) -> bool:
        """Whether the record may go now, may not go any more, or goes as somebody else."""
        return self.is_shared or self.matched != self.wait.matched

    @property
    def may_go(self) -> bool:
        """Whether the integration's standing replay has to run for the record.

        Of a fresh one that was matched before, a claim may think meanwhile that nobody is.
        """
        return self.matched is not None and (self.is_change or self.wait.fresh)

    @property
    def is_news(self) -> bool:
        """Whether its row says something else yet."""
        return self.is_change or self.hash != self.wait.hash


def match_waiting_records(step: people.Step) -> set[int]:
    """Look for the people of fresh records, and of those whom `step` made known.

    Returns the integrations that have something to send. Part of the step's transaction.
    Nobody is looked up before learning is complete; then everybody is.
    """
    if not step.is_complete:
        return set()
    if step.completes:
        lookups.look_up_all_anew(step.app_id)
    waits, left = _read_waits(step)
    if not waits and not left:
        return set()
    wanted = {wait.integration_id for wait in waits}
    readers = {e.pk: e for e in lookups.read_readers(step.app_id) if e.pk in wanted}
    lookups.remember_providers(readers.values())
    answers = _give_up_crowds(step.app_id, _find_answers(step, waits, readers))
    concerned = {
        each.wait.integration_id for each in answers if each.is_change or each.may_go
    }
    concerned_readers = [readers[pk] for pk in sorted(concerned)]
    account = prompt_upload.lock_only_account(concerned_readers)
    now = account.now if account else _lock_all(concerned_readers)
    for rest in left:
        rest.update(fresh=True)
    sent = _send_promptly(account, concerned_readers, answers) if account else {}
    going = {letter for letters in sent.values() for letter in letters}
    kept = [each for each in answers if each.wait.letter_id not in going]
    return _write_answers(kept, now) | sent.keys()


def _send_promptly(
    account: AccountState, readers: Iterable[lookups.Reader], answers: Sequence[Answer]
) -> dict[int, frozenset[int]]:
    """Return integration → its letters that have an upload already, and need no further row."""
    sent = {
        reader.pk: prompt_upload.write_upload(
            account,
            reader,
            [
                KnownRecord(
                    KnownLetter(each.wait.letter_id, each.wait.pk, each.linked_by),
                    each.wait.pick,
                    each.matched,
                )
                for each in answers
                if each.wait.integration_id == reader.pk
                and each.wait.is_alone
                and each.matched is not None
            ],
        )
        for reader in readers
    }
    return {pk: letters for pk, letters in sent.items() if letters}


def _lock_all(readers: Iterable[lookups.Reader]) -> datetime:
    return lock_accounts_and_read_clock({each.account_id for each in readers})


def find_end(step: people.Step) -> int:
    """Return the first pick beyond the events that were learned from."""
    return make_pick(step.last + 1, Side.REFERRED)


def _read_waits(
    step: people.Step,
) -> tuple[list[Wait], list[QuerySet[WaitingRecord]]]:
    """Return the records to look up, and those that are left to a later step.

    A record beyond the step is left to the one that passes its event: what the log says
    before it counts, and may be that its ID names nobody.
    """
    mine = WaitingRecord.objects.filter(app=step.app_id)
    fresh, waits = waiting_rows.read_waits(
        step.app_id,
        end=find_end(step),
        most_fresh=FRESH_PER_STEP,
        hashes={each for _, each in step.linked},
        most_linked=LINKED_PER_STEP + 1,
    )
    found = fresh
    referrers = [make_pick(position, Side.GENERATED) for position in step.decided]
    if referrers:
        picks = make_id_list(referrers)
        found += _read(mine.filter(hash=None, pick__in=picks))
    left = []
    if len(waits) > LINKED_PER_STEP:
        hashes = make_hash_list(sorted({each for _, each in step.linked}))
        left.append(mine.filter(hash__in=hashes, pk__gte=waits.pop().pk))
    found += waits
    passed = {wait.pk: wait for wait in found if wait.pick < find_end(step)}
    ahead = {wait.pk for wait in found if not wait.fresh and wait.pk not in passed}
    if ahead:
        left.append(mine.filter(pk__in=make_id_list(sorted(ahead))))
    return list(passed.values()), left


def _read(rows: QuerySet[WaitingRecord]) -> list[Wait]:
    columns = rows.values_list(
        "pk", "integration", "letter", "pick", "test", "hash", "matched", "fresh"
    )
    return [
        Wait(pk, integration, letter, pick, test, _spell(hash_), _spell(matched), fresh)
        for pk, integration, letter, pick, test, hash_, matched, fresh in columns
    ]


def _spell(stored: UUID | None) -> str | None:
    return None if stored is None else stored.hex


def _find_answers(
    step: people.Step, waits: Sequence[Wait], readers: Mapping[int, lookups.Reader]
) -> list[Answer]:
    """Return an answer for each of `waits`, as far as the step knows one."""
    named = _find_hashes(step.app_id, waits)
    groups: dict[tuple[str, bool], list[Wait]] = {}
    for wait in waits:
        provider = readers[wait.integration_id].provider
        groups.setdefault((provider, wait.test), []).append(wait)
    answers = []
    for (provider, test), members in groups.items():
        wanted = {each for wait in members if (each := named[wait.pk])}
        # Who is known by this step is known since its own events.
        dated = any((test, each) not in step.linked for each in wanted)
        known = people.resolve(step.app_id, wanted, provider, test=test, dated=dated)
        answers += [
            _build_answer(wait, named[wait.pk], known, step) for wait in members
        ]
    return answers


def _find_hashes(app_id: int, waits: Iterable[Wait]) -> dict[int, str | None]:
    """Return waiting record → whom it waits for; None while its referrer is undecided."""
    undecided = {read_position(wait.pick) for wait in waits if wait.hash is None}
    decided = people.find_decisions(app_id, undecided) if undecided else {}
    return {
        wait.pk: wait.hash or decided.get(read_position(wait.pick)) for wait in waits
    }


def _build_answer(
    wait: Wait,
    named: str | None,
    known: Mapping[str, people.Resolved],
    step: people.Step,
) -> Answer:
    found = known.get(named) if named else None
    if named is None or found is None:
        return Answer(wait, named)
    if found.is_shared:
        return Answer(wait, named, is_shared=True)
    linked_by = step.linked.get((wait.test, named)) or found.learned_at
    return Answer(wait, named, found.hash, linked_by or None)


def _give_up_crowds(app_id: int, answers: Sequence[Answer]) -> list[Answer]:
    """Mark the IDs that too many records wait for as shared, and let these wait in vain."""
    going = Counter(
        (each.wait.integration_id, each.hash)
        for each in answers
        if each.matched
        and each.is_change
        and read_side(each.wait.pick) is Side.REFERRED
    )
    crowded = {
        hash_
        for (_, hash_), number in going.items()
        if hash_ and number > WAITS_OF_A_USER
    }
    for mark in people.mark_crowded(app_id, crowded, by=history.WORKER):
        history.record_change(history.WORKER, mark, _CROWDED, app=mark.app)
    return [
        each._replace(matched=None, linked_by=None, is_shared=True)
        if each.hash in crowded
        else each
        for each in answers
    ]


def _write_answers(answers: Sequence[Answer], now: datetime) -> set[int]:
    going = [each for each in answers if each.matched and each.is_change]
    waiting_rows.write_links(
        [Link(each.wait.letter_id, each.linked_by) for each in going], now
    )
    _give_up_shared([each.wait for each in answers if each.is_shared], now)
    waiting_rows.write_answers(
        [
            AnsweredRow(each.wait.pk, each.hash, each.matched)
            for each in answers
            if not each.is_shared and (each.wait.fresh or each.is_news)
        ]
    )
    integrations = {each.wait.integration_id for each in answers if each.may_go}
    _start_revivals(integrations, now)
    return integrations


def _give_up_shared(shared: Sequence[Wait], now: datetime) -> None:
    """Let nobody wait for what two people claimed; who waits for nothing else has waited in vain."""
    if not shared:
        return
    shared_ids = {wait.pk for wait in shared}
    letters = {wait.letter_id for wait in shared}
    rows = WaitingRecord.objects.filter(letter__in=make_id_list(sorted(letters)))
    others = {
        letter
        for pk, letter in rows.values_list("pk", "letter")
        if pk not in shared_ids
    }
    DeadLetter.objects.filter(
        pk__in=make_id_list(sorted(letters - others)), state=DeadLetter.State.WAITING
    ).update(state=DeadLetter.State.EXPIRED, reason=SHARED_IDENTITY, changed_at=now)
    ids = make_id_list(sorted(shared_ids))
    WaitingRecord.objects.filter(pk__in=ids).delete()


def _start_revivals(integration_ids: Collection[int], now: datetime) -> None:
    """Let each integration's standing replay run. The caller holds their accounts' locks."""
    if waiting_rows.start_replays(integration_ids) == len(integration_ids):
        return
    standing = Replay.objects.filter(
        integration__in=integration_ids, kind=Replay.Kind.PEOPLE
    )
    there = set(standing.values_list("integration", flat=True))
    Replay.objects.bulk_create(
        Replay(integration_id=pk, kind=Replay.Kind.PEOPLE, created_at=now)
        for pk in sorted(set(integration_ids) - there)
    )
