"""Who is who: what was learned of each app's people from its log.

A projection: `people` alone writes these rows, and builds the same ones anew from the log.
Only `SharedMark` is a decision, and stays. Production and test are apart.
"""

from django.db import models
from django.db.models import Q

from referrals.models.apps import App


class PeopleProgress(models.Model):
    """How far an app's log was learned from, and by which rules. Its lock is the learner's.

    There is a row only where the app learns of people.
    """

    app = models.OneToOneField(
        App, on_delete=models.PROTECT, primary_key=True, related_name="people_progress"
    )
    cursor = models.BigIntegerField(
        default=0, help_text="The last position that was learned from."
    )
    keys = models.JSONField(
        default=list, help_text="The providers that name one person, strongest first."
    )
    loose = models.JSONField(
        default=list, help_text="The providers of IDs that come before sign-up."
    )
    remembers = models.BooleanField(
        default=False, help_text="Whether referrers are remembered."
    )
    generation = models.BigIntegerField(
        default=0,
        help_text="Raised whenever something that was learned is no longer true.",
    )
    emptying = models.BooleanField(
        default=False,
        help_text="What was learned is being removed, in steps; then learning begins anew.",
    )
    complete_at = models.BigIntegerField(
        default=0,
        help_text="Nobody is known before the cursor is there: what two people claimed "
        "might look like the first one's until then.",
    )
    since = models.DateTimeField(help_text="When learning began, or began anew.")
    advanced_at = models.DateTimeField(
        null=True, help_text="When the cursor last moved."
    )
    shared = models.BigIntegerField(
        default=0, help_text="Identities that a second person claimed, since then."
    )
    refused = models.BigIntegerField(
        default=0, help_text="IDs beyond a person's limit, since then."
    )
    skipped = models.BigIntegerField(
        default=0, help_text="Events that could not be learned from, since then."
    )

    class Meta:
        verbose_name_plural = "people's progress"

    def __str__(self) -> str:
        return f"People up to {self.cursor}"


class KnownPerson(models.Model):
    """A person. `number` is the pick that the person was first seen at, so it never changes.

    A pick is twice the position, plus one for the referrer's side.
    """

    pk = models.CompositePrimaryKey("app_id", "number")
    app = models.ForeignKey(
        App, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    number = models.BigIntegerField()
    test = models.BooleanField(default=False)
    keys = models.JSONField(
        default=dict, help_text="Provider → hash of the person's present identity."
    )
    size = models.PositiveIntegerField(
        default=0, help_text="How many identities the person has."
    )
    referrer = models.UUIDField(
        null=True,
        help_text="Hash of the identity by which the last referrer was named.",
    )
    referrer_at = models.BigIntegerField(
        default=0, help_text="The position at which that was."
    )
    seen_at = models.DateTimeField(help_text="When last seen, within a week.")

    class Meta:
        verbose_name = "known person"
        verbose_name_plural = "known people"
        indexes = [
            # people.removal: who was not seen for PEOPLE_DAYS.
            models.Index(fields=["seen_at", "app"], name="people_by_age"),
            # people.removal: whom an erased person invited.
            models.Index(
                fields=["app", "referrer"],
                condition=Q(referrer__isnull=False),
                name="people_by_referrer",
            ),
        ]

    def __str__(self) -> str:
        return f"Person {self.number}"


class KnownIdentity(models.Model):
    """An identity: a keyed hash, and whose it is.

    The value is kept only of providers that name one person, because it is sent; never of
    an ID that comes before sign-up.
    """

    pk = models.CompositePrimaryKey("app_id", "hash", "test")
    app = models.ForeignKey(
        App, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    hash = models.UUIDField(help_text="Keyed hash of the identity and its provider.")
    test = models.BooleanField(default=False)
    provider = models.CharField(max_length=300)
    value = models.TextField(blank=True)
    person = models.BigIntegerField(
        null=True, help_text="The person's number. Empty: nobody is known by it."
    )
    shared_at = models.BigIntegerField(
        null=True,
        help_text="The position at which a second person claimed it. Since then it "
        "names nobody; 0: a person said so.",
    )
    learned_at = models.BigIntegerField(
        default=0, help_text="The position at which it was tied to its person."
    )
    referrer = models.UUIDField(
        null=True,
        help_text="While nobody is known by it: as `KnownPerson.referrer`.",
    )
    referrer_at = models.BigIntegerField(default=0)
    seen_at = models.DateTimeField(help_text="When last seen, within a week.")

    class Meta:
        verbose_name_plural = "known identities"
        indexes = [
            # All identities of a person, in the order in which they are asked for: so no
            # other index that begins with the app looks as good (people.tables).
            models.Index(
                fields=["app", "person", "test"],
                condition=Q(person__isnull=False),
                name="identities_of_a_person",
            ),
            # people.removal: what was not seen for PEOPLE_DAYS.
            # Not by the app first: without statistics, this smaller index looks as good for
            # a single identity as the key's, and all of the app would be read for each.
            models.Index(fields=["seen_at", "app"], name="identities_by_age"),
            # The conflicts, newest first.
            models.Index(
                fields=["app", "-shared_at"],
                condition=Q(shared_at__isnull=False),
                name="shared_identities",
            ),
            # people.removal: whom an erased person invited.
            models.Index(
                fields=["app", "referrer"],
                condition=Q(referrer__isnull=False),
                name="identities_by_referrer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} of person {self.person}"


class ReferrerDecision(models.Model):
    """Whom `"last"` stands for in the event at a position.

    Decided from what was known before that position. Empty while nobody is known.
    """

    pk = models.CompositePrimaryKey("app_id", "position")
    app = models.ForeignKey(
        App, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    position = models.BigIntegerField()
    test = models.BooleanField(default=False)
    user = models.UUIDField(
        null=True, help_text="Hash of the user's strongest identity."
    )
    referrer = models.UUIDField(
        null=True, help_text="Hash of the identity by which the referrer was named."
    )

    class Meta:
        indexes = [
            # Whose referrer is still unknown.
            models.Index(
                fields=["app", "user"],
                condition=Q(referrer=None),
                name="undecided_referrers",
            ),
            # people.removal: whom an erased person invited.
            models.Index(
                fields=["app", "referrer"],
                condition=Q(referrer__isnull=False),
                name="decisions_by_referrer",
            ),
        ]

    def __str__(self) -> str:
        return f"Referrer of {self.position}"


class SharedMark(models.Model):
    """An identity that was marked as shared: it names nobody, also when learned anew."""

    app = models.ForeignKey(
        App, on_delete=models.PROTECT, related_name="shared_marks", db_index=False
    )
    hash = models.UUIDField(help_text="Keyed hash of the identity and its provider.")
    provider = models.CharField(max_length=300)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "hash"], name="one_mark_per_identity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} marked as shared"
