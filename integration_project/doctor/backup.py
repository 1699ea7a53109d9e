"""Backups: whether a restored one would be noticed, and what one that was restored did."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import redis
from django.conf import settings

from clevertap_sync.clevertap.hold_reasons import RESTORED_BACKUP
from clevertap_sync.insight.findings import Link
from clevertap_sync.models import Integration
from clevertap_sync.worker.restored_backup import read_remembered_cursors
from integration_project.doctor.check import Area, Check, State
from referrals import history
from referrals.models import Change
from referrals.words import format_utc

#: Of an integration that was paused for it, so many changes since are told.
CHANGES_TOLD: Final = 3

_check = partial(Check, area=Area.BACKUP)


def examine_backup() -> Iterator[Check]:
    """Yield what was restored, and whether the next one would be noticed.

    What is paused for it now is a finding, which `delivery` reads.
    """
    yield from _describe_restorations()
    if not settings.REDIS_URL:
        yield _check(
            code="restore_unnoticed",
            state=State.INFO,
            sentence="Without REDIS_URL nobody notices that a backup was restored: it would "
            "send again what was sent since it was made.",
            remedy="Before you start a worker on a restored backup, disable the integrations.",
        )
        return
    enabled = list(Integration.objects.enabled().select_related("app", "account"))
    try:
        remembered = read_remembered_cursors(enabled)
    except (redis.RedisError, OSError) as error:
        yield _check(
            code="restore_unknown",
            state=State.WARNING,
            sentence=f"The broker does not answer ({type(error).__name__}), and it alone knows "
            "how far integrations had come: a restored backup is not noticed now.",
            remedy="Start no worker on a restored backup before the broker answers.",
        )
        return
    yield from judge_cursors(enabled, remembered)


def judge_cursors(
    integrations: Sequence[Integration], remembered: Sequence[int]
) -> Iterator[Check]:
    """Yield the integrations that are behind what workers remember, or that all are known."""
    pairs = list(zip(integrations, remembered, strict=True))
    behind = [(each, cursor) for each, cursor in pairs if each.cursor < cursor]
    for integration, cursor in behind:
        yield _check(
            code="behind_memory",
            state=State.ERROR,
            sentence=f"{integration}: its cursor is {integration.cursor:,}, and it had come to "
            f"{cursor:,}. The database is an older one, such as a restored backup: a "
            "worker's next sweep pauses it.",
            remedy="Erase again whoever was erased since, then enable it from now.",
            link=Link(
                "Enable from now",
                "clevertap_sync_integration_enable",
                (integration.pk,),
            ),
            values={"cursor": integration.cursor, "remembered": cursor},
        )
    if not behind:
        known = sum(cursor > 0 for _, cursor in pairs)
        yield _check(
            code="restore_noticed",
            state=State.OK,
            sentence=_describe_memory(known, len(pairs)),
            values={"remembered": known, "integrations": len(pairs)},
        )


def _describe_memory(known: int, enabled: int) -> str:
    if not enabled:
        return "No integration is enabled, so that none can be behind what workers remember."
    return (
        "No enabled integration is behind what workers remember: the cursors of "
        f"{known:,} of {enabled:,}."
    )


def _describe_restorations() -> Iterator[Check]:
    restored = Integration.objects.filter(restorations__gt=0, archived_at=None)
    for integration in restored.select_related("app", "account"):
        pauses = history.list_changes(integration).filter(by=history.WORKER)
        paused = pauses.first()
        yield _check(
            code="restored",
            state=State.INFO,
            sentence=f"{integration} was paused {_describe_times(integration.restorations)} because "
            f"the database was an older one{_describe_when(paused)}. "
            f"{_describe_since(integration, paused)}",
            link=Link(
                "See its changes",
                "clevertap_sync_integration_change",
                (integration.pk,),
            ),
            values={"restorations": integration.restorations},
        )


def _describe_times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _describe_when(paused: Change | None) -> str:
    """Return when it was last paused; nothing where the history does not have it any more."""
    return f", last on {format_utc(paused.at)}" if paused else ""


def _describe_since(integration: Integration, paused: Change | None) -> str:
    """Say what people did about it since."""
    if integration.hold_reason == RESTORED_BACKUP and not integration.enabled:
        return "Nobody has decided yet how it goes on."
    if paused is None:
        return "It was enabled again."
    since = history.list_changes(integration).filter(pk__gt=paused.pk).order_by("pk")
    told = [f"{each.what} (by {each.by})" for each in since[:CHANGES_TOLD]]
    return f"Since then: {' '.join(told)}" if told else "It was enabled again."
