"""An alert, from a refused passcode to a webhook's door, in real processes."""

from tests.builders import a_sent_event
from tests.harness.receivers import WebhookReceiver, running

#: What a person would type in, with a passcode that CleverTap refuses.
SET_UP = """
from clevertap_sync.alerting.notifiers import create_signing_secret
from clevertap_sync.models import Alert, Integration
from referrals.secret import Secret
for integration in Integration.objects.all():
    integration.passcode = Secret("CAN-ARY-PASS-XYZ")
    integration.save(update_fields=["passcode"])
Alert.objects.create(
    name="On call", way="webhook", url=Secret("{url}"), signing_secret=create_signing_secret(),
    held_minutes=0, lag_minutes=None, dead_percent=None,
)
"""
HOLDS = "SELECT hold_reason, hold_cause FROM clevertap_sync_integration"
#: As if the last look at everything were longer ago than looks are apart.
LOOK_AGAIN = "UPDATE clevertap_sync_lastlook SET looked_at = '2000-01-01 00:00:00'"


def test_a_refused_passcode_is_told_once_however_many_workers_there_are(make_stack):
    with running(WebhookReceiver()) as receiver:
        stack = make_stack("postgresql", warm=True, ALERTS_TO_PRIVATE_ADDRESSES="true")
        stack.provision()
        stack.manage("shell", "-c", SET_UP.format(url=receiver.url))
        stack.web()
        stack.post(a_sent_event())
        for _ in range(3):
            stack.worker()

        held = ("credentials_refused", "wrong_passcode")
        stack.wait_until(lambda: stack.database.rows(HOLDS) == [held])
        stack.database.execute(LOOK_AGAIN)
        stack.wait_until(lambda: receiver.received)
        stack.wait_until(
            lambda: (
                stack.database.rows("SELECT state FROM clevertap_sync_notice")
                == [("sent",)]
            )
        )

        message = receiver.received[0].json
        assert message["type"] == "wrong_passcode.started"
        assert "CleverTap" in message["text"]
        assert "passcode" in message["text"]
        assert len(receiver.received) == 1
        notices = "SELECT moment, attempts FROM clevertap_sync_notice"
        assert stack.database.rows(notices) == [("started", 1)]
        assert "CAN-ARY" not in stack.logs() + str(receiver.received)
        assert "s3cr3t-t0ken" not in stack.logs()
