"""What came to the doors of apps lately, from what ingest health has counted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, OuterRef

from clevertap_sync.insight.facts import Door, Facts, Refused
from clevertap_sync.models import Integration
from referrals.ingest.health import Refusals, accepted_since, refusals_since
from referrals.models import App

#: What was refused longer ago is not refused now.
LATELY: Final = timedelta(hours=1)


def read_doors(apps: Iterable[App], now: datetime) -> dict[int, Door]:
    """Return what came to each app's door within the last hour. Two statements.

    The app that gets events instead is named among `apps` alone: whoever asks sees these.
    """
    named = {app.pk: app.name for app in apps}
    since = now - LATELY
    accepted = accepted_since(since)
    refused: defaultdict[int | None, list[Refused]] = defaultdict(list)
    for each in refusals_since(since):
        refused[each.app_id].append(_refused(each))
    return {
        app_id: Door(
            accepted.get(app_id, 0),
            tuple(refused[app_id]),
            *_other(app_id, named, accepted),
        )
        for app_id in named
    }


def read_lonely_facts(now: datetime) -> list[Facts]:
    """Return what is known of the apps that have no integration, of each its door alone."""
    mine = Integration.objects.filter(app=OuterRef("pk"), archived_at=None)
    apps = list(App.objects.filter(~Exists(mine), archived_at=None).order_by("slug"))
    doors = read_doors(apps, now) if apps else {}
    return [Facts(now, Integration(app=app), door=doors[app.pk]) for app in apps]


def read_strangers(now: datetime) -> tuple[Refused, ...]:
    """Return what was refused within the last hour of callers whom nobody knows."""
    return tuple(
        _refused(each) for each in refusals_since(now - LATELY) if each.app_id is None
    )


def _refused(found: Refusals) -> Refused:
    return Refused(
        found.code, found.count, found.last_at, found.key_prefix, found.sample
    )


def _other(
    app_id: int, named: Mapping[int, str], accepted: Mapping[int, int]
) -> tuple[str, int]:
    """Return the name of the other app that got most events, and how many."""
    others = [
        (accepted[other], name)
        for other, name in named.items()
        if other != app_id and accepted.get(other)
    ]
    count, name = max(others, default=(0, ""))
    return name, count
