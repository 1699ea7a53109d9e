"""Retention: remove events, uploads and attempts past RETENTION_DAYS, in small chunks.

An event stays while an integration may still need it, or who learns of people. Uploads go
before their events, each family with its totals kept (`folding`). Between two chunks there is
a rest (`pace`). Who was not seen for PEOPLE_DAYS is forgotten.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.models import Min, Q

from clevertap_sync.delivery.upkeep import delivered_counts
from clevertap_sync.delivery.upkeep.folding import fold_oldest
from clevertap_sync.delivery.upkeep.pace import Pace
from clevertap_sync.models import Attempt, Integration, Replay, Upload
from clevertap_sync.process import clock
from referrals import failpoints, log, people
from referrals.failpoints import Place
from referrals.ingest import count_removal

BUDGET_SECONDS = 2.0
#: Removed at once: a quarter of a megabyte to flush on PostgreSQL, some 10 ms of SQLite's lock.
EVENTS_PER_CHUNK = 500
#: No more than so many, however fast they go: that is 2.5 MB of PostgreSQL's journal. At four
#: times as many, requests waited for the disk now and then.
EVENTS_PER_SECOND = 5_000
#: Of each app: some 50 ms, in which the app's steps wait, and on SQLite all who write.
PEOPLE_PER_CHUNK = 200

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

    At least one chunk of each kind, and of one app: there may be thousands. Most of the time
    is rest. The next call goes on with what is left. Safe to run anywhere, any number of times.
    """
    pace = Pace(seconds)
    cutoff = clock.read_now() - timedelta(days=settings.RETENTION_DAYS)
    removed = 0
    for app_id in _find_apps(cutoff):
        removed += _clear_app(app_id, cutoff, pace)
        if not pace.rest():
            break
    _trim_the_rest(cutoff, pace)
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


def _clear_app(app_id: int, cutoff: datetime, pace: Pace) -> int:
    """Remove what nobody needs any more of an app; return how many events.

    A chunk of uploads, then the events that they leave, and so on.
    """
    limit = _find_last_unneeded(app_id, cutoff)
    integrations = list(Integration.objects.filter(app=app_id))
    first, removed, has_more = log.find_tail(app_id), 0, True
    while has_more:
        has_more = False
        for integration in integrations:
            if fold_oldest(integration, limit, cutoff):
                has_more = True
                pace.rest()
        free = min([limit, *(_find_last_free(each, limit) for each in integrations)])
        while first <= free:
            end = min(first + EVENTS_PER_CHUNK, free + 1)
            count = end - first
            removed += log.trim_log(app_id, end, first=first, limit=count)
            first = end
            failpoints.reach_failpoint(Place.RETENTION_TRIMMED)
            if not pace.rest(at_least=count / EVENTS_PER_SECOND):
                return removed
        has_more = has_more and not pace.is_over()
    return removed


def _trim_the_rest(cutoff: datetime, pace: Pace) -> None:
    """Remove what has days of its own; each kind at least one chunk."""
    for trim in _list_trims(cutoff):
        while trim() and pace.rest():
            pass


def _list_trims(cutoff: datetime) -> tuple[Callable[[], object], ...]:
    """Return what removes a chunk of each kind, and says whether there may be more."""
    now = clock.read_now()
    unseen_since = now - timedelta(days=settings.PEOPLE_DAYS)
    return (
        lambda: log.remove_sightings(cutoff),
        lambda: count_removal.trim_counts(now) == count_removal.BATCH,
        lambda: delivered_counts.trim_delivered_counts(now),
        lambda: people.trim_people(unseen_since, limit=PEOPLE_PER_CHUNK),
    )


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
    left = Upload.objects.ranges().filter(
        integration=integration, first__gt=integration.tail, first__lte=limit
    )
    kept = left.exclude(state=Upload.State.SKIPPED).aggregate(first=Min("first"))
    return limit if kept["first"] is None else kept["first"] - 1
