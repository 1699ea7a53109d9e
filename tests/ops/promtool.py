"""Debian's promtool, asked about the files below `ops/prometheus`."""

import subprocess

import yaml

from tests.harness.commands import ROOT
from tests.ops.programs import find_program

FOLDER = ROOT / "ops/prometheus"
RULES = FOLDER / "alerts.yml"
#: What tells alerts apart, without what only says where they come from.
FIRING = (
    "count by (alertname, severity, app, integration, code, kind, route) "
    '(ALERTS{alertstate="firing"})'
)


def run_promtool(*arguments, cwd=FOLDER):
    """Return what promtool printed. It has to be content."""
    done = subprocess.run(
        [find_program("promtool"), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def list_rules():
    """Return every alert's rule, as the file has it."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def prove_firing(folder, series, expected):
    """Let the rules judge `series` minute by minute, and see that exactly `expected` fires.

    `series` are values by name and labels, in promtool's notation; `expected` are alerts by
    the minute, such as `{6: ['ReferralsHeld{app="shop", severity="critical"}']}`.
    """
    asked = {
        minute: [_spell(each) for each in found] for minute, found in expected.items()
    }
    prove_answers(folder, series, FIRING, asked)


def prove_answers(folder, series, expr, expected):
    """See that `expr` answers each minute with 1 for exactly the `expected` labels."""
    questions = [
        {
            "expr": expr,
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": labels, "value": 1} for labels in found],
        }
        for minute, found in expected.items()
    ]
    _run_test(folder, series, promql_expr_test=questions)


def prove_alert(folder, series, *, minute, name, labels, annotations):
    """See that one alert fires, with exactly these labels and texts."""
    question = {
        "eval_time": f"{minute}m",
        "alertname": name,
        "exp_alerts": [{"exp_labels": labels, "exp_annotations": annotations}],
    }
    _run_test(
        folder,
        series,
        alert_rule_test=[question],
        external_labels={"referrals_docs": "https://git.example.com/"},
    )


def _run_test(folder, series, **questions):
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": inputs, **questions}],
    }
    path = folder / "rules.test.yml"
    path.write_text(yaml.safe_dump(test), "utf-8")
    run_promtool("test", "rules", path)


def _spell(alert):
    """Return the labels of `Name{label="…"}` with the name as one of them."""
    name, _, labels = alert.rstrip("}").partition("{")
    return f'{{alertname="{name}", {labels}}}'
