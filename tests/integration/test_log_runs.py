"""Events that come in runs are stored and answered as if they had come all at once."""

import pytest
from django.db import transaction

from referrals import log
from referrals.ingest import background
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.log import ArchivedAppError
from referrals.log.names import clear_numbers
from referrals.models import IngestCount, ReferralEvent
from referrals.schema import check_object
from tests.builders import (
    FIRST_FRAUD_RULES,
    NOON,
    a_sent_custom_event,
    a_sent_event,
    a_sent_link_click,
    an_app,
)

pytestmark = pytest.mark.django_db

DEVICE = "0A1B2C3D-1111-4222-8333-444455556666"
#: Installs on one device, the later one first; names, old and new; answers of each kind.
SENT = [
    *[
        a_sent_event(
            id=f"install-{hour}",
            occurred_at=f"2026-11-23T{hour:02}:00:00Z",
            user={"identities": {"email": f"{hour}@x.y"}, "device_id": DEVICE},
        )
        for hour in (9, 4, 7, 2, 5)
    ],
    a_sent_custom_event("Late", id="late"),
    a_sent_custom_event("Early", id="early", event_data={"text": "\U0001f600"}),
    {},
    a_sent_event(id="install-4"),
    a_sent_event(id="plain"),
    a_sent_event(id="plain"),
    a_sent_custom_event("Early", id="no-time", occurred_at=None),
    a_sent_link_click(id="a-click"),
    a_sent_event(id="warned", channel="pigeon"),
    a_sent_custom_event("late ", id="again"),
]


@pytest.fixture
def app():
    app = an_app(**FIRST_FRAUD_RULES)
    log.append(app, [a_sent_custom_event("Known", id="known")])
    return app


def in_runs(size, sent=SENT):
    events = [check_object(each, now=NOON) for each in sent]
    return [(events[start : start + size], ()) for start in range(0, len(events), size)]


def stored_after(append):
    """Return what `append` answers, and the rows that it writes; take them back."""
    clear_numbers()
    with transaction.atomic():
        answers = append()
        fields = ("position", "key", "fingerprint", "type", "name", "channel")
        rows = ReferralEvent.objects.values_list(
            *fields, "status", "body", "request_id"
        )
        found = list(rows.order_by("position"))
        transaction.set_rollback(True)
    clear_numbers()
    # An event without a time of its own has that of its receipt.
    return answers, [row for row in found if row[1] != "no-time"]


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize("strict", [False, True])
def test_runs_change_nothing(app, size, strict):
    [(events, _)] = in_runs(100)

    whole = stored_after(lambda: log.append(app, events, strict=strict, request_id="r"))
    split = stored_after(
        lambda: log.append_in_runs(app, in_runs(size), strict=strict, request_id="r")
    )

    assert split == whole
    assert len(whole[1]) == (1 if strict else 12)


def test_a_strict_request_of_good_events_is_stored_whole(app):
    good = [a_sent_event(id=f"good-{n}") for n in range(5)]

    answers = log.append_in_runs(app, in_runs(2, good), strict=True)

    assert [answer.status for answer in answers] == ["accepted"] * 5
    assert [answer.index for answer in answers] == list(range(5))


def read_counts(app):
    """Return how many events were counted by outcome."""
    background.flush_counts()
    rows = IngestCount.objects.filter(app_id=app.pk, way="key", hour__gt=ALL_TIME_HOUR)
    return dict(rows.values_list("outcome", "number"))


def test_events_in_runs_are_counted(app, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        log.append_in_runs(app, in_runs(4), way="key")

    assert read_counts(app) == {
        "accepted": 12,
        "duplicate": 1,
        "conflict": 1,
        "rejected": 1,
    }


def test_an_archived_app_takes_no_runs_and_counts_their_events(app):
    app.archived_at = NOON

    with pytest.raises(ArchivedAppError):
        log.append_in_runs(app, in_runs(4), way="key")

    assert read_counts(app) == {"rejected": len(SENT)}
