"""The connection check: each fault has its diagnosis, and the passcode is in none."""

import pytest

from clevertap_sync.clevertap.client import deadline
from clevertap_sync.clevertap.connection_check import (
    CheckResult,
    Credentials,
    check_credentials,
    check_credentials_everywhere,
    find_good_locations,
    read_dashboard_address,
)
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox import Sandbox
from clevertap_sync.sandbox.accounts import ACCOUNTS
from referrals.secret import Secret
from tests import wire
from tests.unit.clock import Clock

INVALID_ACCOUNT = {"status": "fail", "error": "Account ID is not valid", "code": 401}

#: For hanging only.
SECONDS = 60


def credentials(template, passcode=wire.CANARY, account_id="ABC-DEF-123Z"):
    return Credentials(Location.EU1, account_id, Secret(passcode), template)


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (
            200,
            {"status": "success", "processed": 1, "unprocessed": []},
            CheckResult.GOOD,
        ),
        (401, INVALID_ACCOUNT, CheckResult.ACCOUNT_UNKNOWN),
        (401, {"error": "Invalid Credentials"}, CheckResult.PASSCODE_REFUSED),
        (403, {"error": "Forbidden"}, CheckResult.CREDENTIALS_REFUSED),
        (404, b"<html>no</html>", CheckResult.WRONG_ADDRESS),
        (200, b"<html>login</html>", CheckResult.WRONG_ADDRESS),
        (429, {}, CheckResult.BUSY),
        (503, {}, CheckResult.FAULT),
        (400, {}, CheckResult.FAULT),
    ],
)
def test_each_answer_has_its_diagnosis(status, body, verdict):
    with wire.ScriptedServer() as server:
        server.answers(status, body)

        diagnosis = check_credentials(credentials(server.url), seconds=SECONDS)

    assert diagnosis.result is verdict
    assert diagnosis.is_good is (verdict is CheckResult.GOOD)
    assert diagnosis.title
    assert diagnosis.remedy
    assert wire.CANARY not in repr(diagnosis)
    assert server.requests[0].target == "/1/upload?dryRun=1"


def test_silence_ends_in_time(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(deadline, "time", clock)

    def play(sock):
        clock.forward()
        wire.silence().play(sock)

    with wire.ScriptedServer() as server:
        server.plays(wire.Step(play))

        diagnosis = check_credentials(credentials(server.url), seconds=SECONDS)

    assert diagnosis.result is CheckResult.TIMEOUT
    assert diagnosis.seconds < SECONDS


def test_a_closed_port_is_not_reached():
    with wire.ScriptedServer() as server:
        url = server.url

    assert (
        check_credentials(credentials(url), seconds=SECONDS).result
        is CheckResult.NOT_REACHED
    )


def test_a_certificate_that_nobody_vouches_for_is_named_as_tls():
    with wire.ScriptedServer() as server:
        url = server.url.replace("http:", "https:")
        server.plays(wire.raw(b"not TLS", unread=True))

        assert (
            check_credentials(credentials(url), seconds=SECONDS).result
            is CheckResult.TLS
        )


@pytest.mark.parametrize("passcode", ["", "with blank"])
def test_what_can_be_no_passcode_is_not_sent(passcode):
    with wire.ScriptedServer() as server:
        diagnosis = check_credentials(credentials(server.url, passcode))

    assert diagnosis.result is CheckResult.INCOMPLETE
    assert server.requests == []


def test_an_account_is_found_at_its_location_only():
    account = ACCOUNTS[Location.MEC1]
    with Sandbox() as sandbox:
        wanted = credentials(sandbox.template, account.passcode, account.account_id)

        diagnoses = check_credentials_everywhere(wanted, seconds=SECONDS)

    assert find_good_locations(diagnoses) == [Location.MEC1]
    assert set(diagnoses) == set(Location)
    assert sandbox.records() == []


@pytest.mark.parametrize(
    ("address", "read"),
    [
        (
            "https://in1.dashboard.clevertap.com/ABC-DEF-123Z/x?y#z",
            ("in1", "ABC-DEF-123Z"),
        ),
        (
            " sg1.dashboard.clevertap.com/test-abc-def-123z ",
            ("sg1", "TEST-ABC-DEF-123Z"),
        ),
        ("https://xx1.dashboard.clevertap.com/ABC-DEF-123Z", None),
        ("https://in1.dashboard.clevertap.com.evil.example/ABC-DEF-123Z", None),
        ("https://evil.example/in1.dashboard.clevertap.com/ABC-DEF-123Z", None),
        ("https://in1.dashboard.clevertap.com/", None),
        ("", None),
    ],
)
def test_a_dashboards_address_tells_location_and_account(address, read):
    assert read_dashboard_address(address) == read
