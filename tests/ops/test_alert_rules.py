"""The alert rules judge made-up numbers, minute by minute: what fires, when, and for how long."""

import re
import shutil

import pytest
import yaml

from clevertap_sync.insight.findings import KINDS, Severity
from clevertap_sync.insight.findings.installation import KINDS as OF_INSTALLATION
from tests.documented import block, page
from tests.ops.promtool import (
    FOLDER,
    list_rules,
    prove_alert,
    prove_answers,
    prove_firing,
    run_promtool,
)

UP = 'up{job="referrals", instance="a:443"}'
#: The scrape works, so that nothing else fires in a case.
WELL = {UP: "1x200"}
JOB = 'job="referrals", instance="a:443"'
WHOSE = f'{JOB}, app="shop", integration="default"'
SHOP = {"app": "shop", "integration": "default"}
OF_SHOP = 'app="shop", integration="default"'


def a_finding(code, severity, whose=WHOSE):
    return f'clevertap_findings{{{whose}, code="{code}", severity="{severity}"}}'


NO_WORKER = a_finding("no_worker", "error")
LATE = a_finding("late", "warning")
LAG = f"clevertap_lag_seconds{{{WHOSE}}}"


def http(number, **labels):
    """Return the name of a number of the HTTP histogram, of one route unless told otherwise."""
    labels = {"route": "/v1/events", "method": "POST", "status": "2xx", **labels}
    spelled = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return f"referrals_http_request_duration_seconds_{number}{{{JOB}, {spelled}}}"


def clevertap(number, **labels):
    spelled = "".join(f', {name}="{value}"' for name, value in labels.items())
    return f"clevertap_request_duration_seconds_{number}{{{WHOSE}{spelled}}}"


def processes(starts):
    """Return the starts of processes in seconds, each at work for the minutes given."""
    return {
        f'referrals_process_start_time_seconds{{{JOB}, kind="web", process="h:{number}"}}': values
        for number, values in enumerate(starts)
    }


#: Of what is worth knowing and no trouble, this alone has alerts.
EXPIRING = {"key_expires", "passcode_expires"}


def spell(labels):
    spelled = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{spelled}}}"


def silent_at(*minutes):
    """Return that nothing fires at any of these minutes."""
    return {minute: [] for minute in minutes}


CASES = {
    "a metrics page that fails for five minutes": (
        {UP: "0x30"},
        {4: [], 5: ['ReferralsUnreachable{severity="critical"}']},
    ),
    "a target that is gone": (
        {UP: "1x10 _x60"},
        {15: [], 25: ['ReferralsUnreachable{severity="critical"}']},
    ),
    "a release that takes two minutes": (
        {UP: "1x10 0 0 1x60"},
        silent_at(*range(0, 70, 5)),
    ),
    "no worker, told once however many integrations wait": (
        WELL
        | {
            NO_WORKER: "1x30",
            a_finding(
                "no_worker", "error", f'{JOB}, app="game", integration="a"'
            ): "1x30",
        },
        {1: [], 2: ['ReferralsNoWorker{severity="critical"}']},
    ),
    "a worker that restarts": (
        WELL | {NO_WORKER: "_x5 1 stale _x5 1 stale _x20"},
        {5: [], 6: [], 13: []},
    ),
    "a hold that a person has to end, and its end": (
        WELL | {a_finding("wrong_passcode", "error"): "1x20 stale _x30"},
        {
            4: [],
            5: [
                f'ReferralsHeld{{severity="critical", code="wrong_passcode", {OF_SHOP}}}'
            ],
            25: [
                f'ReferralsHeld{{severity="critical", code="wrong_passcode", {OF_SHOP}}}'
            ],
            27: [],
        },
    ),
    "a scrape that failed does not end an alert": (
        {
            UP: "1x20 0 1x40",
            a_finding("wrong_passcode", "error"): "1x20 stale 1x40",
        },
        {
            minute: [
                f'ReferralsHeld{{severity="critical", code="wrong_passcode", {OF_SHOP}}}'
            ]
            for minute in (20, 21, 22, 24, 26, 30)
        },
    ),
    "an outage of CleverTap, short and then long": (
        WELL | {a_finding("held", "warning"): "1x200"},
        {
            14: [],
            15: [
                f'ReferralsHeldByOutage{{severity="warning", code="held", {OF_SHOP}}}'
            ],
            120: [
                f'ReferralsHeldByOutage{{severity="{severity}", code="held", {OF_SHOP}}}'
                for severity in ("critical", "warning")
            ],
        },
    ),
    "an outage that a release is made in the middle of": (
        {
            UP: "1x60 0 1x200",
            a_finding("held", "warning"): "1x60 stale 1x200",
            a_finding("quiet", "warning"): "1x20 stale 1x200",
        },
        {
            30: [
                f'ReferralsHeldByOutage{{severity="warning", code="held", {OF_SHOP}}}',
                f'ReferralsFinding{{severity="warning", code="quiet", {OF_SHOP}}}',
            ],
            120: [
                f'ReferralsHeldByOutage{{severity="critical", code="held", {OF_SHOP}}}',
                f'ReferralsHeldByOutage{{severity="warning", code="held", {OF_SHOP}}}',
                f'ReferralsFinding{{severity="warning", code="quiet", {OF_SHOP}}}',
            ],
        },
    ),
    "an outage that is over": (
        WELL | {a_finding("held", "warning"): "1x12 stale _x60"},
        silent_at(*range(10, 60, 2)),
    ),
    "delivery that is behind": (
        WELL | {LAG: "0+60x200", LATE: "1x200"},
        {
            20: [],
            21: [f'ReferralsLate{{severity="warning", {OF_SHOP}}}'],
            75: [f'ReferralsLate{{severity="warning", {OF_SHOP}}}'],
            76: [
                f'ReferralsLate{{severity="{severity}", {OF_SHOP}}}'
                for severity in ("critical", "warning")
            ],
        },
    ),
    "events that wait because a person paused it": (
        WELL | {LAG: "0+60x200", a_finding("paused", "info"): "1x200"},
        {30: [], 199: []},
    ),
    "events that wait because there is no worker": (
        WELL | {LAG: "0+60x200", LATE: "1x200", NO_WORKER: "1x200"},
        {199: ['ReferralsNoWorker{severity="critical"}']},
    ),
    "events that wait while another installation has no worker": (
        WELL
        | {
            LAG: "0+60x30",
            LATE: "1x30",
            a_finding("no_worker", "error", WHOSE.replace("a:443", "b:443")): "1x30",
        },
        {
            21: [
                'ReferralsNoWorker{severity="critical"}',
                f'ReferralsLate{{severity="warning", {OF_SHOP}}}',
            ]
        },
    ),
    "books that do not balance": (
        WELL
        | {
            f"clevertap_balanced{{{WHOSE}}}": "0x30",
            a_finding("unbalanced", "error"): "1x30",
        },
        {5: [f'ReferralsUnbalanced{{severity="critical", {OF_SHOP}}}']},
    ),
    "a tenth of the requests with events is answered 5xx": (
        WELL | {http("count"): "0+90x60", http("count", status="5xx"): "0+10x60"},
        {3: [], 12: ['ReferralsIngestErrors{severity="critical"}']},
    ),
    "few errors among many requests": (
        WELL | {http("count"): "0+990x60", http("count", status="5xx"): "0+10x60"},
        {30: []},
    ),
    "one error in a quiet hour": (
        WELL | {http("count"): "0x60", http("count", status="5xx"): "0x10 1x50"},
        {12: [], 20: []},
    ),
    "an error every three minutes, and hardly a request beside it": (
        WELL
        | {
            http("count"): "0x60",
            http("count", status="5xx"): " ".join(str(n // 3) for n in range(60)),
        },
        silent_at(*range(10, 60, 5)),
    ),
    "errors of pages that bring no events": (
        WELL
        | {
            http("count"): "0+90x60",
            http("count", status="5xx", route="/admin/"): "0+90x60",
            http("count", status="5xx", route="/v1/status"): "0+90x60",
        },
        {30: []},
    ),
    "two in a hundred requests take five seconds": (
        WELL
        | {
            http("bucket", le="1"): "0+98x90",
            http("bucket", le="5"): "0+100x90",
            http("bucket", le="+Inf"): "0+100x90",
        },
        {10: [], 30: ['ReferralsIngestSlow{severity="warning", route="/v1/events"}']},
    ),
    "one slow request in a quiet hour": (
        WELL
        | {
            http("bucket", le="1"): "0x90",
            http("bucket", le="5"): "0x20 1x70",
            http("bucket", le="+Inf"): "0x20 1x70",
        },
        silent_at(*range(20, 60, 2)),
    ),
    "a source that is silent, told once for its app": (
        WELL
        | {
            a_finding("source_silent", "warning"): "1x30",
            a_finding(
                "source_silent", "warning", f'{JOB}, app="shop", integration="b"'
            ): "1x30",
        },
        {
            14: [],
            15: [
                'ReferralsSourceSilent{severity="warning", code="source_silent", app="shop"}'
            ],
        },
    ),
    "a third of the requests to CleverTap fail": (
        WELL
        | {
            clevertap("count", outcome="ok"): "0+20x90",
            clevertap("count", outcome="unknown"): "0+10x90",
        },
        {15: [], 40: [f'ReferralsCleverTapErrors{{severity="warning", {OF_SHOP}}}']},
    ),
    "requests that fail while it is held": (
        WELL
        | {
            clevertap("count", outcome="ok"): "0+20x90",
            clevertap("count", outcome="unknown"): "0+10x90",
            f"clevertap_held{{{WHOSE}}}": "1x90",
        },
        {80: []},
    ),
    "an account that answers one minute, and is held the next": (
        WELL
        | {
            clevertap("count", outcome="ok"): "0+20x90",
            clevertap("count", outcome="failed"): "0+20x90",
            f"clevertap_held{{{WHOSE}}}": "0 1 " * 45,
        },
        {15: [], 40: [f'ReferralsCleverTapErrors{{severity="warning", {OF_SHOP}}}']},
    ),
    "answers of CleverTap that take twenty seconds": (
        WELL
        | {
            clevertap("bucket", outcome="ok", le="10"): "0+9x90",
            clevertap("bucket", outcome="ok", le="20"): "0+10x90",
            clevertap("bucket", outcome="ok", le="+Inf"): "0+10x90",
        },
        {15: [], 40: [f'ReferralsCleverTapSlow{{severity="warning", {OF_SHOP}}}']},
    ),
    "a database that is full within a day": (
        WELL | {f"referrals_database_lasts_seconds{{{JOB}}}": "86400x90"},
        {59: [], 60: ['ReferralsDatabaseFull{severity="critical"}']},
    ),
    "a database that lasts for a month": (
        WELL | {f"referrals_database_lasts_seconds{{{JOB}}}": "2592000x90"},
        {80: []},
    ),
    "processes that end and are started again and again": (
        WELL | processes(f"_x{3 * n} {180 * n}x2 _x90" for n in range(30)),
        {60: ['ReferralsProcessesRestart{severity="warning", kind="web"}']},
    ),
    "two releases within half an hour": (
        WELL | processes(["0x40 _x90", "_x40 2400x10 _x90", "_x50 3000x90"]),
        silent_at(*range(5, 100, 5)),
    ),
    "who is who is learned late": (
        WELL | {f'referrals_people_lag_seconds{{{JOB}, app="shop"}}': "400x30"},
        {9: [], 10: ['ReferralsPeopleLate{severity="warning", app="shop"}']},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_rules_alert_of(case, tmp_path):
    prove_firing(tmp_path, *CASES[case])


def test_every_finding_has_exactly_one_alert(tmp_path):
    # That of a late delivery also asks how late it is.
    kinds = [kind for kind in (*KINDS, *OF_INSTALLATION) if kind.code != "late"]
    series = WELL | {
        a_finding(
            kind.code, kind.severity, f'{JOB}, app="{kind.code}", integration="i"'
        ): "1x90"
        for kind in kinds
    }
    series[f'clevertap_balanced{{{JOB}, app="unbalanced", integration="i"}}'] = "0x90"
    loud = {kind.code for kind in kinds if kind.severity != Severity.INFO} | EXPIRING
    assert len(loud) > 40

    # A missing worker is told once for all apps.
    expr = (
        'sum by (app) (ALERTS{alertstate="firing", app!=""})'
        ' or sum by (alertname) (ALERTS{alertstate="firing", app=""})'
    )
    expected = [f'{{app="{code}"}}' for code in sorted(loud - {"no_worker"})]
    expected.append('{alertname="ReferralsNoWorker"}')
    prove_answers(tmp_path, series, expr, {70: expected})


def test_the_worse_of_two_severities_silences_the_other_and_nobody_else(tmp_path):
    """Alertmanager compares the labels that the page names; severities apart, they agree."""
    routing = block("observability", "yaml")
    worse, unreachable = yaml.safe_load(routing)["inhibit_rules"]
    # Other installations, and other findings of the same one, are not silenced along.
    assert {"instance", "job"} <= set(unreachable["equal"])
    assert {"alertname", "instance", "job", "app", "integration", "code"} == set(
        worse["equal"]
    )
    of_installation = f'{JOB}, app="", integration=""'
    series = WELL | {
        a_finding("held", "warning"): "1x200",
        LAG: "4000x200",
        LATE: "1x200",
        a_finding("database_full_soon", "warning", of_installation): "1x200",
        f"referrals_database_lasts_seconds{{{JOB}}}": "86400x200",
    }

    pairs = (
        f"count by ({', '.join(worse['equal'])}) (ALERTS{{alertstate='firing'}}) / 2"
    )
    each = [
        {"alertname": "ReferralsHeldByOutage", "code": "held", **SHOP},
        {"alertname": "ReferralsLate", **SHOP},
        {"alertname": "ReferralsDatabaseFull"},
    ]
    where = {"job": "referrals", "instance": "a:443"}
    labels = [spell({**one, **where}) for one in each]
    prove_answers(tmp_path, series, pairs, {180: labels})


def test_an_alert_says_what_to_do_and_where_it_is_written(tmp_path):
    """Once with all words, to see that the templates are filled in."""
    rule = next(each for each in list_rules() if each["alert"] == "ReferralsHeld")
    assert "{{" in rule["annotations"]["summary"]
    prove_alert(
        tmp_path,
        WELL | {a_finding("wrong_passcode", "error"): "1x20"},
        minute=6,
        name="ReferralsHeld",
        labels={
            "app": "shop",
            "code": "wrong_passcode",
            "instance": "a:443",
            "integration": "default",
            "job": "referrals",
            "severity": "critical",
        },
        annotations={
            "summary": "Delivery of shop/default is held until a person acts: wrong_passcode. "
            "Open the integration in the admin: it says what to correct. Nothing is lost "
            "meanwhile.",
            "runbook_url": "https://git.example.com/docs/observability.md#referralsheld",
        },
    )


def test_every_alert_has_a_section_to_which_it_leads():
    sections = re.findall(r"^### (Referrals\w+)$", page("observability"), re.MULTILINE)
    rules = list_rules()

    assert sorted(sections) == sorted({rule["alert"] for rule in rules})
    for rule in rules:
        name = rule["alert"]
        assert rule["annotations"]["runbook_url"] == (
            "{{ $externalLabels.referrals_docs }}docs/observability.md#" + name.lower()
        )
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert {"for", "keep_firing_for"} <= rule.keys(), f"{name} may flap"


def test_the_page_lists_the_alerts_as_the_file_has_them():
    row = r"^\| \[`(\w+)`\]\(#(\w+)\) \| (\w+) \| .+ \| (\w+) \|$"
    listed = re.findall(row, page("observability"), re.MULTILINE)

    assert listed == [
        (rule["alert"], rule["alert"].lower(), rule["labels"]["severity"], rule["for"])
        for rule in list_rules()
    ], (
        "Correct the table in docs/observability.md: it follows ops/prometheus/alerts.yml."
    )


def test_the_example_of_a_configuration_is_one(tmp_path):
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "metrics_token").write_text("token", "utf-8")

    run_promtool("check", "config", "prometheus.yml", cwd=tmp_path)
