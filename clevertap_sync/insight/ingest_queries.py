"""Read what came to the apps' doors, from the counts of `referrals.ingest.ingest_health`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from django.db.models import Exists, Max, OuterRef

from clevertap_sync.insight.facts import (
    LATELY,
    AppIngest,
    ExpiringKey,
    Facts,
    RefusalsAtDoor,
    SourceFacts,
    Waiting,
)
from clevertap_sync.insight.key_expiry import read_expiring_keys
from clevertap_sync.insight.source_queries import read_source_facts
from clevertap_sync.models import Integration
from referrals import log
from referrals.ingest.ingest_health import (
    AcceptedCount,
    read_accepted_since,
    read_refusals_since,
)
from referrals.models import App


@dataclass(frozen=True, slots=True)
class IngestByApp:
    """Accepted and refused events by app ID; None: no app's. `AppIngest` says of which time."""

    accepted: Mapping[int, AcceptedCount]
    refused: Mapping[int | None, Sequence[RefusalsAtDoor]]
    sources: Mapping[int, Sequence[SourceFacts]]
    #: The apps that have no integration.
    lonely: Sequence[App] = ()
    expiring: Mapping[int, Sequence[ExpiringKey]] = field(default_factory=dict)

    @property
    def unknown_callers(self) -> tuple[RefusalsAtDoor, ...]:
        """Return the refusals of callers without a known API key."""
        return tuple(self.refused.get(None, ()))

    def build_app_ingest(self, apps: Iterable[App]) -> dict[int, AppIngest]:
        """Return the ingest of each app, by its ID.

        `other_app` is named only if it is among `apps` or the lonely ones: the reader may see
        these.
        """
        asked = {app.pk: app.name for app in apps}
        named = {**asked, **{app.pk: app.name for app in self.lonely}}
        return {
            app_id: AppIngest(
                self.accepted[app_id].in_all if app_id in self.accepted else 0,
                tuple(self.refused.get(app_id, ())),
                *_find_other_app(app_id, named, self.accepted),
                sources=tuple(self.sources.get(app_id, ())),
                expiring=tuple(self.expiring.get(app_id, ())),
            )
            for app_id in asked
        }

    def limit_lonely(self, may_see: Callable[[App], bool]) -> Self:
        """Return the same for a viewer, with only those lonely apps that they may see."""
        return replace(self, lonely=[app for app in self.lonely if may_see(app)])


def read_app_ingest(now: datetime) -> IngestByApp:
    """Read what came to all doors. It takes some statements, so read it once and hand it on."""
    since = now - LATELY
    refused: defaultdict[int | None, list[RefusalsAtDoor]] = defaultdict(list)
    for each in read_refusals_since(since):
        refused[each.app_id].append(
            RefusalsAtDoor(
                each.code, each.count, each.last_at, each.key_prefix, each.sample
            )
        )
    earlier = {
        app_id: max(each.last_at for each in found) - LATELY
        for app_id, found in refused.items()
        if app_id is not None
    }
    integrations = Integration.objects.filter(app=OuterRef("pk"), archived_at=None)
    lonely = App.objects.filter(~Exists(integrations), archived_at=None).order_by(
        "slug"
    )
    return IngestByApp(
        read_accepted_since(since, earlier),
        refused,
        read_source_facts(now),
        list(lonely),
        read_expiring_keys(now),
    )


def read_lonely_facts(now: datetime, ingest: IngestByApp) -> list[Facts]:
    """Return the facts of the apps that have no integration.

    Each has its ingest, and the number of events that no integration, archived ones included,
    has handed to an upload. It takes two statements, where there is such an app.
    """
    if not ingest.lonely:
        return []
    found = ingest.build_app_ingest(ingest.lonely)
    heads = log.read_heads(found)
    rows = Integration.objects.filter(app__in=found).values_list("app")
    taken = dict(rows.annotate(Max("cursor")).order_by())
    return [
        Facts(
            now,
            Integration(app=app),
            is_lonely=True,
            head=heads[app.pk],
            waiting=Waiting(events=max(0, heads[app.pk] - taken.get(app.pk, 0))),
            ingest=found[app.pk],
        )
        for app in ingest.lonely
    ]


def _find_other_app(
    app_id: int, named: Mapping[int, str], accepted: Mapping[int, AcceptedCount]
) -> tuple[str, int]:
    """Return the name of the other app that got most events, and how many."""
    others = [
        (accepted[other].lately, name)
        for other, name in named.items()
        if other != app_id and other in accepted and accepted[other].lately
    ]
    count, name = max(others, default=(0, ""))
    return name, count
