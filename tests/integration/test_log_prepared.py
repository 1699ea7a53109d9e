"""Events that were made ready for the log earlier: as if they had been appended then."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from referrals import log
from referrals.ingest import background
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.log import ArchivedAppError, PreparedEvent, Status
from referrals.models import CustomName, IngestCount, ReferralEvent, Sighting
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

ADDRESS, DEVICE = "203.0.113.7", "0A1B2C3D-1111-4222-8333-444455556666"
WAY = "source:7"
VARIED = {
    "an install": a_sent_event(id="e"),
    "an install with signals": a_sent_event(
        id="e",
        user={"identities": {"email": "a@x.y"}, "ip": ADDRESS, "device_id": DEVICE},
    ),
    "a status of the producer's": a_sent_event(id="e", status="rejected"),
    "a status that we would not give": a_sent_event(
        id="e",
        status="valid",
        user={"identities": {"email": "a@x.y"}, "ip": ADDRESS},
        referrer={"identities": {"email": "b@x.y"}, "ip": ADDRESS},
    ),
    "a status of ours": a_sent_event(
        id="e",
        user={"identities": {"email": "a@x.y"}, "ip": ADDRESS},
        referrer={"identities": {"email": "b@x.y"}, "ip": ADDRESS},
    ),
    "a custom event": a_sent_custom_event(
        id="e", event_data={"n": 1e3, "big": 2**53 + 1, "s": "\u2028é\\", "l": [None]}
    ),
    "a link click": a_sent_link_click(id="e", metadata={"a": {"b": [1, 2.5]}}),
    "a test event": a_sent_event(id="e", test=True, via="smart_link"),
    "a time with a fraction": a_sent_event(id="e", occurred_at=1795435200.123456),
}


@pytest.fixture
def app():
    return an_app(**FIRST_FRAUD_RULES)


def prepare(app, *sent, at=NOON):
    events: list[Any] = [check_object(each) for each in sent]
    return log.prepare_for_later(app, events, at)


def prepared(app, *sent, at=NOON):
    """Return the events as they come out of wherever they waited."""
    made = prepare(app, *sent, at=at)
    return msgspec.json.decode(msgspec.json.encode(made), type=list[PreparedEvent])


def row_of(app):
    fields = ("key", "fingerprint", "occurred_at", "type", "name", "channel", "status")
    (row,) = ReferralEvent.objects.filter(app=app).values_list(*fields, "test", "body")
    return row


@pytest.mark.parametrize("what", VARIED)
def test_it_is_kept_as_if_it_had_been_appended_at_once(app, what):
    log.append(app, [VARIED[what]])
    expected = row_of(app)
    for model in (ReferralEvent, CustomName, Sighting):
        model.objects.all().delete()

    log.append_prepared(app, prepared(app, VARIED[what]), way=WAY)

    assert row_of(app) == expected


@pytest.mark.parametrize("what", VARIED)
def test_sent_again_directly_it_is_a_duplicate(app, what):
    (first,) = log.append_prepared(app, prepared(app, VARIED[what]), way=WAY)
    (again,) = log.append(app, [VARIED[what]])
    (once_more,) = log.append_prepared(app, prepared(app, VARIED[what]), way=WAY)

    answers = [(each.status, each.position) for each in (first, again, once_more)]
    assert answers == [
        (Status.ACCEPTED, 1),
        (Status.DUPLICATE, 1),
        (Status.DUPLICATE, 1),
    ]


def test_after_the_same_event_it_is_a_duplicate(app):
    sent = a_sent_event()
    events = prepared(app, sent)
    log.append(app, [sent])

    (answer,) = log.append_prepared(app, events, way=WAY)

    assert (answer.status, answer.position) == (Status.DUPLICATE, 1)


def test_with_other_content_it_is_a_conflict_and_what_is_there_stands(app):
    sent = a_sent_event(content="spring")
    log.append(app, [sent])

    (answer,) = log.append_prepared(
        app, prepared(app, {**sent, "content": "autumn"}), way=WAY
    )

    assert answer.status is Status.CONFLICT
    assert log.find_event(app.pk, sent["id"]).event.content == "spring"


def test_without_a_time_of_its_own_it_happened_when_it_was_received(app):
    sent = a_sent_event(occurred_at=None)

    log.append_prepared(app, prepared(app, sent, at=NOON), way=WAY)

    (logged,) = log.read_range(app.pk, 1, 1)
    assert logged.event.occurred_at == NOON
    assert logged.received_at > NOON - timedelta(days=1)
    (again,) = log.append(app, [sent])
    assert again.status is Status.DUPLICATE


def test_they_are_appended_in_order_and_answered_one_by_one(app):
    sent = [a_sent_event() for _ in range(3)]
    events = prepared(app, *sent, sent[0])

    answers = log.append_prepared(app, events, way=WAY)

    assert [(each.index, each.id, each.position) for each in answers] == [
        (0, sent[0]["id"], 1),
        (1, sent[1]["id"], 2),
        (2, sent[2]["id"], 3),
        (3, sent[0]["id"], 1),
    ]


def test_fraud_is_judged_when_they_are_appended(app):
    def install(number):
        return a_sent_event(
            user={"identities": {"email": f"{number}@x.y"}, "ip": ADDRESS}
        )

    early = prepared(app, install(1))
    log.append(app, [install(2)])

    log.append_prepared(app, early, way=WAY)
    log.append(app, [install(3)])

    found = [(e.event.status, e.event.reasons) for e in log.read_range(app.pk, 1, 3)]
    suspicious = ("suspicious", ("installs_from_same_ip",))
    assert found == [("valid", ()), suspicious, suspicious]


def test_custom_names_are_numbered_when_they_are_appended(app):
    early = prepared(app, a_sent_custom_event("Early"))
    log.append(app, [a_sent_custom_event("Late")])

    log.append_prepared(app, early, way=WAY)

    found = CustomName.objects.order_by("number").values_list("name", "first_position")
    assert list(found) == [("Late", 1), ("Early", 2)]


def test_to_prepare_asks_no_database(app, django_assert_num_queries):
    with django_assert_num_queries(0):
        prepare(app, a_sent_event())


def test_no_signal_is_kept_in_clear(app):
    sent = VARIED["an install with signals"]

    made = prepare(app, sent)

    text = msgspec.json.encode(made).decode()
    assert ADDRESS not in text
    assert DEVICE.lower() not in text.lower()


def test_an_archived_app_takes_none(app):
    events = prepared(app, a_sent_event())
    app.archived_at = NOON

    with pytest.raises(ArchivedAppError):
        log.append_prepared(app, events, way=WAY)

    assert log.read_head(app.pk) == 0


def test_they_count_by_their_way_in(app, django_capture_on_commit_callbacks):
    sent = a_sent_event()
    with django_capture_on_commit_callbacks(execute=True):
        log.append_prepared(app, prepared(app, sent, sent), way=WAY)

    background.flush_counts()

    rows = IngestCount.objects.filter(app_id=app.pk, way=WAY, hour__gt=ALL_TIME_HOUR)
    assert sorted(rows.values_list("outcome", "number")) == [
        ("accepted", 1),
        ("duplicate", 1),
    ]
