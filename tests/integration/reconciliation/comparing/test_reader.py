"""One process asks an account, one request at a time; what CleverTap says has consequences."""

import json
import threading
from datetime import date, timedelta

import pytest

from clevertap_sync.clevertap.causes.week import Schema, SchemaEvent
from clevertap_sync.clevertap.stored_schema import pack_schema
from clevertap_sync.insight.seen_failures import MAY_NOT_READ
from clevertap_sync.models import AccountReading, Attempt
from clevertap_sync.process import clock, stopping
from clevertap_sync.reconciliation.reader import (
    LEASE_LOST,
    NO_TIME,
    STOPPING,
    QuestionRefused,
    ReadingStopped,
    open_reader,
)
from referrals.secret import Secret
from tests.builders import an_app, an_integration
from tests.integration.reconciliation.comparing.conftest import LONG_AGO

NAME = "Referred App Install"
DAY = date(2026, 1, 9)


PARTIAL = {"status": "partial", "req_id": 384}
WHOLE = {"status": "success", "count": 12}


def answers(clevertap, *bodies, status=200):
    for body in bodies:
        clevertap.answers(status, body)


def count(integration, **changes):
    with open_reader(integration.account, seconds=60, **changes) as reading:
        assert reading is not None
        return reading.count(NAME, DAY, DAY)


def is_free(integration, **changes):
    with open_reader(integration.account, seconds=60, **changes) as reading:
        return reading is not None


def row():
    return AccountReading.objects.get()


def test_a_partial_answer_is_asked_for_again_until_it_is_whole(
    clevertap, integration, pauses
):
    answers(clevertap, PARTIAL, PARTIAL, PARTIAL, PARTIAL, WHOLE)

    assert count(integration) == 12
    assert pauses == [2, 4, 8, 10]
    assert row().leased_until is None


def test_a_request_that_clevertap_forgot_is_made_anew(clevertap, integration):
    answers(
        clevertap,
        PARTIAL,
        {"status": "fail", "error": "Invalid request id", "code": 400},
        {"status": "fail", "error": "Request still in progress", "code": 2},
        WHOLE,
    )

    assert count(integration) == 12
    asked = [request.method for request in clevertap.requests]
    assert asked == ["POST", "GET", "POST", "POST"]


def test_a_count_that_never_comes_is_given_up_alone(
    clevertap, integration, monkeypatch
):
    monkeypatch.setattr("clevertap_sync.reconciliation.reader.PENDING_SECONDS", -1)
    answers(clevertap, PARTIAL)

    with pytest.raises(QuestionRefused, match="still_pending"):
        count(integration)

    assert row().failures == 0


def test_while_one_process_reads_no_other_does(sandbox, integration):
    with open_reader(integration.account, seconds=60) as first:
        assert first is not None
        assert not is_free(integration)
        assert not is_free(integration, insists=True)

    assert is_free(integration)


def test_whoever_outlived_its_lease_asks_and_writes_nothing_more(sandbox, integration):
    with open_reader(integration.account, seconds=60) as killed:
        AccountReading.objects.update(leased_until=clock.read_now())
        with open_reader(integration.account, seconds=60) as next_one:
            assert next_one is not None
            with pytest.raises(ReadingStopped, match=LEASE_LOST):
                killed.count(NAME, DAY, DAY)

    assert sandbox.requests() == []


def test_where_clevertap_is_busy_everybody_waits_and_for_longer_each_time(
    clevertap, integration
):
    waits = []
    for _ in range(3):
        answers(clevertap, b"", status=429)
        AccountReading.objects.update(waits_until=None)
        before = clock.read_now()
        with pytest.raises(ReadingStopped, match="too_many_requests"):
            count(integration)
        waits.append(row().waits_until - before)
        assert not is_free(integration)
        assert not is_free(integration, insists=True)

    assert (row().failures, row().refused_at) == (3, None)
    seconds = [timedelta(seconds=each) for each in (22, 45, 90)]
    assert all(wait >= least for wait, least in zip(waits, seconds, strict=True))


def test_clevertap_says_how_long_to_wait(clevertap, integration):
    clevertap.answers(503, Retry_After="900")
    before = clock.read_now()

    with pytest.raises(ReadingStopped, match="server_error"):
        count(integration)

    assert row().waits_until - before >= timedelta(seconds=900)


def test_an_answer_ends_every_wait(sandbox, integration):
    AccountReading.objects.create(
        account=integration.account, failures=3, refused_at=LONG_AGO, last_error="x"
    )

    assert count(integration) == 0
    after = row()
    assert (after.failures, after.refused_at, after.last_error) == (0, None, "")


def test_a_passcode_that_may_not_read_is_written_down(clevertap, integration):
    answers(clevertap, {"error": "Forbidden"}, status=403)

    with pytest.raises(ReadingStopped, match=MAY_NOT_READ):
        count(integration)

    assert row().refused_at is not None
    assert not is_free(integration)
    assert is_free(integration, insists=True)


def test_a_401_is_no_reading_matter_where_uploads_may_be_refused_too(
    sandbox, integration
):
    integration.passcode = Secret("wrong")
    integration.save()

    with pytest.raises(ReadingStopped, match="credentials_refused"):
        count(integration)

    assert row().refused_at is None


def test_a_401_while_uploads_are_accepted_means_may_not_read(clevertap, integration):
    now = clock.read_now()
    Attempt.objects.create(
        integration=integration, began_at=now, ended_at=now, outcome="ok"
    )
    answers(clevertap, {"error": "Invalid Credentials"}, status=401)

    with pytest.raises(ReadingStopped, match=MAY_NOT_READ):
        count(integration)

    assert row().refused_at is not None


def test_other_credentials_are_tried_at_once(clevertap, integration, now):
    answers(clevertap, b"", status=403)
    with pytest.raises(ReadingStopped):
        count(integration)

    now.passes(minutes=1)
    integration.credentials_since = now.at
    integration.save()

    answers(clevertap, WHOLE)
    assert count(integration) == 12
    assert row().refused_at is None


def test_of_a_shared_account_any_passcode_that_may_read_is_used(sandbox, integration):
    second = an_integration(an_app(), reconciles=True, counts_since=LONG_AGO)
    assert second.account == integration.account
    integration.passcode = Secret("user-passcode")
    integration.save()

    assert count(integration) == 0
    assert row().refused_at is None
    assert [request.status for request in sandbox.requests()] == [401, 200]


def test_a_name_is_spelled_as_the_schema_has_it(clevertap, integration):
    event = {"name": "referred APP install", "status": "Active", "type": "Defined"}
    answers(clevertap, {"status": "success", "events": [event]}, WHOLE)
    with open_reader(integration.account, seconds=60) as reading:
        schema = reading.read_schema()
        assert reading.read_schema() is schema
        assert reading.count(NAME, DAY, DAY) == 12

    assert schema.events["referredappinstall"] == SchemaEvent(
        "referred APP install", "active", is_defined=True
    )
    assert json.loads(clevertap.requests[1].body)["event_name"] == event["name"]
    assert row().schema["events"] == [["referred APP install", "active", True]]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b"<html>", "request_rejected"),
        (403, b"<html>", "credentials_refused"),
        (404, b"<html>", "wrong_address"),
        (405, b"<html>", "wrong_address"),
        (500, b"", "server_error"),
        (200, {"events": {"name": "Sale"}}, "malformed_response"),
    ],
)
def test_an_account_without_a_schema_to_show_is_counted_all_the_same(
    clevertap, integration, status, body, code
):
    AccountReading.objects.create(
        account=integration.account, schema=pack_schema(Schema({})), schema_at=LONG_AGO
    )
    answers(clevertap, body, status=status)
    answers(clevertap, WHOLE)

    with open_reader(integration.account, seconds=60) as reading:
        with pytest.raises(QuestionRefused, match=code):
            reading.read_schema()
        assert reading.count(NAME, DAY, DAY) == 12

    assert row().lacks_schema, "an older one says nothing"
    assert (row().refused_at, row().last_error) == (None, "")


def test_a_process_that_is_to_end_asks_nothing_more(
    clevertap, integration, monkeypatch
):
    answers(clevertap, PARTIAL)
    stop = threading.Event()
    monkeypatch.setattr(stopping, "_stopping", stop)

    with (
        open_reader(integration.account, seconds=60, wait=_stop_then(stop)) as reading,
        pytest.raises(ReadingStopped, match=STOPPING),
    ):
        reading.count(NAME, DAY, DAY)

    assert len(clevertap.requests) == 1
    assert (row().leased_until, row().failures) == (None, 0)


def _stop_then(stop):
    def wait(_seconds):
        stop.set()
        return True

    return wait


def test_when_the_time_is_over_nothing_more_is_asked(sandbox, integration):
    with (
        open_reader(integration.account, seconds=-1) as reading,
        pytest.raises(ReadingStopped, match=NO_TIME),
    ):
        reading.count(NAME, DAY, DAY)

    assert sandbox.requests() == []


def test_an_account_that_is_not_compared_is_not_asked(sandbox, integration):
    integration.reconciles = False
    integration.save()

    assert not is_free(integration)
    assert not AccountReading.objects.exists()
