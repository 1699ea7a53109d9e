"""The address that is called while all is well, over real sockets."""

from datetime import timedelta

import pytest

from clevertap_sync.alerting import alert_round, heartbeats, notifiers
from clevertap_sync.models import Alert, WorkerSeen
from clevertap_sync.process import clock
from referrals.models import App
from referrals.secret import Secret
from tests.builders import an_app, an_integration
from tests.integration.alerting.conftest import an_alert
from tests.integration.alerting.test_watch import Last, hold, look, release
from tests.logs import everything_in

WELL = "/in/box?token=s3cr3t-t0ken"
DROPPED = "The receiver knows no such address, or was called too often"
FAIL = "/in/box/fail?token=s3cr3t-t0ken"


@pytest.fixture(autouse=True)
def _begin(db):
    Last.at = clock.read_now()


def with_heartbeat(receiver, **changes):
    return an_alert(receiver, heartbeat_url=Secret(receiver.url), **changes)


def called(receiver):
    """Return the paths of the calls, without the messages that were posted."""
    return [each.path for each in receiver.received if each.method == "GET"]


def go_on(**span):
    """Look as much later, and call what is due."""
    look(Last.at + timedelta(**span))
    return heartbeats.call_due_heartbeats()


def test_a_round_calls_who_waits_for_it(receiver, integration):
    with_heartbeat(receiver)
    look()

    alert_round.run_alert_round()

    assert called(receiver) == [WELL]


def test_it_is_called_while_all_is_well_and_no_more_often_than_asked(
    receiver, integration
):
    alert = with_heartbeat(receiver, heartbeat_minutes=5)

    assert [go_on(), go_on(), go_on(minutes=5), go_on()] == [1, 0, 1, 0]

    assert called(receiver) == [WELL, WELL]
    alert.refresh_from_db()
    assert (alert.heartbeat_owed, alert.heartbeat_problem) == ("", "")
    assert alert.heartbeat_at is not None


def test_it_is_not_called_while_something_is_an_error(receiver, integration):
    with_heartbeat(receiver)
    hold(integration)
    go_on()
    assert called(receiver) == []

    release(integration)
    go_on(minutes=1)

    assert called(receiver) == [WELL]


@pytest.mark.parametrize("reason", ["server_error", "too_many_requests", "unheard_of"])
def test_a_hold_that_passes_by_itself_is_not_well_either(receiver, integration, reason):
    with_heartbeat(receiver, heartbeat_fails=True)
    hold(integration, reason, minutes=0)
    go_on()
    assert called(receiver) == [FAIL]

    release(integration)
    go_on(minutes=1)

    assert called(receiver) == [FAIL, WELL]


def test_a_pause_is_well_whatever_held_it_before(receiver, integration):
    with_heartbeat(receiver)
    hold(integration, "server_error", enabled=False)

    go_on()

    assert called(receiver) == [WELL]


def test_it_says_so_within_a_minute_where_it_is_asked_to(receiver, integration):
    with_heartbeat(receiver, heartbeat_fails=True, heartbeat_minutes=60)
    go_on()
    hold(integration)

    go_on(minutes=1)
    go_on()
    go_on(minutes=1)

    assert called(receiver) == [WELL, FAIL, FAIL]


def test_without_a_worker_nothing_is_well_whatever_there_is_to_deliver(receiver, db):
    with_heartbeat(receiver)
    go_on()
    assert not App.objects.exists()
    assert called(receiver) == []

    WorkerSeen.objects.create(name="w", seen_at=clock.read_now(), sweep_seconds=5)
    go_on(minutes=1)

    assert called(receiver) == [WELL]


def test_it_is_about_the_apps_of_its_alert(receiver, integration):
    other = an_integration(an_app("other"))
    with_heartbeat(receiver, app=integration.app)
    hold(other)

    go_on()

    assert called(receiver) == [WELL]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((404, b"no"), "The receiver answered 404"),
        ((302, b""), "The receiver answered 302"),
        ((200, b"OK (not found)"), DROPPED),
        ((200, b"OK (rate limited)"), DROPPED),
    ],
    ids=["unknown", "elsewhere", "dropped", "too often"],
)
def test_a_call_that_fails_is_said_and_made_again(
    receiver, integration, caplog, answer, problem
):
    alert = with_heartbeat(receiver)
    status, receiver.text = answer
    receiver.answers = [status]

    assert go_on() == 0
    alert.refresh_from_db()
    assert alert.heartbeat_problem == problem
    receiver.text = b"OK"
    assert go_on(minutes=1) == 1

    alert.refresh_from_db()
    assert alert.heartbeat_problem == ""
    assert caplog.records
    assert "s3cr3t" not in everything_in(caplog)


def test_what_nobody_called_in_time_is_not_called_when_it_is_no_longer_so(
    receiver, integration
):
    with_heartbeat(receiver)
    look()
    assert Alert.objects.get().heartbeat_owed == "well"
    hold(integration)

    assert go_on() == 0

    assert called(receiver) == []


@pytest.mark.parametrize(
    ("is_held", "path"), [(False, WELL), (True, FAIL)], ids=["well", "not well"]
)
def test_a_call_that_nobody_made_yet_stays_due(receiver, integration, is_held, path):
    with_heartbeat(receiver, heartbeat_fails=True)
    if is_held:
        hold(integration)

    look()
    assert go_on() == 1

    assert called(receiver) == [path]


def test_it_is_called_at_no_private_address(receiver, settings, db):
    settings.ALERTS_TO_PRIVATE_ADDRESSES = False

    with pytest.raises(notifiers.AlertNotSentError, match="on a private network"):
        notifiers.call_heartbeat(Secret(receiver.url), fails=False)

    assert receiver.received == []
