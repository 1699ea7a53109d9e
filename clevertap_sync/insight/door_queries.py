"""What came to the doors of apps lately, from what ingest health has counted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, OuterRef

from clevertap_sync.insight.facts import Door, Facts, Refused
from clevertap_sync.models import Integration
from referrals.ingest.health import Refusals, accepted_since, refusals_since
from referrals.models import App

#: What was refused longer ago is not refused now.
LATELY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Doors:
    """What came to all doors within the last hour, by app; None is nobody's."""

    accepted: Mapping[int, int]
    refused: Mapping[int | None, Sequence[Refused]]

    @property
    def strangers(self) -> tuple[Refused, ...]:
        """Return what was refused of callers whom nobody knows."""
        return tuple(self.refused.get(None, ()))

    def of(self, apps: Iterable[App]) -> dict[int, Door]:
        """Return the door of each app.

        The app that gets events instead is named among `apps` alone: whoever asks sees
        these.
        """
        named = {app.pk: app.name for app in apps}
        return {
            app_id: Door(
                self.accepted.get(app_id, 0),
                tuple(self.refused.get(app_id, ())),
                *_other(app_id, named, self.accepted),
            )
            for app_id in named
        }


def read_doors(now: datetime) -> Doors:
    """Return what came to all doors. Two statements, so ask once for whatever needs it."""
    since = now - LATELY
    refused: defaultdict[int | None, list[Refused]] = defaultdict(list)
    for each in refusals_since(since):
        refused[each.app_id].append(_refused(each))
    return Doors(accepted_since(since), refused)


def read_lonely_facts(now: datetime, doors: Doors) -> list[Facts]:
    """Return what is known of the apps that have no integration, of each its door alone."""
    mine = Integration.objects.filter(app=OuterRef("pk"), archived_at=None)
    apps = list(App.objects.filter(~Exists(mine), archived_at=None).order_by("slug"))
    found = doors.of(apps)
    return [Facts(now, Integration(app=app), door=found[app.pk]) for app in apps]


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
