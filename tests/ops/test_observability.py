"""A real Prometheus reads the running product: the dashboard's numbers, and what alerts."""

import json
import math
import re
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from tests.builders import a_sent_event
from tests.harness.commands import ROOT
from tests.harness.process import wait_until
from tests.ops.prometheus import Prometheus, find_selectors
from tests.ops.promtool import list_rules

TOKEN = "token-of-a-prometheus-in-a-test"
DASHBOARD = json.loads((ROOT / "ops/grafana/dashboard.json").read_text("utf-8"))
#: What Grafana puts in the place of its variables.
CHOSEN = {
    "$__rate_interval": "1m",
    # One installation is scraped here.
    "$instance": ".+",
    "$app": ".*",
    "$integration": ".*",
}
#: What only a night brings: what CleverTap counts. And what goes wrong: a person's passcode,
#: and a source that was called on each of ten days, and for three days no more.
CHANGE = """
from datetime import timedelta
from django.utils import timezone
from clevertap_sync.models import Integration
from referrals.ingest import writing
from referrals.ingest.counter import CountKey, HourlyKey, IngestCounts, find_hour
from referrals.secret import Secret
from tests.builders import a_source
from tests.statements import a_comparison, a_first_sight, a_statement

shop = Integration.objects.get(app__slug="shop")
shop.reconciles = True
shop.save(update_fields=["reconciles"])
for write in (a_comparison, a_statement, a_first_sight):
    write(shop.account)

game = Integration.objects.get(app__slug="game")
game.passcode = Secret("CAN-ARY-PASS-XYZ")
game.save(update_fields=["passcode"])
source = a_source(shop.app, "branch", name="Ours")
key = CountKey(source.app_id, source.way, "call", "")
for days in range(3, 14):
    at = find_hour(timezone.now() - timedelta(days=days))
    writing.write_counts({HourlyKey(at, key): IngestCounts(at, 1)})
"""
LONG_AGO = (
    "UPDATE clevertap_sync_workerseen SET seen_at = seen_at - interval '2 minutes'"
)


def expand(expr):
    for name, value in CHOSEN.items():
        expr = expr.replace(name, value)
    return expr


def list_targets():
    """Return the title, the expression and the legend of every query of the dashboard."""
    return [
        (panel["title"], expand(target["expr"]), target["legendFormat"])
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]


def test_prometheus_answers_the_dashboard_and_alerts(make_stack, tmp_path):
    stack = make_stack("postgresql", warm=True, METRICS_TOKEN=TOKEN)
    _, worker = stack.start()
    stack.provision("game", location=Location.US1)
    prometheus = Prometheus(tmp_path, stack.web_url.removeprefix("http://"), TOKEN)

    # All is well, and nothing fires, not even without any patience.
    for app in ("shop", "game"):
        assert stack.post(an_event_of_now(), app=app).status_code == 202
    stack.wait_until_settled()
    stack.wait_until(lambda: prometheus.count_scrapes() >= 2)
    becomes(prometheus.list_firing, [])

    stack.manage("shell", "-c", CHANGE)
    stack.post(an_event_of_now(), app="game")
    held = ("ReferralsHeld", "critical", "game", "default", "wrong_passcode")
    silent = ("ReferralsSourceSilent", "warning", "shop", "", "source_silent")
    becomes(prometheus.list_firing, [held, silent])

    let_people_be_learned(stack)
    targets = list_targets()
    becomes(lambda: keep_unanswered(stack, prometheus, targets), [])
    assert list_missing_labels(prometheus) == []

    worker.stop()
    stack.database.execute(LONG_AGO)
    no_worker = ("ReferralsNoWorker", "critical", "", "", "")
    becomes(lambda: {no_worker} & set(prometheus.list_firing()), {no_worker})
    print_answers(prometheus)


def becomes(ask, expected):
    """Wait until `ask()` is as expected. One that never is fails with the difference."""
    with suppress(TimeoutError):
        wait_until(lambda: ask() == expected)
    assert ask() == expected


def an_event_of_now(**changes):
    return a_sent_event(occurred_at=datetime.now(UTC).isoformat(), **changes)


def let_people_be_learned(stack):
    """Let installs of the shop wait for their sign-up, and one of them for ever."""
    account = ACCOUNTS[Location.EU1].account_id
    stack.manage(
        *("provision", "shop", "--account-id", account, "--location", "eu1"),
        *("--identity-provider", "email", "--loose-ids", "anonymous_id"),
    )
    stack.post(an_event_of_now(user={"identities": {"anonymous_id": uuid4().hex}}))


def keep_unanswered(stack, prometheus, targets):
    """Keep only the queries without a number, and let more happen meanwhile."""
    keep_busy(stack)
    targets[:] = [
        target
        for target in targets
        if all(math.isnan(value) for _, value in prometheus.query(target[1]))
    ]
    return targets


def keep_busy(stack):
    """Send an event, a refused one, one that falls out, and an install before its sign-up."""
    visitor = {"anonymous_id": uuid4().hex}
    stack.post(an_event_of_now(channel="carrier pigeon"))
    stack.post(an_event_of_now(type="no type"))
    stack.post(an_event_of_now(user={"identities": {"phone": "+4915112345678"}}))
    for identities in (visitor, {**visitor, "email": f"{uuid4().hex}@example.com"}):
        stack.post(an_event_of_now(user={"identities": identities}))


def list_missing_labels(prometheus):
    """Return the labels that a rule, a query or a legend names, and the metric has not."""
    named = {
        (name, label)
        for expr in [rule["expr"] for rule in list_rules()]
        + [each[1] for each in list_targets()]
        for name, labels in find_selectors(expr)
        for label in labels
    }
    known = {
        name: set().union(*prometheus.ask("series", **{"match[]": name}))
        for name in {name for name, _ in named}
    }
    # What has no series here, such as how long the database lasts, has no labels to compare.
    missing = [
        (name, label)
        for name, label in named
        if known[name] and label not in known[name]
    ]
    legends = [
        (title, label)
        for title, expr, legend in list_targets()
        for label in re.findall(r"\{\{(\w+)\}\}", legend)
        if not any(label in metric for metric, _ in prometheus.query(expr))
    ]
    return missing + legends


def print_answers(prometheus):
    """Print what the dashboard shows now, for people who run this test with `-rP`."""
    for title, expr, legend in list_targets():
        for metric, value in prometheus.query(expr):
            labels = {
                name: metric.get(name, "") for name in re.findall(r"\{\{(\w+)", legend)
            }
            print(f"{title}: {value:g}", *(labels.values() or [legend.strip("_")]))
    print(*prometheus.list_firing(), sep="\n")
