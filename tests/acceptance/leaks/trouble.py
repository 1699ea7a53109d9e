"""What goes wrong behind the door: CleverTap, the broker, the database, the receivers."""

import json
from typing import Any, Final

import redis
from celery import Celery

from tests.acceptance.leaks.callers import (
    UNREADABLE,
    WRONG,
    Call,
    an_event_of_them,
    send,
)
from tests.acceptance.leaks.evidence import Evidence
from tests.acceptance.leaks.markers import ASKED, PERSONAL, TOLD
from tests.harness.receivers import WebhookReceiver
from tests.harness.stack import Stack

#: What CleverTap, or whatever is in its place, may repeat: whom it was sent, and by whom.
_SENT: Final = (
    PERSONAL["e-mail of the user"],
    PERSONAL["ID of the referrer"],
    TOLD["passcode"],
)
ECHO: Final = " ".join(_SENT)
_FAIL: Final = json.dumps({"status": "fail", "error": ECHO, "code": 400})
#: As if the last look at everything were longer ago than looks are apart.
LOOK_AGAIN: Final = (
    "UPDATE clevertap_sync_lastlook SET looked_at = '2000-01-01 00:00:00'"
)
ALERTED: Final = "SELECT count(*) FROM clevertap_sync_notice WHERE attempts > 0"
REDIRECTED: Final = "redirected"
REFUSES: Final = "refused_by_the_database"


def _faults(elsewhere: str) -> dict[str, dict[str, Any]]:
    html = f"<html><body>{ECHO}</body></html>"
    return {
        "400": {"status": 400, "body": _FAIL},
        "401": {"status": 401, "body": _FAIL},
        "404 in HTML": {"status": 404, "body": html},
        "429": {"status": 429, "body": _FAIL, "headers": {"Retry-After": UNREADABLE}},
        "500 in HTML": {"status": 500, "body": html},
        "a redirect": {"status": 302, "body": html, "headers": {"Location": elsewhere}},
        "no JSON": {"status": 200, "body": ECHO, "store": True},
        "no verdicts": {"status": 200, "body": json.dumps({ECHO: ECHO}), "store": True},
        "no HTTP": {"ending": "garbage"},
        "half an answer": {"ending": "truncated"},
        "a broken connection": {"ending": "reset_before_storing"},
        "no answer": {"ending": "hang_before_storing"},
        "no number of a record": {"tamper": ["without_numbers"]},
    }


def upset_clevertap(
    evidence: Evidence, stack: Stack, receiver: WebhookReceiver
) -> None:
    """Let each upload meet another fault, and have it delivered all the same."""
    for fault in _faults(f"{receiver.url}&{REDIRECTED}").values():
        stack.sandbox.fault(only="uploads", **fault)
        stack.sandbox.poison(identity=PERSONAL["e-mail of the user"], code=513, times=1)
        assert stack.post(an_event_of_them()).status_code == 202
        stack.wait_until_settled()
        stack.sandbox.behave()
        evidence.driven["CleverTap"] += 1
    assert not [one for one in receiver.received if REDIRECTED in one.path]


def fill_the_broker(evidence: Evidence, stack: Stack) -> None:
    """Leave there what is none of ours, and tasks that cannot be carried out."""
    assert stack.broker
    person, message = PERSONAL["e-mail of the user"], ASKED["message on the broker"]
    with redis.Redis.from_url(stack.broker.url) as client:
        texts = (
            message,
            json.dumps([person]),
            json.dumps({"body": message, person: 1}),
        )
        for text in texts:
            client.lpush("referrals", text)
            evidence.driven["broker"] += 1
        for key in client.scan_iter("*cursor*"):
            client.set(key, f"{message} {person}")
    producer = Celery(broker=stack.broker.url)
    producer.conf.broker_transport_options = {"max_retries": 0}
    tasks: list[tuple[str, list[Any]]] = [
        (f"{message}.unknown", [person]),
        ("referrals.append_events", [message, [an_event_of_them()]]),
        ("referrals.append_events", ["shop", person]),
        ("referrals.append_events", ["shop", [an_event_of_them(type=WRONG), WRONG]]),
        ("referrals.append_events", [person]),
        (
            "referrals.append_events",
            ["shop", [an_event_of_them(id="broken", channel=REFUSES)]],
        ),
        ("referrals.append_events", ["shop", [an_event_of_them(id="last")]]),
    ]
    with producer:
        for name, arguments in tasks:
            producer.send_task(name, arguments, queue="referrals", retry=False)
            evidence.driven["broker"] += 1
    last = "SELECT count(*) FROM referrals_referralevent WHERE key = 'last'"
    stack.wait_until(lambda: stack.database.rows(last) == [(1,)])


def break_the_database(evidence: Evidence, stack: Stack, key: str) -> None:
    """Let it refuse rows, which PostgreSQL then repeats, and a table that is read."""
    stack.database.execute(
        "ALTER TABLE referrals_referralevent ADD CONSTRAINT refuses "
        f"CHECK (channel IS DISTINCT FROM '{REFUSES}') NOT VALID"
    )
    event = an_event_of_them(channel=REFUSES)
    for name, path in (("one event", ""), ("strictly", "?strict=1")):
        call = Call(500, json.dumps(event).encode(), path=f"/v1/events{path}")
        evidence.answer("broken database", name, send(stack.web_url, key, call))


def tell_of_it(evidence: Evidence, stack: Stack, receiver: WebhookReceiver) -> None:
    """Hold the delivery for good, so that every alert is due, and none gets through."""
    receiver.answers = [500] * 100
    # The record that is tried then is the user's.
    person, _, passcode = _SENT
    stack.sandbox.answer(401, f"{person} {passcode}", times=None)
    stack.post(an_event_of_them())
    held = "SELECT count(*) FROM clevertap_sync_integration WHERE hold_reason <> ''"
    stack.wait_until(lambda: stack.database.rows(held) == [(1,)])
    stack.database.execute(LOOK_AGAIN)
    stack.wait_until(lambda: stack.database.rows(ALERTED)[0][0] >= len(WAYS))
    for way in WAYS:
        evidence.driven["alert"] += 1
        rows = stack.database.rows(
            "SELECT n.* FROM clevertap_sync_notice n JOIN clevertap_sync_alert a "
            f"ON a.id = n.alert_id WHERE a.way = '{way}'"
        )
        evidence.find(f"alert: {way}", repr(rows))
    stack.sandbox.behave()


WAYS: Final = ("webhook", "email", "slack")
