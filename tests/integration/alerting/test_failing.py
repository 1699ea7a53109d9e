"""An alert that gets to nobody is a finding, and other alerts tell it."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.alerting import notices
from clevertap_sync.alerting.watch import QUIET
from clevertap_sync.insight.findings.installation_finding import FailingAlert
from clevertap_sync.insight.ingest_queries import read_app_ingest
from clevertap_sync.insight.installation_facts import (
    judge_installation,
    read_installation_facts,
)
from clevertap_sync.models import Notice
from clevertap_sync.process import clock
from tests.builders import an_app
from tests.integration.alerting.conftest import an_alert
from tests.integration.alerting.test_watch import Last, look, moments, titles


def fail(receiver, alert, *, times=1, ago=timedelta(0)):
    """Let messages be given up."""
    receiver.answers = [404] * times
    for _ in range(times):
        notice = notices.send_test_notice(alert)
        Notice.objects.filter(pk=notice.pk).update(due_at=clock.read_now() - ago)


def test_what_was_given_up_is_a_finding_until_a_message_gets_through(receiver, db):
    alert = an_alert(receiver, name="On call")
    fine = an_alert(receiver, name="Fine")
    fail(receiver, alert, times=12, ago=timedelta(minutes=5))
    fail(receiver, fine)
    notices.send_test_notice(fine)
    fail(receiver, an_alert(receiver, name="Off", enabled=False))
    now = clock.read_now()
    ingest = read_app_ingest(now)

    with CaptureQueriesContext(connection) as captured:
        facts = read_installation_facts(now, ingest)

    assert len(captured) == 4
    assert facts.failing == (
        FailingAlert(
            pk=alert.pk,
            name="On call",
            app_id=None,
            count=12,
            problem="The receiver answered 404",
            last_at=facts.failing[0].last_at,
        ),
    )
    (finding,) = judge_installation(facts)
    assert finding.sentence == (
        "The alert On call could not be sent: 12 messages given up, the last 5 min ago "
        "(The receiver answered 404)."
    )
    assert (finding.code, finding.severity, finding.count) == (
        "alert_failing",
        "error",
        12,
    )
    assert (finding.link.page, finding.link.arguments) == (
        "clevertap_sync_alert_change",
        (alert.pk,),
    )
    notices.send_test_notice(alert)
    assert read_installation_facts(clock.read_now(), ingest).failing == ()


def test_another_alert_tells_it_and_never_the_one_that_fails(receiver, integration):
    Last.at = clock.read_now()
    failing = an_alert(receiver, name="On call")
    other = an_alert(name="Other")
    an_alert(name="Of another app", app=an_app("other"))
    an_alert(name="Does not ask", failing_alerts=False)
    fail(receiver, failing)

    look()

    written = Notice.objects.exclude(moment=Notice.Moment.TEST)
    assert [(each.alert.name, str(each)) for each in written] == [
        (other.name, "Alert On call: its messages get to nobody")
    ]
    notices.send_test_notice(failing)
    look(look() + QUIET)
    assert moments()[-1] == ("ended", "alert_failing")
    assert titles()[-1] == "Alert On call: its messages arrive again"


def test_one_that_was_switched_off_does_not_arrive_again(receiver, integration):
    Last.at = clock.read_now()
    failing = an_alert(receiver, name="On call")
    an_alert(name="Other")
    fail(receiver, failing)
    look()

    failing.enabled = False
    failing.save()
    look(look() + QUIET)

    assert titles()[-1] == "Alert On call: it was switched off"


def test_an_alert_of_an_app_is_told_of_those_of_its_app(receiver, integration):
    Last.at = clock.read_now()
    failing = an_alert(receiver, name="On call", app=integration.app)
    an_alert(name="Beside it", app=integration.app)
    an_alert(name="For all")
    an_alert(name="Of another app", app=an_app("other"))
    fail(receiver, failing)

    look()

    written = Notice.objects.exclude(moment=Notice.Moment.TEST).order_by("alert__name")
    assert [each.alert.name for each in written] == ["Beside it", "For all"]
