"""Invariant 7: no passcode, API key, identity, address or device shows where it may not."""

import redis
import requests

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from tests.acceptance.conftest import ON_EITHER
from tests.builders import a_sent_event
from tests.harness.process import PATIENCE_SECONDS

PASSCODE = ACCOUNTS[Location.EU1].passcode
WRONG_PASSCODE = "CANARY-PASS"
USER, REFERRER = "canary-user-", "canary-referrer-"
#: What is stored only as keyed hashes.
SIGNALS = {
    "ip": "203.0.113.77",
    "device_id": "canary-device",
    "advertising_id": "canary-advertising",
}
TABLES = (
    *("clevertap_sync_account", "clevertap_sync_attempt", "clevertap_sync_deadletter"),
    *("clevertap_sync_integration", "clevertap_sync_upload", "referrals_apikey"),
    *("referrals_rejectedevent", "referrals_sighting"),
)
HOLDS = "SELECT hold_reason FROM clevertap_sync_integration"
METRICS_TOKEN = "metrics-token-of-a-test"


def install(number):
    return a_sent_event(
        id=f"install-{number}",
        user={"identities": {"custom_id": f"{USER}{number}"}, **SIGNALS},
        referrer={"identities": {"custom_id": f"{REFERRER}{number}"}},
    )


def live_through_everything(stack):
    """Deliver, be refused in every way, and answer callers who do it wrong."""
    sandbox = stack.sandbox
    stack.post([install(n) for n in range(3)])
    stack.wait_until_settled()
    sandbox.poison(identity=USER, code=528)
    stack.post(install(10))
    stack.wait_until_settled()
    sandbox.behave()
    sandbox.fault(tamper=["without_numbers"])
    sandbox.poison(identity=REFERRER, code=513)
    stack.post([install(20), install(20)])
    stack.wait_until_settled()
    sandbox.behave()
    sandbox.poison(identity=f"{USER}30")
    stack.post([install(30), install(31)])
    stack.wait_until_settled()
    sandbox.behave()
    for ending in ("reset_after_storing", "truncated", "garbage"):
        sandbox.fault(only="uploads", ending=ending)
        stack.post(install(ending))
        stack.wait_until_settled()
    refused = {**install(40), "channel": {"wrong": f"{USER}40"}}
    stack.post([refused, {**install(41), f"{USER}41": 1}])
    stack.manage(
        "provision", "shop", *_account(), "--passcode-stdin", stdin=WRONG_PASSCODE
    )
    stack.post(install(50))
    stack.wait_until(lambda: stack.database.rows(HOLDS) == [("credentials_refused",)])
    requests.post(
        f"{stack.web_url}/v1/events",
        data="{",
        headers={"Authorization": f"Bearer {stack.keys['shop']}x"},
        timeout=PATIENCE_SECONDS,
    )


def _account():
    account = ACCOUNTS[Location.EU1]
    return (
        *("--account-id", account.account_id, "--location", "eu1"),
        *("--identity-provider", "custom_id"),
    )


def broker_s_memory(url):
    """Return everything that the broker keeps."""
    client = redis.Redis.from_url(url)
    return [(key, client.dump(key)) for key in client.scan_iter()]


@ON_EITHER
def test_invariant_7_what_is_secret_or_personal_shows_nowhere(make_stack, kind):
    stack = make_stack(kind, warm=True, METRICS_TOKEN=METRICS_TOKEN)
    stack.web()
    stack.worker()
    stack.provision("shop", identity_provider="custom_id")

    live_through_everything(stack)

    metrics = requests.get(
        f"{stack.web_url}/metrics",
        headers={"Authorization": f"Bearer {METRICS_TOKEN}"},
        timeout=PATIENCE_SECONDS,
    )
    assert metrics.status_code == 200
    status = stack.manage("delivery_status")
    assert "credentials_refused" in status
    places = {
        "logs": stack.logs(),
        "metrics": metrics.text,
        "status": status,
        "check": stack.manage("check_clevertap", "shop", check=False),
        "broker": repr(broker_s_memory(stack.broker.url)),
        **{
            table: repr(stack.database.rows(f"SELECT * FROM {table}"))
            for table in TABLES
        },
    }
    secrets = (PASSCODE, WRONG_PASSCODE, stack.keys["shop"], USER, REFERRER)
    shown = {
        (place, secret)
        for place, text in places.items()
        for secret in (*secrets, *SIGNALS.values())
        if secret.casefold() in text.casefold()
    }
    assert shown == set()
    events = repr(stack.database.rows("SELECT * FROM referrals_referralevent"))
    assert USER in events
    assert not any(signal in events for signal in SIGNALS.values())
