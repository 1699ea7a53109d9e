"""By what an upload's records wait: keyed hashes, and never an identity."""

import pytest

from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.map_upload import map_upload
from clevertap_sync.delivery.work import Claim, Undelivered
from clevertap_sync.models import Upload
from referrals import hashing, log
from referrals.models import App
from tests.builders import a_sent_event, an_integration

pytestmark = pytest.mark.django_db

LINKED_LATER = {"identities": {"branch_id": "b-1", "Anonymous_ID": "a-1", "x": "7"}}


@pytest.fixture
def integration():
    return an_integration(event_kinds="both")


def wait_for(app, *providers, remembers=False):
    App.objects.filter(pk=app.pk).update(
        loose_ids=list(providers), remembers_referrers=remembers
    )


def mapped_by(integration):
    claim = claim_next(integration.pk)
    assert isinstance(claim, Claim)
    return claim.upload, map_upload(claim)


def test_a_record_waits_by_the_hashes_of_its_ids(integration):
    wait_for(integration.app, "branch_id", "anonymous_id")
    log.append(integration.app, [a_sent_event(user=LINKED_LATER, test=True)])
    digest = hashing.make_identity_hasher(integration.app_id)

    _, mapped = mapped_by(integration)

    (waiting,) = mapped.undelivered
    assert waiting == Undelivered(
        pick=2,
        name="Referred App Install",
        reason="waiting_for_identity",
        detail="Nobody is known yet by anonymous_id, branch_id.",
        waits_by=tuple(
            sorted([digest("branch_id", "b-1"), digest("anonymous_id", "a-1")])
        ),
        test=True,
    )
    assert waiting.is_waiting
    assert mapped.picks == [3]


def test_a_last_referrer_waits_by_no_hash_as_yet(integration):
    wait_for(integration.app, remembers=True)
    log.append(integration.app, [a_sent_event(type="app_open", referrer="last")])

    _, mapped = mapped_by(integration)

    (waiting,) = mapped.undelivered
    assert (waiting.pick, waiting.reason) == (3, "waiting_for_referrer")
    assert (waiting.waits_by, waiting.test) == ((), False)
    assert waiting.is_waiting


def test_a_dead_letter_of_any_other_reason_waits_for_nobody(integration):
    log.append(integration.app, [a_sent_event(user=LINKED_LATER)])

    _, mapped = mapped_by(integration)

    (letter,) = mapped.undelivered
    assert (letter.reason, letter.waits_by) == ("no_identity", ())
    assert not letter.is_waiting


def test_what_is_waited_for_is_frozen_on_the_upload(integration):
    wait_for(integration.app, "branch_id", remembers=True)
    log.append(integration.app, [a_sent_event(user=LINKED_LATER)])
    upload, _ = mapped_by(integration)
    wait_for(integration.app)

    kept = Upload.objects.get(pk=upload.pk).settings

    assert kept["waits_for"] == ["branch_id"]
    assert kept["remembers_referrers"] is True
    assert kept["falls_back_to_clevertap_id"] is False


def test_an_upload_that_is_due_again_takes_the_present_ids(integration):
    log.append(integration.app, [a_sent_event(user=LINKED_LATER)])
    upload, _ = mapped_by(integration)
    wait_for(integration.app, "branch_id")
    Upload.objects.filter(pk=upload.pk).update(leased_until=None)

    again, mapped = mapped_by(integration)

    assert again.pk == upload.pk
    assert [each.reason for each in mapped.undelivered] == ["waiting_for_identity"]
