"""Which identities a waiting record waits for: written with its dead letter, gone with its wait.

A row is fresh until a step has looked for its identity. So no step that runs at the same
moment can overlook it: it is committed as fresh, and whoever committed it wakes the thread.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.db import transaction

from clevertap_sync.delivery.sql.id_lists import make_id_list
from clevertap_sync.delivery.sql.new_letters import NewWait, insert_waits
from clevertap_sync.delivery.work import Undelivered
from clevertap_sync.models import Upload, WaitingRecord
from clevertap_sync.process import people_wakeups


class Wait(NamedTuple):
    """A letter that waits, why, and since when."""

    letter_id: int
    refusal: Undelivered
    since: datetime


def begin_waiting(upload: Upload, waits: Sequence[Wait]) -> None:
    """Write whom the letters wait for: a row for each ID, or one for a referrer "last".

    Part of the transaction that writes the letters. Once it is committed, this process's
    thread looks for their people.
    """
    if not waits:
        return
    app_id = upload.integration.app_id
    rows = [
        NewWait(
            letter_id=wait.letter_id,
            pick=wait.refusal.pick or 0,
            test=wait.refusal.test,
            hash=waits_by or None,
            since=wait.since,
        )
        for wait in waits
        for waits_by in wait.refusal.waits_by or ("",)
    ]
    insert_waits(app_id, upload.integration_id, rows)
    transaction.on_commit(partial(people_wakeups.wake_learner, app_id))


def stop_waiting(letter_ids: Sequence[int]) -> None:
    """Remove whom the letters wait for: the caller gives them another state."""
    if letter_ids:
        WaitingRecord.objects.filter(letter__in=make_id_list(letter_ids)).delete()
