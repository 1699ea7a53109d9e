"""While an integration fails, little is handed out at a time, and what is small goes first."""

import pytest

from clevertap_sync.delivery import caution
from clevertap_sync.models import Integration, Upload

WELL, FAILING = Integration(failures=0), Integration(failures=1)


def large(**changes):
    return Upload(**{"first": 1, "last": 500, "unknown_outcomes": 1} | changes)


def small(**changes):
    return Upload(**{"first": 501, "last": 550} | changes)


def test_a_failure_makes_uploads_of_new_work_small():
    assert caution.choose_events_per_upload(WELL) == 500
    assert caution.choose_records_per_upload(WELL) == 1000
    assert caution.choose_events_per_upload(FAILING) == 50
    assert caution.choose_records_per_upload(FAILING) == 100


@pytest.mark.parametrize(
    ("integration", "waiting", "wants"),
    [
        (FAILING, [large()], True),
        (FAILING, [large(unknown_outcomes=0), large()], True),
        # It is known what became of it.
        (FAILING, [large(unknown_outcomes=0)], False),
        (WELL, [large()], False),
        (FAILING, [], False),
        # Something small is there already.
        (FAILING, [large(), small()], False),
        (FAILING, [small(unknown_outcomes=1), large()], False),
    ],
)
def test_new_work_goes_before_large_uploads_in_doubt_alone(integration, waiting, wants):
    assert caution.wants_new_work_first(integration, waiting) is wants


def test_a_small_upload_goes_before_a_large_one_in_doubt():
    first, second = large(), small(unknown_outcomes=3)

    assert caution.choose_first(FAILING, [first, second]) is second
    assert caution.choose_first(WELL, [first, second]) is first


def test_one_that_was_often_sent_in_vain_gives_way():
    first, second = large(), small(unknown_outcomes=4)

    assert caution.choose_first(FAILING, [first, second]) is first
    assert not caution.wants_new_work_first(FAILING, [first, second])


@pytest.mark.parametrize(
    "part",
    [
        large(picks=list(range(100))),
        large(records=100),
        small(first=501, last=550),
    ],
)
def test_an_upload_is_as_large_as_what_it_sends(part):
    assert caution.choose_first(FAILING, [large(), part]) is part
