"""Debian's Prometheus, started as docs/observability.md says, beside a running product."""

import os
import re

import requests

from tests.documented import block
from tests.harness.commands import ROOT
from tests.harness.process import PATIENCE_SECONDS, Process, free_port
from tests.ops.programs import find_program

#: What the documentation's lines begin with, where somebody tries them out.
PRODUCT = "127.0.0.1:8000"
PROMETHEUS = "127.0.0.1:9090"


class Prometheus:
    """A server that scrapes the product at `address`, an address without a scheme."""

    def __init__(self, folder, address, token):
        # The lines are for the repository's folder, and make files below it: here, below this one.
        (folder / "ops").symlink_to(ROOT / "ops")
        self.url = f"http://127.0.0.1:{free_port()}"
        typed = block("observability", "sh")
        assert typed.count(PRODUCT) == typed.count(PROMETHEUS) == 1
        typed = typed.replace(PRODUCT, address)
        typed = typed.replace(PROMETHEUS, self.url.removeprefix("http://"))
        # The shell is the server from then on, so that it ends with its test.
        typed = typed.replace("\nprometheus ", "\nexec prometheus ")
        programs = os.path.dirname(find_program("prometheus"))  # noqa: PTH120 - a text
        self.process = Process(
            ["/bin/sh", "-eu", "-c", typed],
            log=folder / "prometheus.log",
            env={"PATH": f"{programs}:/usr/bin:/bin", "METRICS_TOKEN": token},
            cwd=folder,
        )
        self.process.wait_until_ready(self._is_ready)

    def ask(self, path, **parameters):
        """Return what the HTTP API answers. Reference:
        https://prometheus.io/docs/prometheus/latest/querying/api/
        """
        answer = requests.get(
            f"{self.url}/api/v1/{path}", params=parameters, timeout=PATIENCE_SECONDS
        )
        assert answer.ok, answer.text
        return answer.json()["data"]

    def query(self, expr):
        """Return the labels and the value of each series that the expression has now."""
        result = self.ask("query", query=expr)["result"]
        return [(each["metric"], float(each["value"][1])) for each in result]

    def list_firing(self):
        """Return what fires: each alert's name, severity, and what it is about.

        What alerts of slowness is left out: here it would tell of the machine.
        """
        shown = ("alertname", "severity", "app", "integration", "code")
        firing = [
            tuple(alert["labels"].get(name, "") for name in shown)
            for alert in self.ask("alerts")["alerts"]
            if alert["state"] == "firing"
        ]
        return sorted(alert for alert in firing if not alert[0].endswith("Slow"))

    def count_scrapes(self):
        """Return how many scrapes have succeeded."""
        found = self.query('sum_over_time(up{job="referrals"}[1h])')
        return found[0][1] if found else 0

    def _is_ready(self):
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False


def find_selectors(expr):
    """Yield each metric of ours that an expression names, with the labels that it chooses by."""
    for name, chosen in re.findall(
        r"\b((?:clevertap|referrals)_\w+)(?:\{([^}]*)\})?", expr
    ):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", chosen))
