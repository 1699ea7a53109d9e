"""An erasure meets an upload that delivers what waits: the one waits for the other."""

import pytest
from django.db import transaction

from clevertap_sync.delivery.erasure.waiting_records import erase_records_waiting_for
from clevertap_sync.delivery.sql.revival_rows import deliver_letters
from clevertap_sync.insight.picks import make_pick
from clevertap_sync.models import DeadLetter
from clevertap_sync.process import clock
from referrals.vocabulary import Side
from tests.builders import an_app, an_integration
from tests.integration.people.waits import (
    EVE,
    a_waiting_letter,
    hash_of,
    rows_of,
    state_of,
)
from tests.integration.threads import Worker


@pytest.mark.django_db(transaction=True)
def test_what_an_upload_delivers_meanwhile_is_not_erased():
    app = an_app()
    letter = a_waiting_letter(an_integration(app), 1, email=EVE)

    with transaction.atomic():
        DeadLetter.objects.select_for_update().get()
        erasing = Worker(erase, app)
        erasing.wait_for_its_lock()
        # Had the erasure locked whom the letter waits for, both would wait for ever.
        pick = make_pick(letter.position, Side.REFERRED)
        now = clock.read_now()
        deliver_letters(letter.integration_id, letter.upload_id, [pick], now)
    erasing.finish()

    assert state_of(letter) == ("delivered", "waiting_for_identity")
    assert rows_of(letter) == []


def erase(app):
    with transaction.atomic():
        assert erase_records_waiting_for(app.pk, [hash_of(app, "email", EVE)]) == 0
