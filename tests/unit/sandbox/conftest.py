"""A running sandbox, and a caller that speaks to it over real HTTP."""

import json

import pytest
import requests

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox import ACCOUNTS, Sandbox
from tests.harness.process import PATIENCE_SECONDS


class Caller:
    """Somebody with the credentials of one location."""

    def __init__(self, sandbox, location=Location.EU1):
        account = ACCOUNTS[location]
        self.sandbox = sandbox
        self.base = sandbox.base_url(location)
        self.headers = {
            "X-CleverTap-Account-Id": account.account_id,
            "X-CleverTap-Passcode": account.passcode,
            "Content-Type": "application/json",
        }

    def upload(self, *records, dry_run=False, timeout=PATIENCE_SECONDS, **kwargs):
        body = json.dumps({"d": list(records)}).encode()
        return self.post(body, dry_run=dry_run, timeout=timeout, **kwargs)

    def post(self, body, *, dry_run=False, timeout=PATIENCE_SECONDS, **kwargs):
        params = {"dryRun": "1"} if dry_run else None
        headers = {**self.headers, **kwargs.pop("headers", {})}
        return requests.post(
            f"{self.base}/1/upload",
            data=body,
            headers=headers,
            params=params,
            timeout=timeout,
            **kwargs,
        )

    def ask(self, path, query, **params):
        return requests.post(
            self.base + path,
            json=query,
            headers=self.headers,
            params=params,
            timeout=PATIENCE_SECONDS,
        )

    def get(self, path, **params):
        return requests.get(
            f"{self.base}{path}",
            headers=self.headers,
            params=params,
            timeout=PATIENCE_SECONDS,
        )


class Clock:
    """The sandbox's clock, which stands until it is moved. Unix seconds."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


#: 2027-01-15 08:00:00 UTC.
NOW = 1_800_000_000.0
DAY = 86_400


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def account(clock):
    """Return a caller of a sandbox in which everything shows at once, and time stands."""
    with Sandbox(clock=clock) as running:
        running.show_at_once()
        yield Caller(running)


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture
def caller(sandbox):
    return Caller(sandbox)


@pytest.fixture
def make_caller(sandbox):
    return lambda location: Caller(sandbox, location)


@pytest.fixture
def a_record():
    """Return what builds a record that CleverTap accepts, with changes."""

    def build(**changes):
        record = {
            "identity": "ann@example.com",
            "ts": 1_700_000_000,
            "type": "event",
            "evtName": "Referred App Install",
            "evtData": {"Channel": "whatsapp", "Status": "valid"},
        }
        record.update(changes)
        return {key: value for key, value in record.items() if value is not ...}

    return build
