"""Retention: remove events, uploads and attempts past RETENTION_DAYS, in small chunks.

An event stays while an integration may still need it, or who learns of people. An upload
goes as a family, with its parts, attempts and dead letters. Its totals stay with the
integration, so that the books go on balancing. Who was not seen for PEOPLE_DAYS is forgotten.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.delivery.upkeep import delivered_counts, tallies
from clevertap_sync.models import (
    Attempt,
    DeadLetter,
    Integration,
    Replay,
    Upload,
    WaitingRecord,
)
from clevertap_sync.process import clock
from referrals import failpoints, log, people
from referrals.failpoints import Place
from referrals.ingest import count_removal

# The account's lock is held meanwhile: each may have a thousand dead letters.
UPLOADS_PER_CHUNK = 50
BUDGET_SECONDS = 2.0

# What comes first in a log is its oldest. A range before it was left over by an earlier call.
# A log's newest event always stays: alone, and without uploads, it is nothing to look for.
_APPS: Final = """
    SELECT app.id FROM referrals_app app
    WHERE (SELECT e.received_at FROM referrals_referralevent e
            WHERE e.app_id = app.id ORDER BY e.position LIMIT 1) < %(cutoff)s
        AND (
            EXISTS (SELECT 1 FROM referrals_referralevent e
                WHERE e.app_id = app.id ORDER BY e.position LIMIT 1 OFFSET 1)
            OR EXISTS (SELECT 1 FROM clevertap_sync_integration i
                WHERE i.app_id = app.id
                AND (SELECT u.id FROM clevertap_sync_upload u
                    WHERE u.integration_id = i.id
                    AND u.parent_id IS NULL AND u.replay_id IS NULL
                    ORDER BY u.first LIMIT 1) IS NOT NULL))
        OR EXISTS (SELECT 1 FROM clevertap_sync_integration i
            WHERE i.app_id = app.id AND (
                (SELECT u.last FROM clevertap_sync_upload u
                    WHERE u.integration_id = i.id
                    AND u.parent_id IS NULL AND u.replay_id IS NULL
                    ORDER BY u.first LIMIT 1)
                < (SELECT min(e.position) FROM referrals_referralevent e
                    WHERE e.app_id = app.id)
                OR EXISTS (SELECT 1 FROM clevertap_sync_upload u
                    WHERE u.integration_id = i.id AND u.replay_id IS NOT NULL
                    AND u.parent_id IS NULL AND u.settled_at < %(cutoff)s)))
    ORDER BY random()
"""


def use_up_retention(*, seconds: float = BUDGET_SECONDS) -> bool:
    """Carry out retention; return whether the time was used up, and more may be left."""
    began_at = time.monotonic()
    carry_out_retention(seconds=seconds)
    return time.monotonic() - began_at >= seconds


def carry_out_retention(*, seconds: float = BUDGET_SECONDS) -> int:
    """Remove what is past RETENTION_DAYS, for about `seconds`; return the events removed.

    At least one chunk of each kind, and of one app: there may be thousands. The next call goes
    on with the rest. Safe to run anywhere, any number of times.
    """
    ends_at = time.monotonic() + seconds
    cutoff = clock.read_now() - timedelta(days=settings.RETENTION_DAYS)
    removed = 0
    for app_id in _find_apps(cutoff):
        limit = _find_last_unneeded(app_id, cutoff)
        for integration in Integration.objects.filter(app=app_id):
            while _fold_oldest(integration, limit, cutoff):
                if time.monotonic() >= ends_at:
                    break
            limit = min(limit, _find_last_free(integration, limit))
        while gone := log.trim_log(app_id, limit + 1):
            removed += gone
            failpoints.reach_failpoint(Place.RETENTION_TRIMMED)
            if time.monotonic() >= ends_at:
                break
        if time.monotonic() >= ends_at:
            break
    _trim_the_rest(cutoff, ends_at)
    dry_runs = Attempt.objects.filter(upload=None)
    dry_runs.filter(began_at__lt=cutoff).delete()
    # That of people is a standing one: it runs again whenever somebody becomes known.
    ended_replays = Replay.objects.filter(kind=Replay.Kind.ORDER).exclude(
        state=Replay.State.RUNNING
    )
    ended_replays.filter(created_at__lt=cutoff, uploads=None).delete()
    return removed


def _find_apps(cutoff: datetime) -> list[int]:
    """Return the apps that may have something past its days, by one statement.

    Most often there are none. In any order, so that one busy app does not use up every call's
    time.
    """
    past = connection.ops.adapt_datetimefield_value(cutoff)
    with connection.cursor() as cursor:
        cursor.execute(_APPS, {"cutoff": past})
        return [app_id for (app_id,) in cursor.fetchall()]


def _trim_the_rest(cutoff: datetime, ends_at: float) -> None:
    """Remove what has days of its own; each kind at least one chunk."""
    now = clock.read_now()
    unseen_since = now - timedelta(days=settings.PEOPLE_DAYS)
    kinds: tuple[Callable[[], object], ...] = (
        lambda: log.remove_sightings(cutoff),
        lambda: count_removal.trim_counts(now) == count_removal.BATCH,
        lambda: delivered_counts.trim_delivered_counts(now),
        lambda: people.trim_people(unseen_since),
    )
    for has_more in kinds:
        while has_more() and time.monotonic() < ends_at:
            pass


def _find_last_unneeded(app_id: int, cutoff: datetime) -> int:
    """Return the last position past its days that nobody needs any more.

    Neither an integration, nor who learns of people.
    """
    integrations = Integration.objects.filter(app=app_id, archived_at=None)
    wanting = integrations.filter(first_enabled_at__isnull=False)
    done = [_find_last_done(integration) for integration in wanting]
    learned = people.find_cursor(app_id)
    done += [learned] if learned is not None else []
    return min([log.find_position(app_id, cutoff), *done])


def _find_last_done(integration: Integration) -> int:
    """Return the last position that no open upload or running replay of it needs."""
    waiting = Upload.objects.open().filter(integration=integration)
    first = waiting.aggregate(first=Min("first"))["first"]
    running = Replay.objects.filter(integration=integration, state=Replay.State.RUNNING)
    replayed = running.aggregate(at=Min("cursor", filter=Q(last__isnull=False)))["at"]
    done = [integration.cursor]
    done += [first - 1] if first is not None else []
    done += [replayed] if replayed is not None else []
    return min(done)


def _find_last_free(integration: Integration, limit: int) -> int:
    """Return the last position up to `limit` before the integration's first upload.

    An upload is removed whole, so one that reaches beyond the limit keeps its events: no
    dead letter is left without its event. A skipped upload has no dead letters.
    """
    left = Upload.objects.ranges().filter(integration=integration, first__lte=limit)
    kept = left.exclude(state=Upload.State.SKIPPED).aggregate(first=Min("first"))
    return limit if kept["first"] is None else kept["first"] - 1


def _fold_oldest(integration: Integration, limit: int, cutoff: datetime) -> bool:
    """Remove the oldest families up to `limit`, and keep their totals. False: none left."""
    with transaction.atomic():
        lock_account(integration.pk)
        integration.refresh_from_db()
        roots = list(_select_old_ranges(integration, limit)) or list(
            _select_old_replay_uploads(integration, cutoff)
        )
        if not roots:
            return False
        family = Upload.objects.filter(
            Q(pk__in=[r.pk for r in roots]) | Q(root__in=roots)
        )
        _keep_totals(integration, family)
        tallies.take_back_tallies(integration, family)
        # What is delivered at CleverTap stays so: counts are never taken back.
        untallied = family.filter(pk__gt=integration.tallied_to)
        delivered_counts.add_up_counts(
            integration, untallied.values_list("pk", flat=True)
        )
        ends = [root.last for root in roots if root.replay_id is None]
        integration.tail = max([integration.tail, *ends])
        integration.save(
            update_fields=[
                "tail",
                "removed_delivered",
                "removed_dead",
                "removed_revived",
                "removed_unknown",
                "removed_expired",
            ]
        )
        _remove_family(family)
        _remove_orphaned_letters(integration)
        failpoints.reach_failpoint(Place.RETENTION_FOLDED)
    return True


def _select_old_ranges(integration: Integration, limit: int) -> QuerySet[Upload]:
    old = Upload.objects.ranges().filter(integration=integration, last__lte=limit)
    return old.order_by("first")[:UPLOADS_PER_CHUNK]


def _select_old_replay_uploads(
    integration: Integration, cutoff: datetime
) -> QuerySet[Upload]:
    old = Upload.objects.filter(
        integration=integration,
        parent=None,
        replay__isnull=False,
        settled_at__lt=cutoff,
    )
    busy = Upload.objects.open().filter(root__isnull=False).values("root")
    return old.exclude(pk__in=busy).order_by("pk")[:UPLOADS_PER_CHUNK]


def _keep_totals(integration: Integration, family: QuerySet[Upload]) -> None:
    live = family.filter(state=Upload.State.SETTLED, replay=None)
    sums = live.aggregate(delivered=Coalesce(Sum("delivered"), 0))
    letters = DeadLetter.objects.filter(upload__in=family, upload__replay=None)
    revived = letters.filter(state=DeadLetter.State.DELIVERED).count()
    in_vain = letters.filter(
        state__in=[DeadLetter.State.WAITING, DeadLetter.State.EXPIRED]
    ).count()
    integration.removed_delivered += sums["delivered"] + revived
    integration.removed_expired += in_vain
    integration.removed_dead += letters.count() - revived - in_vain
    waited = letters.filter(state=DeadLetter.State.DELIVERED, linked_at__isnull=False)
    integration.removed_revived += waited.count()
    unknown = Attempt.objects.filter(upload__in=family, outcome_unknown=True)
    integration.removed_unknown += unknown.count()


def _remove_family(family: QuerySet[Upload]) -> None:
    """Remove a family whole. The database's constraints forbid rows without their upload."""
    ids = list(family.values_list("pk", flat=True))
    for chunk in _split_into_chunks(ids):
        WaitingRecord.objects.filter(letter__upload__in=chunk).delete()
        DeadLetter.objects.filter(upload__in=chunk).delete()
        DeadLetter.objects.filter(replay_upload__in=chunk).update(replay_upload=None)
        Attempt.objects.filter(upload__in=chunk).delete()
    for chunk in _split_into_chunks(ids):
        Upload.objects.filter(pk__in=chunk).delete()


def _remove_orphaned_letters(integration: Integration) -> None:
    """Remove dead letters of replays whose events go as well."""
    gone = DeadLetter.objects.filter(
        integration=integration, position__lte=integration.tail
    )
    idle = gone.exclude(state=DeadLetter.State.REPLAYING)
    WaitingRecord.objects.filter(letter__in=idle.values("pk")).delete()
    idle.delete()


def _split_into_chunks(ids: list[int], size: int = 500) -> Iterable[list[int]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
