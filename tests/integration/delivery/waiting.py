"""Records that wait for a person, and people who become known, by the rows of a step."""

from uuid import UUID

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import DeadLetter, Replay, WaitingRecord
from clevertap_sync.process import clock
from referrals import hashing, log
from referrals.models import KnownIdentity, KnownPerson
from tests.builders import a_sent_event

EVE = "eve@example.com"
FAY = "fay@example.com"
INSTALL = "Referred App Install"


def let_wait(integration, *, providers=("branch_id",)):
    """Let the records of the integration's app wait for people."""
    integration.app.loose_ids = list(providers)
    integration.app.save()


def an_install(branch_id="A", **changes):
    """Return an install of which only a platform's ID is known, by nobody's invitation."""
    defaults = {
        "user": {"identities": {"branch_id": branch_id}},
        "referrer": None,
        "via": "smart_link",
    }
    return a_sent_event(**{**defaults, **changes})


def install(integration, *branch_ids, **changes):
    """Append an install by each of the IDs, deliver, and return their letters that wait."""
    log.append(integration.app, [an_install(each, **changes) for each in branch_ids])
    deliver(integration.pk)
    letters = DeadLetter.objects.filter(integration=integration).order_by("-position")
    return list(letters[: len(branch_ids)])[::-1]


def hash_of(integration, provider, value):
    """Return the keyed hash of an identity, in hexadecimal."""
    return hashing.make_identity_hasher(integration.app_id)(provider, value)


def know(integration, branch_id, email, *, number=1001, test=False):
    """Write that the person with this e-mail address is the one with the platform's ID."""
    address = hash_of(integration, "email", email)
    now = clock.read_now()
    KnownPerson.objects.update_or_create(
        app=integration.app,
        number=number,
        defaults={
            "test": test,
            "keys": {"email": address},
            "size": 2,
            "seen_at": now,
        },
    )
    for provider, value, kept in (
        ("email", email, email),
        ("branch_id", branch_id, ""),
    ):
        KnownIdentity.objects.update_or_create(
            app=integration.app,
            hash=UUID(hash_of(integration, provider, value)),
            test=test,
            defaults={
                "provider": provider,
                "value": kept,
                "person": number,
                "learned_at": 1,
                "seen_at": now,
            },
        )


def match(integration, branch_id, email, **columns):
    """Match what waits for the platform's ID, as the step that learned of the person."""
    wanted = hash_of(integration, "branch_id", branch_id)
    waits = WaitingRecord.objects.filter(integration=integration, hash=wanted)
    waits.update(matched=UUID(hash_of(integration, "email", email)), fresh=False)
    letters = DeadLetter.objects.filter(pk__in=waits.values("letter"))
    letters.update(linked_at=clock.read_now(), linked_by=1, **columns)
    Replay.objects.update_or_create(
        integration=integration,
        kind=Replay.Kind.PEOPLE,
        defaults={"state": Replay.State.RUNNING, "created_at": clock.read_now()},
    )


def link(integration, branch_id="A", email=EVE, **columns):
    """Let the person become known, and what waits for them be matched."""
    know(integration, branch_id, email, **columns)
    match(integration, branch_id, email)
