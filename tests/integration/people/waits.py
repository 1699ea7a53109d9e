"""Records that wait, written as a settling writes them, and who may become known."""

from uuid import UUID

from clevertap_sync.insight.picks import make_pick
from clevertap_sync.models import DeadLetter, Upload, WaitingRecord
from clevertap_sync.process import clock
from referrals import hashing, log
from referrals.vocabulary import Side
from tests.builders import a_sent_event

EVE = "eve@example.com"
DAN = "dan@example.com"


def learn_of_people(app, *loose_ids, remembers=False):
    """Let the app learn, by these IDs that come before sign-up."""
    app.loose_ids, app.remembers_referrers = list(loose_ids), remembers
    app.save()


def hash_of(app, provider, value):
    return hashing.make_identity_hasher(app.pk)(provider, value)


def a_link(**identities):
    """Return an event that says that these identities are one person's."""
    return a_sent_event(
        type="identify",
        user={"identities": identities},
        referrer=None,
        channel=None,
        content=None,
    )


def append(app, *events):
    """Append to the app's log; return the position of the last of these."""
    log.append(app, list(events))
    return log.read_head(app.pk)


def a_waiting_letter(
    integration, position, *, side=Side.REFERRED, since=None, test=False, **identities
):
    """Write a dead letter that waits for its person to be known by these identities.

    Without any, it waits for its referrer.
    """
    since = since or clock.read_now()
    upload = Upload.objects.create(
        integration=integration,
        state=Upload.State.SETTLED,
        first=position,
        last=position,
        settings={},
        records=1,
        waiting=1,
        created_at=since,
        settled_at=since,
        due_at=since,
    )
    letter = DeadLetter.objects.create(
        integration=integration,
        upload=upload,
        position=position,
        side=side,
        reason="waiting_for_identity" if identities else "waiting_for_referrer",
        state=DeadLetter.State.WAITING,
        created_at=since,
        changed_at=since,
    )
    app = integration.app
    for hash_ in [hash_of(app, *pair) for pair in identities.items()] or [None]:
        WaitingRecord.objects.create(
            app=app,
            integration=integration,
            letter=letter,
            pick=make_pick(position, side),
            test=test,
            hash=hash_ and UUID(hash_),
            since=since,
        )
    return letter


def rows_of(letter):
    """Return (whom it waits for, under which identity it goes, is it fresh) of each row."""
    rows = WaitingRecord.objects.filter(letter=letter).order_by("pk")
    return [
        (row.hash and row.hash.hex, row.matched and row.matched.hex, row.fresh)
        for row in rows
    ]


def state_of(letter):
    """Return the dead letter's state and reason."""
    letter.refresh_from_db()
    return letter.state, letter.reason
