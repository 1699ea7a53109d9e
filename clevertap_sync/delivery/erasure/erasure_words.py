"""An erasure in sentences for people, and as JSON for scripts. Identities are masked."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.erasure.erasure_orders import ErasurePlan
from clevertap_sync.delivery.erasure.known_others import KnownOther
from clevertap_sync.delivery.erasure.profile_deletion import Deletion
from referrals.identity import Identity
from referrals.models import App, ErasureRequest

Identities = Sequence[Identity]

HELP: Final = """\
Erase one person from an app: from its events, its dead letters, and what would still go
to CleverTap. Later events of the person reach CleverTap no more.

  manage.py forget shop --identity email=ann@example.com --identity custom_id=42

Name every identity that is the person's own, and see with --dry-run first what that
touches. What else the app has learned that the person is known by is taken along with
--including-others, but for what is shared with somebody else. Nothing of it can be undone. Running the command again is harmless; it goes on
where it stopped.

CleverTap keeps what it has already got. --delete-in-clevertap asks it to delete the
person's profile and events.

The exit status is 1 where something that was asked for could not be done yet.
"""

KEPT: Final = """\
Kept here: that the events happened, with type, time, status and the other side of the
referral, and keyed hashes of the identities, by which later events are recognised.
Backups of this database hold the person until they expire; erase again after restoring one.
"""
CLEVERTAP_HAS: Final = """\
CleverTap keeps the person's profile and the events that it has already got."""
CLEVERTAP_KEEPS: Final = f"""\
{CLEVERTAP_HAS} Ask it to
delete them: run this again with --delete-in-clevertap, or delete the profile in its dashboard.
"""
DELETION_TAKES: Final = """\
CleverTap carries a deletion out within a day, and in its backups within 60 days. An app
on the person's device that still uses CleverTap's SDK can make the profile anew: opt the person
out there, too.
"""

NOT_ASKED_YET: Final = (
    "CleverTap was not asked to delete anything yet: an upload that is still to be sent "
    "would make the profile anew. Run this again when the erasure is complete."
)

_OTHERS_SHOWN: Final = 20
_MEANINGS: Final = {
    "accepted": "CleverTap has taken the order to delete the person.",
    "no_identity": "Nothing to delete by: this integration knows people by {provider}. "
    "Name the person's, as {provider}=….",
    "no_passcode": "There is no passcode to ask CleverTap with. {detail}",
    "failed": "CleverTap did not take the order ({detail}). Ask again.",
}


def render_plan_json(
    app: App, identities: Identities, plan: ErasurePlan
) -> dict[str, Any]:
    """Render the plan of a dry run as JSON, as `forget --dry-run --json` prints it."""
    return {
        "app": app.slug,
        "identities": list(map(str, identities)),
        "dry_run": True,
        "events": plan.events,
        "as_user": plan.as_user,
        "as_referrer": plan.as_referrer,
        "other_identities": sorted(map(str, plan.others)),
        "known_identities": sorted(
            str(each.identity) for each in plan.known_others if not each.is_shared
        ),
        "shared_identities": sorted(
            str(each.identity) for each in plan.known_others if each.is_shared
        ),
    }


def describe_plan(app: App, identities: Identities, plan: ErasurePlan) -> str:
    """Describe the plan of a dry run, and which identities to name besides."""
    found = (
        f"{_join_identities(identities)} in {app.slug}: {plan.events:,} events, {plan.as_user:,} as the "
        f"user and {plan.as_referrer:,} as the referrer. Nothing was changed."
    )
    lines = [found]
    if plan.others:
        lines.append(
            "These events name the person by other identities, too: "
            f"{_list_some(plan.others)}. Events that carry only one of these are not "
            "found: name those that are the person's own."
        )
    return "\n".join([*lines, *describe_known_others(plan.known_others)])


def describe_known_others(others: Sequence[KnownOther]) -> list[str]:
    """Describe what else a person is known by, and whether an erasure takes it along."""
    lines = []
    if own := [each.identity for each in others if not each.is_shared]:
        lines.append(
            f"Known to be the same person's: {_list_some(own)}. With --including-others "
            "they are erased, too."
        )
    if shared := [each.identity for each in others if each.is_shared]:
        lines.append(
            f"Shared with somebody else: {_list_some(shared)}. They are never taken "
            "along: name them if the person means them."
        )
    return lines


def _list_some(identities: Collection[Identity]) -> str:
    shown = sorted(map(str, identities))
    more = len(shown) - _OTHERS_SHOWN
    return ", ".join(shown[:_OTHERS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def render_order_json(
    app: App, identities: Identities, order: ErasureRequest
) -> dict[str, Any]:
    """Render an order's progress as JSON; `completes_by` is None unless it waits."""
    is_waiting = order.state == erasure_orders.ErasureState.WAITING
    return {
        "app": app.slug,
        "identities": list(map(str, identities)),
        "request": order.pk,
        "state": order.state,
        "events": order.events,
        "dead_letters": order.dead_letters,
        "uploads_waiting": order.uploads_waiting,
        "uploads_replaced": order.uploads_replaced,
        "completes_by": erasure_orders.find_latest_completion(order)
        if is_waiting
        else None,
    }


def describe_order(identities: Identities, order: ErasureRequest) -> str:
    """Describe an order's progress, and what happens next."""
    if order.state == erasure_orders.ErasureState.WAITING:
        return (
            f"{_join_identities(identities)}: later events are suppressed from now on. "
            f"{order.uploads_waiting} uploads may hold the person, and what became of them is "
            "not known yet. The workers complete the erasure by themselves as soon as it is, "
            "and leave the person's records out if it is not by "
            f"{erasure_orders.find_latest_completion(order):%Y-%m-%d %H:%M} UTC."
        )
    return (
        f"{_join_identities(identities)}: erased from {order.events:,} events and "
        f"{order.dead_letters:,} dead letters; later events are suppressed."
    )


def describe_lifting(identities: Identities, lifted: int) -> str:
    """Say that the person may be sent again; `lifted` suppressions ended."""
    return (
        f"{lifted} of {len(identities)} identities were suppressed. Later events go out "
        "again; what was erased is gone."
    )


def render_deletion_json(each: Deletion) -> dict[str, str]:
    """Render one account's answer as JSON."""
    return {
        "integration": each.integration,
        "identity_provider": each.identity_provider,
        "outcome": each.outcome,
        "detail": each.detail,
    }


def describe_deletions(
    deletions: Sequence[Deletion], *, asked: bool, is_done: bool
) -> list[str]:
    """Describe what happens to the person's profile in CleverTap, line by line."""
    if not asked:
        return [CLEVERTAP_KEEPS]
    if not is_done:
        return [NOT_ASKED_YET]
    if not deletions:
        return describe_answers(deletions)
    return [*describe_answers(deletions), "", DELETION_TAKES]


def describe_answers(deletions: Sequence[Deletion]) -> list[str]:
    """Describe each account's answer in one sentence or two."""
    if not deletions:
        return ["There is no integration, so there is no account to ask."]
    return [_describe_deletion(each) for each in deletions]


def _describe_deletion(each: Deletion) -> str:
    meaning = _MEANINGS[each.outcome]
    said = meaning.format(provider=each.identity_provider, detail=each.detail)
    return f"{each.integration}: {said.strip()}"


def _join_identities(identities: Identities) -> str:
    return ", ".join(map(str, identities))
