"""What came to the doors of apps lately, from what ingest health has counted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef

from clevertap_sync.insight.facts import LATELY, Door, Facts, Refused
from clevertap_sync.models import Integration
from referrals.ingest.health import Accepted, Refusals, accepted_since, refusals_since
from referrals.models import App


@dataclass(frozen=True, slots=True)
class Doors:
    """What came to all doors, by app; None is nobody's. See `Door` for how far back."""

    accepted: Mapping[int, Accepted]
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
                self.accepted[app_id].in_all if app_id in self.accepted else 0,
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
    earlier = {
        app_id: max(each.last_at for each in found) - LATELY
        for app_id, found in refused.items()
        if app_id is not None
    }
    return Doors(accepted_since(since, earlier), refused)


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
    app_id: int, named: Mapping[int, str], accepted: Mapping[int, Accepted]
) -> tuple[str, int]:
    """Return the name of the other app that got most events, and how many."""
    others = [
        (accepted[other].lately, name)
        for other, name in named.items()
        if other != app_id and other in accepted and accepted[other].lately
    ]
    count, name = max(others, default=(0, ""))
    return name, count
