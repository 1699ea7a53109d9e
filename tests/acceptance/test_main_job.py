"""The product's job, from a POST to CleverTap's door, in real processes."""

import hashlib
import json

import pytest

from tests.builders import a_sent_custom_event, a_sent_event, a_sent_link_click

#: One event of each kind, a second apart. What is sent along but must not go out:
#: IP addresses, device IDs, and the identities that the integration does not use.
EVENTS = [
    a_sent_event(
        occurred_at=1795435201,
        user={"identities": {"email": "ann@example.com", "custom_id": "planted"}},
    ),
    a_sent_event(type="app_reinstall", occurred_at=1795435202, content=None),
    a_sent_event(type="app_open", occurred_at=1795435203, channel=None),
    a_sent_event(
        type="web_sign_up",
        occurred_at=1795435204,
        user={"identities": {"email": " Ann+Web@example.com"}, "ip": "203.0.113.7"},
    ),
    a_sent_event(type="web_open", occurred_at=1795435205, status="suspicious"),
    a_sent_link_click(occurred_at=1795435206, content="Grüße"),
    a_sent_custom_event(
        occurred_at=1795435207, event_data={"plan": "gold", "seats": 3, "trial": False}
    ),
]
#: Two records for each event, one for the link click, as they have to be sent.
RECORDS = [
    '{"identity":"ann@example.com","ts":1795435201,"type":"event","evtName":"Referred App Install","evtData":{"Channel":"whatsapp","Content":"spring","Status":"valid"}}',
    '{"identity":"bob@example.com","ts":1795435201,"type":"event","evtName":"Generated App Install","evtData":{"Channel":"whatsapp","Content":"spring","Status":"valid"}}',
    '{"identity":"ann@example.com","ts":1795435202,"type":"event","evtName":"Referred App Reinstall","evtData":{"Channel":"whatsapp","Status":"valid"}}',
    '{"identity":"bob@example.com","ts":1795435202,"type":"event","evtName":"Generated App Reinstall","evtData":{"Channel":"whatsapp","Status":"valid"}}',
    '{"identity":"ann@example.com","ts":1795435203,"type":"event","evtName":"Referred App Open","evtData":{"Content":"spring","Status":"valid"}}',
    '{"identity":"bob@example.com","ts":1795435203,"type":"event","evtName":"Generated App Open","evtData":{"Content":"spring","Status":"valid"}}',
    '{"identity":" Ann+Web@example.com","ts":1795435204,"type":"event","evtName":"Referred Web Sign Up","evtData":{"Channel":"whatsapp","Content":"spring","Status":"valid"}}',
    '{"identity":"bob@example.com","ts":1795435204,"type":"event","evtName":"Generated Web Sign Up","evtData":{"Channel":"whatsapp","Content":"spring","Status":"valid"}}',
    '{"identity":"ann@example.com","ts":1795435205,"type":"event","evtName":"Referred Web Open","evtData":{"Channel":"whatsapp","Content":"spring","Status":"suspicious"}}',
    '{"identity":"bob@example.com","ts":1795435205,"type":"event","evtName":"Generated Web Open","evtData":{"Channel":"whatsapp","Content":"spring","Status":"suspicious"}}',
    '{"identity":"bob@example.com","ts":1795435206,"type":"event","evtName":"Generated Link Click","evtData":{"Channel":"whatsapp","Content":"Grüße","Status":"valid"}}',
    '{"identity":"ann@example.com","ts":1795435207,"type":"event","evtName":"Referred Subscription Started","evtData":{"Event Data plan":"gold","Event Data seats":3,"Event Data trial":false}}',
    '{"identity":"bob@example.com","ts":1795435207,"type":"event","evtName":"Generated Subscription Started","evtData":{"Event Data plan":"gold","Event Data seats":3,"Event Data trial":false}}',
]
BODY = '{"d":[' + ",".join(RECORDS) + "]}"
#: What `delivery_status` says when everything was delivered.
ALL_WELL = {
    "backlog": 0,
    "in_flight": 0,
    "queued": 0,
    "dead_letters": {},
    "hold": None,
    "balanced": True,
}


def assert_all_well(stack, *, events, records):
    """Assert that the books say: everything delivered, nothing left."""
    [status] = stack.status()
    expected = {**ALL_WELL, "head": events, "cursor": events, "delivered": records}
    assert {name: status[name] for name in expected} == expected


def test_seven_events_reach_clevertap_as_thirteen_records_byte_for_byte(stack):
    stack.start()

    answer = stack.post(EVENTS)
    stack.wait_until_settled()

    assert (answer.status_code, answer.json()["accepted"]) == (202, 7)
    assert len(RECORDS) == 13
    assert stack.sandbox.records() == json.loads(BODY)["d"]
    [upload] = stack.uploads()
    assert upload.sha256 == hashlib.sha256(BODY.encode()).hexdigest()
    assert_all_well(stack, events=7, records=13)


NOBODY = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("kind", "redis_url"),
    [
        ("sqlite", ""),
        ("postgresql", NOBODY),
        # Whether there is a broker and what the database is do not meet.
        pytest.param("sqlite", NOBODY, marks=pytest.mark.thorough),
        pytest.param("postgresql", "", marks=pytest.mark.thorough),
    ],
    ids=lambda value: {"": "none", NOBODY: "unreachable"}.get(value, value),
)
def test_without_a_broker_the_sweep_delivers(make_stack, kind, redis_url):
    stack = make_stack(kind, warm=True, broker=False, REDIS_URL=redis_url)
    stack.start()

    answer = stack.post(EVENTS)
    stack.wait_until_settled()

    assert answer.status_code == 202
    assert stack.sandbox.records() == json.loads(BODY)["d"]
    assert_all_well(stack, events=7, records=13)
