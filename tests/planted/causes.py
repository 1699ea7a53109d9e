"""The causes, each planted as it comes about: by an API call, a command, a form, a setting.

A function plants one, for an app that is named as the function is. What the product has to
say to it stands above.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import requests

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.insight.findings.content import MANY_WAITS
from clevertap_sync.sandbox.accounts import ACCOUNTS
from clevertap_sync.sandbox.faults import Fault
from tests.builders import a_sent_event
from tests.harness.process import PATIENCE_SECONDS, free_port, wait_until
from tests.people import knows
from tests.planted.stacks import Cause, Site, title_of

INTEGRATION: Final = "/admin/clevertap_sync/integration/N/"
SETTINGS: Final = f"{INTEGRATION}change/#id_"
INGEST: Final = "/admin/ingest/"
LETTERS: Final = "/admin/clevertap_sync/deadletter/"
KEYS: Final = "/admin/referrals/apikey/"
ALERTS: Final = "/admin/clevertap_sync/alert/"
#: Integrations whose accounts have to differ in something are in locations of their own.
OF_TESTS: Final = Location.US1
OF_DISCARDING: Final = Location.APS3
OF_EXPIRING: Final = Location.MEC1
OF_DROPPING: Final = Location.MEC1
OF_MANY_EVENTS: Final = Location.SK1
OF_LETTER_CASE: Final = (Location.IN1, Location.SG1)
ENABLE: Final = "--enable"
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

CAUSES: Final[list[Cause]] = []


def cause(
    name: str,
    code: str,
    fix: str,
    *,
    count: int | None,
    site: str = "patient",
    is_of_app: bool = True,
) -> Callable[[Callable[[Site, str], object]], Callable[[Site, str], object]]:
    """Add what a function plants to the causes. In `fix`, APP is the app's short name."""

    def add(plant: Callable[[Site, str], object]) -> Callable[[Site, str], object]:
        app = plant.__name__.replace("_", "-")
        CAUSES.append(
            Cause(
                name,
                site,
                plant,
                app if is_of_app else None,
                code,
                fix.replace("APP", app),
                count,
            )
        )
        return plant

    return add


def installs(
    app: str,
    count: int,
    *,
    first: int = 1,
    ago: timedelta = timedelta(0),
    **changes: Any,
) -> list[dict[str, Any]]:
    """Return app installs of people whom nobody invited: one record each."""
    at = datetime.now(UTC) - ago
    return [
        a_sent_event(
            **{
                "id": f"{app}-{number}",
                "occurred_at": at.isoformat(),
                "user": {"identities": {"email": f"user-{number}@{app}.example"}},
                "referrer": None,
                "via": "smart_link",
                **changes,
            }
        )
        for number in range(first, first + count)
    ]


# What arrives, and comes to nothing


@cause(
    "an identity provider that nobody carries",
    "identity_missing",
    f"{SETTINGS}identity_provider",
    count=5,
    site="impatient",
)
def identity_provider(site, app):
    site.provision(app, ENABLE, identity_provider="customer_number")
    site.send(app, installs(app, 5))


@cause(
    "an identity provider for which all installs wait, and nobody signs up",
    "everything_waits",
    f"{SETTINGS}identity_provider",
    count=MANY_WAITS,
    site="impatient",
)
def nobody_signs_up(site, app):
    site.provision(app, ENABLE, "--loose-ids", "anonymous_id")
    users = [
        {"identities": {"anonymous_id": f"device-{number}"}}
        for number in range(MANY_WAITS)
    ]
    events = installs(app, MANY_WAITS)
    site.send(
        app,
        [{**event, "user": user} for event, user in zip(events, users, strict=True)],
    )


@cause(
    "test events alone, for production",
    "only_test_events",
    f"{SETTINGS}event_kinds",
    count=5,
)
def only_tests(site, app):
    site.provision(app, ENABLE)
    site.send(app, installs(app, 5, test=True))


@cause(
    "link clicks without a referrer alone",
    "nothing_to_send",
    "/admin/events/?app=APP&type=link_click",
    count=5,
)
def only_clicks(site, app):
    site.provision(app, ENABLE)
    site.send(app, installs(app, 5, type="link_click", user=None))


@cause(
    "an event that is discarded in CleverTap (528)",
    "dead_letters",
    f"{LETTERS}?integration__id__exact=N&reason=clevertap_528&state__exact=open",
    count=5,
)
def discarded_name(site, app):
    site.sandbox.switch(OF_DISCARDING, discarded_names=["Referred App Open"])
    site.provision(app, ENABLE, location=OF_DISCARDING)
    opens = installs(app, 5, first=6, type="app_open")
    site.send(app, [*installs(app, 5), *opens])


@cause(
    "an event that CleverTap accepts, and drops later",
    "not_shown",
    f"{INTEGRATION}seen/",
    count=5,
)
def dropped_later(site, app):
    rules = {"discarded_names": ["Referred Web Sign Up"], "discarded_records": "drop"}
    site.sandbox.switch(OF_DROPPING, **rules)
    site.provision(app, ENABLE, "--reconcile", location=OF_DROPPING)
    site.send(app, installs(app, 5, type="web_sign_up"))


@cause(
    "an account that has no room for a further event",
    "not_shown",
    f"{INTEGRATION}seen/",
    count=5,
)
def full_account(site, app):
    site.sandbox.switch(OF_MANY_EVENTS, other_event_types=512)
    site.provision(app, ENABLE, "--reconcile", location=OF_MANY_EVENTS)
    site.send(app, installs(app, 5))


@cause(
    "custom names that wait for approval",
    "new_name",
    "/admin/referrals/customname/?app__id__exact=N",
    count=2,
)
def waiting_names(site, app):
    site.provision(app, ENABLE)
    site.send(app, customs(app, 52))


@cause(
    "custom names near CleverTap's limit of 512",
    "event_types_near_limit",
    f"{SETTINGS}sends",
    count=461,
)
def many_names(site, app):
    site.provision(app, ENABLE)
    site.send(app, customs(app, 225))
    names = site.link_of(app, "new_name")
    chosen = site.person.open(names).boxes["_selected_action"]
    page = site.person.send(
        names,
        action="approve",
        select_across="1",
        index="0",
        _selected_action=chosen,
    )
    assert "Approved 175 names." in page.text


def customs(app: str, count: int) -> list[dict[str, Any]]:
    """Return custom events, each of a name of its own."""
    events = installs(app, count, type="custom", channel=None, content=None)
    return [{**event, "name": f"Step {n}"} for n, event in enumerate(events, 1)]


@cause(
    "events that are 400 days old",
    "stale_events",
    "/admin/events/?app=APP",
    count=5,
)
def old_events(site, app):
    site.provision(app, ENABLE)
    lines = [msgspec.json.encode(each) for each in installs(app, 5, ago=400 * DAY)]
    site.stack.manage("import_events", app, "-", stdin=b"\n".join(lines).decode())


@cause(
    "most events older than two hours",
    "stale_events",
    "/admin/events/?app=APP",
    count=6,
)
def late_events(site, app):
    site.provision(app, ENABLE)
    site.send(app, [*installs(app, 4), *installs(app, 6, first=5, ago=3 * HOUR)])


# What is refused at the door


@cause(
    "times in milliseconds",
    "times_in_milliseconds",
    f"{INGEST}?app=APP",
    count=5,
)
def milliseconds(site, app):
    site.provision(app, ENABLE)
    site.send(app, installs(app, 2))
    now = int(time.time() * 1000)
    site.send(app, installs(app, 5, first=3, occurred_at=now), refused=5)


@cause("times in the future", "times_in_future", f"{INGEST}?app=APP", count=5)
def future(site, app):
    site.provision(app, ENABLE)
    site.send(app, installs(app, 2))
    site.send(app, installs(app, 5, first=3, ago=-2 * DAY), refused=5)


@cause("ids re-used for other events", "ids_reused", f"{INGEST}?app=APP", count=47)
def used_ids(site, app):
    site.provision(app, ENABLE)
    site.send(app, installs(app, 50))
    site.send(app, installs(app, 47, content="autumn"), refused=47)


@cause(
    "schema errors in all events",
    "nothing_accepted",
    f"{INGEST}?app=APP",
    count=5,
    site="impatient",
)
def all_misspelt(site, app):
    site.provision(app, ENABLE)
    site.send(app, installs(app, 5, type="app_instal"), refused=5)


@cause("schema errors in some events", "events_refused", f"{INGEST}?app=APP", count=5)
def some_misspelt(site, app):
    site.provision(app, ENABLE)
    misspelt = installs(app, 5, first=3, type="app_instal")
    site.send(app, [*installs(app, 2), *misspelt], refused=5)


@cause("an unknown API key", "keys_unknown", INGEST, count=3, is_of_app=False)
def unknown_key(site, _):
    site.stack.keys["unknown"] = "rk_" + "x" * 43
    for event in installs("unknown", 3):
        answer = site.stack.post(event, app="unknown")
        assert answer.status_code == requests.codes.unauthorized


@cause(
    "a revoked API key",
    "key_revoked",
    f"{KEYS}?app__id__exact=N",
    count=1,
)
def revoked_key(site, app):
    site.provision(app, ENABLE)
    events = installs(app, 2)
    site.send(app, events)
    prefix = site.stack.keys[app][:12]
    keys = site.person.open(f"{KEYS}?q={prefix}")
    address = keys.link_before(prefix)
    site.person.send(f"{address.partition('change/')[0]}revoke/")
    # The very same, so that nothing else is wrong until the key is known to be revoked.
    wait_until(lambda: site.stack.post(events, app=app).status_code == 401)


@cause(
    "another app's API key",
    "nothing_received",
    f"{KEYS}?app__id__exact=N",
    count=MANY_WAITS + 5,
    site="impatient",
)
def other_key(site, app):
    site.provision(app, ENABLE)
    site.provision("its-neighbour", ENABLE)
    # More than any other app of the site gets, so that this one is named.
    site.send("its-neighbour", installs(app, MANY_WAITS + 5))


@cause(
    "an app without integration",
    "no_integration",
    f"{INTEGRATION.removesuffix('N/')}add/?app=N",
    count=2,
)
def no_integration(site, app):
    site.person.fill_in("/admin/referrals/app/add/", name=title_of(app), slug=app)
    lines = [msgspec.json.encode(each) for each in installs(app, 2)]
    site.stack.manage("import_events", app, "-", stdin=b"\n".join(lines).decode())


@cause(
    "an app that went quiet", "quiet", f"{INGEST}?app=APP", count=None, site="impatient"
)
def quiet_app(site, app):
    site.provision(app, ENABLE)
    # A flow: ten times, a little apart. What comes at once is not missed.
    for number in range(1, 11):
        site.send(app, installs(app, 1, first=number))
        time.sleep(0.04)


@cause(
    "a platform that calls with another secret than its source has",
    "calls_unverified",
    "/admin/referrals/source/N/change/",
    count=1,
)
def wrong_secret(site, app):
    site.provision(app, ENABLE)
    site.send(app, installs(app, 1))
    made = site.stack.manage(
        *("provision_source", app, "--platform", "branch", "--json"),
    )
    source = msgspec.json.decode(made)
    answer = requests.post(
        f"{site.stack.web_url}{source['url']}",
        json={"name": "INSTALL"},
        headers={source["header"]: f"not {source['secret']}"},
        timeout=PATIENCE_SECONDS,
    )
    assert answer.status_code == 401


# What CleverTap refuses, or was never asked


@cause(
    "an encryption key that is gone",
    "unreadable_passcode",
    f"{SETTINGS}new_passcode",
    count=3,
    site="impatient",
)
def lost_key(site, app):
    key = "a-key-that-no-process-has-any-more-since-that-day"
    site.provision(app, ENABLE, FIELD_ENCRYPTION_KEYS=key)
    site.send(app, installs(app, 3))


@cause(
    "a wrong account ID",
    "wrong_account_id",
    f"{SETTINGS}account_id",
    count=3,
    site="impatient",
)
def wrong_account(site, app):
    site.provision(app, ENABLE, account_id="DEM-EU1-0009")
    site.send(app, installs(app, 3))


@cause(
    "a wrong passcode",
    "wrong_passcode",
    f"{SETTINGS}new_passcode",
    count=3,
    site="impatient",
)
def wrong_passcode(site, app):
    site.provision(app, ENABLE, passcode="SBX-EU1-PASX")
    site.send(app, installs(app, 3))


@cause(
    "a wrong location",
    "wrong_location",
    f"{SETTINGS}location",
    count=3,
    site="impatient",
)
def wrong_location(site, app):
    account = ACCOUNTS[Location.SK1]
    site.provision(
        app, ENABLE, account_id=account.account_id, passcode=account.passcode
    )
    site.send(app, installs(app, 3))


@cause(
    "an expired passcode without a date",
    "passcode_expired",
    f"{SETTINGS}new_passcode",
    count=3,
    site="impatient",
)
def expired_passcode(site, app):
    site.provision(app, ENABLE, location=OF_EXPIRING)
    site.person.fill_in(f"{site.address_of(app)}change/", passcode_kind="user")
    site.send(app, installs(app, 2))
    site.stack.wait_until(lambda: len(site.sandbox.counts(OF_EXPIRING)) == 2)
    site.sandbox.switch(OF_EXPIRING, faults=(Fault(status=401, times=None),))
    site.send(app, installs(app, 3, first=3))


@cause(
    "TEST- left out of the account ID",
    "test_prefix_missing",
    f"{SETTINGS}account_id",
    count=3,
    site="impatient",
)
def missing_prefix(site, app):
    site.sandbox.switch(OF_TESTS, test_account=True)
    site.provision(app, ENABLE, location=OF_TESTS)
    site.send(app, installs(app, 3))


@cause(
    "a TEST- account that gets production events",
    "test_account_in_use",
    f"{SETTINGS}account_id",
    count=5,
)
def test_account(site, app):
    site.sandbox.switch(OF_TESTS, test_account=True)
    account_id = f"TEST-{ACCOUNTS[OF_TESTS].account_id}"
    site.provision(app, ENABLE, location=OF_TESTS, account_id=account_id)
    site.send(app, installs(app, 5))


@cause(
    "test events that go to a production account",
    "test_events_misplaced",
    f"{SETTINGS}event_kinds",
    count=5,
)
def misplaced_tests(site, app):
    site.provision(app, ENABLE, "--event-kinds=both")
    site.send(app, [{**each, "test": True} for each in installs(app, 5)])


@cause(
    "identities in another letter case",
    "identity_letter_case",
    f"{SETTINGS}identity_provider",
    count=5,
    site="impatient",
)
def other_case(site, app):
    location, events = OF_LETTER_CASE[0], installs(app, 5)
    knows(site.sandbox, *identities(events), location=location)
    site.provision(app, ENABLE, location=location)
    site.send(app, shouted(events))


@cause(
    "provision --enable, with people in another letter case in the log",
    "identity_letter_case",
    f"{SETTINGS}identity_provider",
    count=None,
    site="impatient",
)
def enabled_by_command(site, app):
    location, events = OF_LETTER_CASE[1], installs(app, 5)
    knows(site.sandbox, *identities(events), location=location)
    site.provision(app, location=location)
    site.send(app, shouted(events))
    warned = site.provision(app, ENABLE, location=location)
    assert "CleverTap knows 0 of 5 recent users by email, and 5 more in " in warned


def identities(events: list[dict[str, Any]]) -> list[str]:
    """Return the e-mail addresses of the events' users."""
    return [event["user"]["identities"]["email"] for event in events]


def shouted(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events with their users' addresses in capital letters."""
    return [
        {**event, "user": {"identities": {"email": identity.upper()}}}
        for event, identity in zip(events, identities(events), strict=True)
    ]


# What people and machines forgot


@cause(
    "a pause that was forgotten",
    "pause_forgotten",
    f"{INTEGRATION}enable/",
    count=3,
)
def forgotten_pause(site, app):
    site.provision(app, ENABLE)
    site.person.send(f"{site.address_of(app)}pause/")
    site.send(app, installs(app, 3))


@cause(
    "an alert whose own address fails",
    "alert_failing",
    f"{ALERTS}N/change/",
    count=1,
    site="without a worker",
    is_of_app=False,
)
def failing_alert(site, _):
    saved = site.person.fill_in(
        f"{ALERTS}add/",
        name="On call",
        way="slack",
        new_url=f"http://127.0.0.1:{free_port()}/nobody/listens",
    )
    (test,) = (each for each in saved.actions if each.endswith("/test/"))
    page = site.person.send(test)
    assert "The test was not sent." in page.text


@cause(
    "no worker, ever",
    "no_worker",
    "/admin/#machinery",
    count=3,
    site="without a worker",
)
def no_worker(site, app):
    site.provision(app, ENABLE)
    site.send(app, installs(app, 3))


@cause(
    "a worker that is gone",
    "no_worker",
    "/admin/#machinery",
    count=3,
    site="with a dead worker",
)
def dead_worker(site, app):
    site.provision(app, ENABLE)
    site.send(app, installs(app, 2))
    site.stack.wait_until_settled()
    site.worker.kill()
    site.send(app, installs(app, 3, first=3))
