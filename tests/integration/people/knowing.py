"""Rows of people, written as an app would have learned them, and of what waits for them."""

from uuid import UUID

from clevertap_sync.insight.picks import read_position, read_side
from clevertap_sync.models import DeadLetter, Upload, WaitingRecord
from clevertap_sync.process import clock
from referrals import hashing, log
from referrals.models import KnownIdentity, KnownPerson, PeopleProgress

WAITING = DeadLetter.State.WAITING


class KnownPeople:
    """The people of an app, written as the app would have learned them."""

    def __init__(self, integration):
        self.integration, self.app = integration, integration.app
        self.now = clock.read_now()
        self.digest = hashing.make_identity_hasher(self.app.pk)
        self.app.loose_ids = ["branch_id"]
        self.app.save()
        PeopleProgress.objects.create(
            app=self.app,
            cursor=log.read_head(self.app.pk),
            keys=["custom_id", "email", "phone"],
            loose=["branch_id"],
            since=self.now,
        )

    def hash(self, identity):
        return UUID(self.digest(*identity))

    def knows(self, number, key, *loose, shared=()):
        """Let a person be known by a key, and by IDs that came before."""
        hashes = {key[0]: self.hash(key).hex}
        KnownPerson.objects.create(
            app=self.app, number=number, keys=hashes, size=2, seen_at=self.now
        )
        for identity in (key, *loose):
            self.adds(
                number,
                identity,
                value=identity[1] if identity == key else "",
                shared_at=9 if identity in shared else None,
            )

    def adds(self, number, identity, *, value="", shared_at=None):
        """Tie one more identity to a person."""
        KnownIdentity.objects.create(
            app=self.app,
            hash=self.hash(identity),
            provider=identity[0],
            value=value,
            person=number,
            shared_at=shared_at,
            seen_at=self.now,
        )

    def waits(self, pick, identity, *, matched=None, state=WAITING):
        """Let the record of a pick wait for an identity, and return its dead letter."""
        position = read_position(pick)
        upload = Upload.objects.create(
            integration=self.integration,
            state=Upload.State.SETTLED,
            first=position,
            last=position,
            records=1,
            waiting=1,
            settings={},
            due_at=self.now,
            created_at=self.now,
            settled_at=self.now,
        )
        letter = DeadLetter.objects.create(
            integration=self.integration,
            upload=upload,
            position=position,
            side=read_side(pick),
            reason="waiting_for_identity",
            state=state,
            created_at=self.now,
            changed_at=self.now,
        )
        WaitingRecord.objects.create(
            app=self.app,
            integration=self.integration,
            letter=letter,
            pick=pick,
            hash=identity and self.hash(identity),
            matched=matched and self.hash(matched),
            since=self.now,
        )
        return letter
