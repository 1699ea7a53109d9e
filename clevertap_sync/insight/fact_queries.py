"""Read the facts of all integrations at once.

It takes a few statements, whatever the number of integrations, and none gets slower with the
length of the log: the overview reads the facts every few seconds. Call it inside
`read_in_snapshot()`, so that the numbers agree.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import (
    Case,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Coalesce

from clevertap_sync.clevertap.limits import LIVE_SECONDS
from clevertap_sync.clevertap.reasons import OUTCOME_UNKNOWN
from clevertap_sync.insight import books
from clevertap_sync.insight.books import UploadRange
from clevertap_sync.insight.event_types import (
    count_event_types,
    have_send_settings_changed,
)
from clevertap_sync.insight.facts import (
    FLOW_EVENTS,
    NEWEST_UPLOADS,
    RECENTLY,
    WEEK,
    AppIngest,
    Arrivals,
    CustomNames,
    Facts,
    NewestOutcomes,
    OpenLetters,
    Waiting,
)
from clevertap_sync.insight.ingest_queries import IngestByApp
from clevertap_sync.insight.integration_query import ask_about
from clevertap_sync.insight.parked_letters import ParkedLetters, count_parked_letters
from clevertap_sync.insight.seen_facts import SeenFacts
from clevertap_sync.insight.seen_queries import read_seen_facts
from clevertap_sync.models import (
    Attempt,
    DeadLetter,
    EventKinds,
    Integration,
    Tally,
    Upload,
)
from clevertap_sync.process import worker_presence
from clevertap_sync.process.worker_presence import WorkerSilence
from referrals import log
from referrals.ingest.ingest_health import find_last_accepted_before
from referrals.models import CustomName, ReferralEvent
from referrals.vocabulary import EventType

#: The upload that last delivered something is among so many, replays and parts included.
RECENT_UPLOADS: Final = 100
#: So many of an app's newest events show what arrives now.
EVENTS: Final = 30
#: If an app has been silent for so long, a few earlier events show whether events came as a
#: flow. Each of these is `FURTHER` times as far back as the one before.
SILENT: Final = timedelta(hours=1)
FURTHER: Final = 4
#: A weekly event at the same local time comes so much later when summer time ends.
AN_HOUR_LATER: Final = timedelta(hours=1)
LIVE: Final = timedelta(seconds=LIVE_SECONDS)

Ids = Sequence[int]


class _Readings(NamedTuple):
    """What was read of all integrations, by the integration's or the app's ID."""

    heads: Mapping[int, int]
    waiting: Mapping[int, Waiting]
    letters: Mapping[int, Sequence[OpenLetters]]
    newest: Mapping[int, Sequence[UploadRange]]
    outcomes: Mapping[int, NewestOutcomes]
    arrivals: Mapping[int, Arrivals]
    names: Mapping[int, CustomNames]
    kinds_of_others: Mapping[int, frozenset[str]]
    ingest: Mapping[int, AppIngest]
    successes: Mapping[int, "_Successes"]
    made_with: Mapping[int, "_MadeWith"]
    seen: Mapping[int, SeenFacts]
    silence: WorkerSilence | None


def read_facts(
    integrations: Iterable[Integration], now: datetime, ingest: IngestByApp
) -> list[Facts]:
    """Return the facts of each integration, in the order given."""
    rows = list(integrations)
    if not rows:
        return []
    readings = _read_all(rows, now, ingest)
    return [_make_facts(row, now, readings) for row in rows]


def _read_all(
    rows: Sequence[Integration], now: datetime, ingest: IngestByApp
) -> _Readings:
    ids = [row.pk for row in rows]
    app_ids = sorted({row.app_id for row in rows})
    heads = log.read_heads(app_ids)
    open_uploads = _sum_open_uploads(ids, now)
    waiting = _read_waiting(rows, heads, open_uploads)
    letters, newest = _count_open_letters(ids), _read_newest_ranges(ids)
    outcomes = _sum_newest_outcomes(newest)
    arrivals, names = _read_arrivals(heads, now), _count_custom_names(app_ids)
    successes, silence = _read_successes(ids), worker_presence.read_worker_silence()
    silent = [row for row in rows if _may_send_nothing(row, outcomes, arrivals)]
    return _Readings(
        heads=heads,
        waiting=waiting,
        letters=letters,
        newest=newest,
        outcomes=outcomes,
        arrivals=arrivals,
        names=names,
        kinds_of_others=_list_kinds_of_others(rows),
        ingest=ingest.build_app_ingest(row.app for row in rows),
        successes=successes,
        made_with=_read_settings_made_with(silent, newest, successes),
        seen=read_seen_facts(rows, now),
        silence=silence,
    )


def _make_facts(row: Integration, now: datetime, readings: _Readings) -> Facts:
    head, names = readings.heads[row.app_id], readings.names[row.app_id]
    successes, made_with = readings.successes[row.pk], readings.made_with[row.pk]
    newest = readings.newest[row.pk]
    return Facts(
        now=now,
        integration=row,
        head=head,
        others_send=readings.kinds_of_others[row.pk],
        waiting=readings.waiting[row.pk],
        letters=readings.letters[row.pk],
        newest_outcomes=readings.outcomes.get(row.pk, NewestOutcomes()),
        arrivals=readings.arrivals.get(row.app_id, Arrivals()),
        ingest=readings.ingest[row.app_id],
        last_upload_accepted_at=successes.accepted_at,
        delivered_at=successes.delivered_at,
        sends_changed=have_send_settings_changed(row, made_with.newest),
        sends_proven=_are_settings_proven(row, made_with.accepted),
        event_types=count_event_types(row, names.sent),
        names=names,
        silence=readings.silence,
        imbalances=books.find_newest_imbalances(row, head, newest),
        seen=readings.seen.get(row.pk),
    )


class _OpenUploads(NamedTuple):
    """An integration's open uploads, without replays: the first position, and what waits.

    The records of a leased upload, and of one of unknown outcome, are under way: they wait
    for their verdict. All others wait to be sent, for the first time or again: `events` in
    ranges, `records` in parts.
    """

    oldest: int | None = None
    under_way: int = 0
    events: int = 0
    records: int = 0


def _sum_open_uploads(ids: Ids, now: datetime) -> Mapping[int, _OpenUploads]:
    """Sum up each integration's open uploads."""
    return {
        key: _OpenUploads(oldest, *map(int, sums))
        for key, oldest, *sums in ask_about(ids, _OPEN_UPLOADS, now=now)
    }


_OPEN_UPLOADS: Final = """
    SELECT integration_id, min(first),
        coalesce(sum(CASE WHEN is_under_way THEN size END), 0),
        coalesce(sum(CASE WHEN NOT is_under_way AND parent_id IS NULL
            THEN last - first + 1 END), 0),
        coalesce(sum(CASE WHEN NOT is_under_way AND parent_id IS NOT NULL
            THEN size END), 0)
    FROM (
        SELECT integration_id, parent_id, first, last,
            coalesce(records, covers, last - first + 1) AS size,
            unknown_outcomes > 0 OR coalesce(leased_until > %(now)s, FALSE)
                AS is_under_way
        FROM clevertap_sync_upload
        WHERE integration_id IN ({ids}) AND state = 'open' AND replay_id IS NULL
    ) AS open_ones
    GROUP BY integration_id
"""


def _read_waiting(
    rows: Sequence[Integration],
    heads: Mapping[int, int],
    open_uploads: Mapping[int, _OpenUploads],
) -> dict[int, Waiting]:
    oldest: dict[int, tuple[int, int]] = {}
    for row in rows:
        first = open_uploads.get(row.pk, _OpenUploads()).oldest or row.cursor + 1
        if first <= heads[row.app_id]:
            oldest[row.pk] = (row.app_id, first)
    received = log.read_received_at(oldest.values())
    waiting = {}
    for row in rows:
        found = open_uploads.get(row.pk, _OpenUploads())
        waiting[row.pk] = Waiting(
            events=max(0, heads[row.app_id] - row.cursor) + found.events,
            records=found.records,
            under_way=found.under_way,
            since=received.get(oldest[row.pk]) if row.pk in oldest else None,
        )
    return waiting


def _count_open_letters(ids: Ids) -> Mapping[int, Sequence[OpenLetters]]:
    """Return each integration's open dead letters by reason, most first.

    By two indexes: `open_reasons` counts, and the newest is the end of `open_dead_letters`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LETTERS.format(ids=", ".join(["%s"] * len(ids))), ids)
        rows = [_LetterGroup(*row) for row in cursor.fetchall()]
    newest = _read_newest_letters(rows)
    doubtful = [row.integration_id for row in rows if row.reason == OUTCOME_UNKNOWN]
    parked = count_parked_letters(doubtful) if doubtful else {}
    found: defaultdict[int, list[OpenLetters]] = defaultdict(list)
    for row in rows:
        of_newest = newest[row.integration_id, row.reason]
        letters = OpenLetters(row.reason, row.letters, *of_newest)
        if row.reason == OUTCOME_UNKNOWN:
            letters = _leave_out_found(letters, parked[row.integration_id])
        if letters.count:
            found[row.integration_id].append(letters)
    for each in found.values():
        each.sort(key=lambda letters: (-letters.count, letters.reason))
    return found


def _leave_out_found(letters: OpenLetters, parked: ParkedLetters) -> OpenLetters:
    return replace(letters, count=letters.count - parked.found, parked=parked)


class _LetterGroup(NamedTuple):
    """An integration's open letters of one reason; the last three are the newest event's."""

    integration_id: int
    reason: str
    letters: int
    pk: int
    position: int | None
    upload_id: int


def _read_newest_letters(
    groups: Sequence[_LetterGroup],
) -> dict[tuple[int, str], tuple[datetime, int, bool]]:
    """Return, per group: when its newest letter fell out, its number lately, and a flag.

    `lately` counts the letters of the same upload as the integration's newest letter: a
    thousand at most. The flag says whether the group's newest letter was delivered before.
    """
    last: dict[int, _LetterGroup] = {}
    for group in sorted(groups, key=lambda each: (each.position or 0, each.pk)):
        last[group.integration_id] = group
    is_newest = Q(pk__in=[group.pk for group in groups])
    is_late = Q(upload__in=[group.upload_id for group in last.values()])
    rows = DeadLetter.objects.open().filter(is_newest | is_late)
    sums = rows.values_list("integration", "reason").annotate(
        newest_at=Max(Case(When(is_newest, then="changed_at"))),
        lately=Sum(Case(When(is_late, then=1), default=0)),
        delivered_at=Max(Case(When(is_newest, then="delivered_at"))),
    )
    return {
        (integration_id, reason): (newest_at, lately, delivered_at is not None)
        for integration_id, reason, newest_at, lately, delivered_at in sums.order_by()
    }


_LETTERS: Final = """
    SELECT groups.*, newest.position, newest.upload_id FROM (
        SELECT d.integration_id, d.reason, count(*), (
            SELECT l.id FROM clevertap_sync_deadletter l
            WHERE l.integration_id = d.integration_id AND l.reason = d.reason
                AND l.state = 'open'
            ORDER BY l.position DESC LIMIT 1
        ) AS newest_id
        FROM clevertap_sync_deadletter d
        WHERE d.state = 'open' AND d.integration_id IN ({ids})
        GROUP BY d.integration_id, d.reason
    ) AS groups
    JOIN clevertap_sync_deadletter newest ON newest.id = groups.newest_id
"""


def _read_newest_ranges(ids: Ids) -> Mapping[int, Sequence[UploadRange]]:
    """Return each integration's newest range uploads, newest first, by `range_uploads`."""
    found: defaultdict[int, list[UploadRange]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([_RANGES] * len(ids)), ids)
        for integration_id, *row in cursor.fetchall():
            found[integration_id].append(UploadRange(*row))
    for ranges in found.values():
        ranges.sort(key=lambda each: -each.first)
    return found


_RANGES: Final = f"""
    SELECT * FROM (
        SELECT integration_id, id, first, last, state FROM clevertap_sync_upload
        WHERE integration_id = %s AND parent_id IS NULL AND replay_id IS NULL
        ORDER BY first DESC LIMIT {NEWEST_UPLOADS}
    ) AS newest
"""  # noqa: S608 - our own number


def _sum_newest_outcomes(
    newest: Mapping[int, Sequence[UploadRange]],
) -> dict[int, NewestOutcomes]:
    """Sum up each integration's newest ranges, with their parts.

    Only ranges that settled within a day of the last one count. The present time does not
    matter: a quiet app's outcomes neither get better nor worse.
    """
    skipped = Upload.State.SKIPPED
    ids = [
        each.pk
        for ranges in newest.values()
        for each in ranges
        if each.state != skipped
    ]
    if not ids:
        return {}
    leaves = Upload.objects.leaves().filter(Q(pk__in=ids) | Q(root__in=ids))
    sums = leaves.values_list("integration", Coalesce("root", "pk")).annotate(
        settled=Max("settled_at"),
        positions=Coalesce(
            Sum(Case(When(parent=None, then=F("last") - F("first") + 1))), 0
        ),
        all_records=Coalesce(Sum(F("records") - F("waiting")), 0),
        all_delivered=Coalesce(Sum("delivered"), 0),
        all_dead=Coalesce(Sum("dead"), 0),
        all_unsent=Coalesce(Sum("unsent"), 0),
        all_waiting=Coalesce(Sum("waiting"), 0),
    )
    found: defaultdict[int, list[_SettledRange]] = defaultdict(list)
    for integration_id, _, settled_at, *numbers in sums.order_by():
        found[integration_id].append(
            _SettledRange(settled_at, NewestOutcomes(*numbers))
        )
    return {pk: _sum_recent(settled) for pk, settled in found.items()}


class _SettledRange(NamedTuple):
    """The outcomes of one range, and when its last part settled."""

    at: datetime
    outcomes: NewestOutcomes


def _sum_recent(settled: Sequence[_SettledRange]) -> NewestOutcomes:
    """Sum up the ranges that settled within a day of the last one."""
    since = max(each.at for each in settled) - RECENTLY
    recent = [astuple(each.outcomes) for each in settled if each.at >= since]
    return NewestOutcomes(*map(sum, zip(*recent, strict=True)))


def _may_send_nothing(
    row: Integration,
    outcomes: Mapping[int, NewestOutcomes],
    arrivals: Mapping[int, Arrivals],
) -> bool:
    """Return whether the settings may keep back all of the newest events."""
    newest = outcomes.get(row.pk, NewestOutcomes())
    arrived = arrivals.get(row.app_id, Arrivals())
    are_kept_back = newest.unsent > 0 == newest.records + newest.waiting
    are_tests = arrived.test == arrived.events > 0
    is_no_test = (
        row.event_kinds == EventKinds.TEST and arrived.events > 0 == arrived.test
    )
    return are_kept_back or are_tests or is_no_test


class _MadeWith(NamedTuple):
    """The mapping settings of an integration's newest records, and of those accepted last."""

    newest: dict[str, Any] | None = None
    accepted: dict[str, Any] | None = None


def _read_settings_made_with(
    rows: Iterable[Integration],
    newest: Mapping[int, Sequence[UploadRange]],
    successes: Mapping[int, "_Successes"],
) -> Mapping[int, _MadeWith]:
    """Return the settings that records of each integration were made with.

    An open upload takes new settings when it goes again, and a skipped one has no record, so
    neither counts.
    """
    made = {Upload.State.SETTLED, Upload.State.SPLIT}
    uploads = {
        row.pk: (
            next((each.pk for each in newest[row.pk] if each.state in made), None),
            successes[row.pk].accepted_upload,
        )
        for row in rows
    }
    wanted = {pk for pair in uploads.values() for pk in pair if pk is not None}
    found = dict(Upload.objects.filter(pk__in=wanted).values_list("pk", "settings"))
    return defaultdict(_MadeWith) | {
        integration_id: _MadeWith(*(found.get(pk) if pk else None for pk in pair))
        for integration_id, pair in uploads.items()
    }


def _are_settings_proven(row: Integration, accepted: dict[str, Any] | None) -> bool:
    """Return whether CleverTap accepted an upload with the present settings last."""
    return accepted is not None and not have_send_settings_changed(row, accepted)


def _list_kinds_of_others(rows: Sequence[Integration]) -> dict[int, frozenset[str]]:
    """Return, per integration, the event kinds of its app's others, paused ones included."""
    found: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        if row.first_enabled_at:
            found[row.app_id].append((row.pk, row.event_kinds))
    return {
        row.pk: frozenset(kind for pk, kind in found[row.app_id] if pk != row.pk)
        for row in rows
    }


def _read_arrivals(heads: Mapping[int, int], now: datetime) -> dict[int, Arrivals]:
    """Sum up each app's newest events: `EVENTS` rows an app, found by an index."""
    newest = Q()
    for app_id, head in heads.items():
        if head:
            newest |= Q(app=app_id, position__gt=head - EVENTS)
    if not newest:
        return {}
    delay = ExpressionWrapper(
        F("received_at") - F("occurred_at"), output_field=DurationField()
    )
    rows = (
        ReferralEvent.objects.filter(newest)
        .values("app")
        .annotate(
            events=_count_where(position__gt=0),
            tests=_count_where(test=True),
            identify=_count_where(type=EventType.IDENTIFY),
            late=_count_where(occurred_at__lt=F("received_at") - LIVE),
            oldest=Max(delay),
            first_at=Min("received_at"),
            newest_at=Max("received_at"),
        )
    )
    found = {
        row["app"]: Arrivals(
            events=row["events"],
            test=row["tests"],
            identify=row["identify"],
            late=row["late"],
            oldest=row["oldest"],
            first_at=row["first_at"],
            newest_at=row["newest_at"],
        )
        for row in rows.order_by()
    }
    return _add_earlier_arrivals(found, heads, now)


def _add_earlier_arrivals(
    found: Mapping[int, Arrivals], heads: Mapping[int, int], now: datetime
) -> dict[int, Arrivals]:
    """Add to the arrivals of silent apps when earlier events came: a few rows each."""
    # An alert may ask for less than QUIET_HOURS, an hour at least.
    since = now - min(SILENT, timedelta(hours=settings.QUIET_HOURS))
    silent = {
        app_id: each
        for app_id, each in found.items()
        if each.newest_at and each.newest_at <= since
    }
    spread = {
        pk: _spread_positions(heads[pk], each.events) for pk, each in silent.items()
    }
    further = {pk: _list_earlier_positions(heads[pk]) for pk in silent}
    received = log.read_received_at(
        [(pk, at) for pk in silent for at in (*spread[pk], *further[pk])]
    )
    week_ago = now - WEEK
    weeks = (
        find_last_accepted_before(
            silent, week_ago - AN_HOUR_LATER, since=week_ago - WEEK
        )
        if silent
        else {}
    )
    return {**found} | {
        pk: replace(
            each,
            instants=len({received.get((pk, at)) for at in spread[pk]}),
            earlier=tuple(
                received[pk, at] for at in further[pk] if (pk, at) in received
            ),
            week_ago_at=weeks.get(pk),
        )
        for pk, each in silent.items()
    }


def _spread_positions(head: int, events: int) -> list[int]:
    """Return `FLOW_EVENTS` positions at most, evenly spread among the newest events."""
    step = max(1, events // FLOW_EVENTS)
    return [head - step * number for number in range(min(events, FLOW_EVENTS))]


def _list_earlier_positions(head: int) -> list[int]:
    """Return positions before the newest events, each further back than the one before."""
    found, ago = [], EVENTS * FURTHER
    while head > ago:
        found.append(head - ago)
        ago *= FURTHER
    return found


def _count_where(**condition: Any) -> Sum:  # noqa: ANN401 - of a filter
    """Return how many of a few rows fulfil the condition."""
    return Sum(Case(When(**condition, then=1), default=0))


def _count_custom_names(app_ids: Ids) -> Mapping[int, CustomNames]:
    is_sent = Q(number__lte=settings.CUSTOM_NAMES_LIMIT) | Q(approved_at__isnull=False)
    rows = CustomName.objects.filter(app__in=app_ids).values_list("app")
    counts = rows.annotate(
        sent=Count(Case(When(is_sent, then=1))),
        waiting=Count(Case(When(~is_sent, then=1))),
    )
    found = defaultdict(CustomNames)
    for app_id, sent, waiting in counts.order_by():
        found[app_id] = CustomNames(sent, waiting)
    return found


class _Successes(NamedTuple):
    """When CleverTap last accepted an upload, which, and when a record was last delivered."""

    accepted_at: datetime | None
    accepted_upload: int | None
    delivered_at: datetime | None


def _read_successes(ids: Ids) -> dict[int, _Successes]:
    """Return each integration's newest successes.

    The last delivery is looked up among the newest uploads, replays included, then among
    the tallies, one an hour. So no query reads a table back to its beginning, even where
    every record falls out.
    """
    accepted = Attempt.objects.filter(
        integration=OuterRef("pk"), outcome="ok", dry_run=False
    )
    newest = Upload.objects.filter(integration=OuterRef(OuterRef("pk"))).order_by("-pk")
    uploads = Upload.objects.leaves().filter(
        pk__in=newest.values("pk")[:RECENT_UPLOADS], delivered__gt=0
    )
    hours = Tally.objects.filter(
        Q(delivered__gt=0) | Q(replayed__gt=0), integration=OuterRef("pk")
    )
    last_accepted = accepted.order_by("-pk")
    rows = Integration.objects.filter(pk__in=ids).annotate(
        accepted=Subquery(last_accepted.values("ended_at")[:1]),
        upload=Subquery(last_accepted.values("upload")[:1]),
        delivered=Coalesce(
            Subquery(uploads.order_by("-settled_at").values("settled_at")[:1]),
            Subquery(hours.order_by("-hour").values("hour")[:1]),
        ),
    )
    found = rows.values_list("pk", "accepted", "upload", "delivered")
    return {pk: _Successes(*values) for pk, *values in found}
