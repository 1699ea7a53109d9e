"""What reaches Sentry: where it failed, and nothing of whom or with what.

A process that fails in many ways sends real envelopes to a receiver on 127.0.0.1.
"""

import json
import re
from pathlib import Path

import pytest

from tests.harness import commands
from tests.harness.receivers import SentryReceiver, running
from tests.unit import warm

CANARY = {
    "passcode": "canary-passcode-9f2c",
    "key": "canary-api-key-71bd",
    "identity": "canary.identity@example.org",
    "custom": "canary_identity_4471",
    "ip": "203.0.113.77",
}


def fail(folder, receiver, **variables):
    """Return what a process printed that failed in every way."""
    source = Path(__file__).with_name("sentry_program.py").read_text("utf-8")
    environment = commands.production(
        DJANGO_SETTINGS_MODULE="integration_project.settings",
        ALLOWED_HOSTS="testserver",
        **variables,
    )
    arguments = (json.dumps(CANARY), receiver.other_url)
    done = warm.run_program(folder, source, arguments, environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """Everything that the failing process sent, and what it printed."""
    with running(SentryReceiver()) as receiver:
        printed = fail(
            tmp_path_factory.mktemp("failing"),
            receiver,
            SENTRY_DSN=receiver.dsn(),
            SENTRY_ENVIRONMENT="staging",
            SENTRY_RELEASE="1.2.3",
        )
    return receiver, printed


@pytest.fixture(scope="module")
def sent(failed):
    return failed[0]


@pytest.fixture(scope="module")
def events(sent):
    return [event for event in sent.events() if "fingerprint" not in event]


@pytest.fixture(scope="module")
def of_deliveries(sent):
    return [event for event in sent.events() if "fingerprint" in event]


def exceptions(events):
    return [
        [value["type"] for value in event["exception"]["values"]]
        for event in events
        if "exception" in event
    ]


def test_every_failure_is_reported_with_its_types(events):
    assert exceptions(events) == [
        ["ValueError"],
        ["RuntimeError"],
        ["OSError", "KeyError"],
    ]


@pytest.mark.parametrize("kind", CANARY)
def test_no_canary_leaves_the_process(sent, kind):
    everything = b"\n".join(sent.envelopes).decode()

    assert len(sent.envelopes) == 4 + 3
    assert CANARY[kind] not in everything


def test_a_report_says_where_in_the_code_it_failed(events):
    frames = events[0]["exception"]["values"][0]["stacktrace"]["frames"]

    assert frames[-1]["function"] == "crash"
    assert frames[-1]["context_line"].strip() == "raise ValueError(message)"
    assert not [frame for frame in frames if "vars" in frame]


def test_a_report_names_the_view_and_the_method_and_not_the_address(events):
    assert events[0]["transaction"] == "__main__.crash"
    assert events[0]["request"] == {"method": "POST"}


def test_a_report_of_a_task_names_the_task(events):
    assert events[1]["transaction"] == "integration_project.crash_task"


def test_a_report_of_a_log_line_has_its_template_only(events):
    assert [event.get("logentry") for event in events[2:]] == [
        {"message": "Could not deliver to %s"},
        {"message": "It failed for %(identity)s"},
    ]


def test_reports_are_tagged_with_environment_and_release(events):
    assert {(event["environment"], event["release"]) for event in events} == {
        ("staging", "1.2.3")
    }


def test_faults_are_one_issue_for_each_integration_and_class(of_deliveries):
    fingerprints = [event["fingerprint"] for event in of_deliveries]

    # The second fault of a kind comes too soon after the first one.
    assert fingerprints == [
        ["delivery", "integration 7", "OperationalError"],
        ["delivery", "integration 8", "OperationalError"],
        ["delivery", "integration 7", "RelatedObjectDoesNotExist"],
    ]
    assert [(e["tags"]["integration"], e["tags"]["fault"]) for e in of_deliveries] == [
        (number.split()[1], fault) for _, number, fault in fingerprints
    ]
    assert [event.get("transaction") for event in of_deliveries[:2]] == [
        "clevertap_sync.deliver",
        "clevertap_sync.deliver",
    ]
    assert of_deliveries[2]["logentry"] == {
        "message": "A request to CleverTap met a fault of ours: %s in %s, line %s"
    }


def test_what_an_account_does_wrong_is_not_reported(failed, sent):
    outcomes = re.findall(r"attempt: (\w+)", failed[1])

    assert len(outcomes) == 16
    assert "None" not in outcomes
    assert {"too_many_requests", "credentials_refused", "server_error"} <= set(outcomes)
    assert len(sent.events()) == 4 + 3


def test_a_breadcrumb_says_what_kind_of_thing_happened(events):
    crumbs = events[2]["breadcrumbs"]["values"]

    assert [(crumb["category"], crumb.get("data")) for crumb in crumbs] == [
        ("referrals", None),
        ("referrals", None),
        ("httplib", {"http.method": "GET", "http.response.status_code": 200}),
    ]
    assert {name for crumb in crumbs for name in crumb} == {
        *("category", "data", "level", "timestamp", "type"),
    }


def test_no_trace_header_goes_to_anybody_else(failed):
    headers = failed[1].split()

    assert "authorization" in headers
    assert not {"sentry-trace", "baggage", "traceparent"} & set(headers)


def test_a_program_without_an_address_of_sentry_sends_nothing(tmp_path):
    with running(SentryReceiver()) as receiver:
        printed = fail(tmp_path, receiver)

    assert printed.startswith("Sentry is off.\n")
    assert receiver.asked == 1
    assert receiver.envelopes == []
