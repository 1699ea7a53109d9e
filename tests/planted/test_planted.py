"""Every cause is named with its fix, in the same words everywhere, and none is green."""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.planted.causes import CAUSES
from tests.planted.report import REPORT
from tests.planted.stacks import WELL, title_of, without_numbers

pytestmark = pytest.mark.thorough


def in_its_process(cause):
    return pytest.param(
        cause,
        id=cause.plant.__name__,
        marks=pytest.mark.xdist_group(f"planted {cause.site}"),
    )


@pytest.mark.parametrize("cause", [in_its_process(cause) for cause in CAUSES])
def test_a_cause_is_named_first_with_a_link_to_its_fix(site_of, cause):
    named = site_of(cause.site).wait_for(cause)

    tell(cause, named)
    assert named.before == []
    assert named.finding["severity"] in {"error", "warning"}
    assert without_numbers(named.finding["url"]) == cause.fix
    assert named.page.status == 200
    assert urlsplit(cause.fix).fragment in {"", *named.page.places}


@pytest.mark.xdist_group("planted patient")
def test_an_app_with_which_all_is_well_is_green_all_the_time(site_of):
    site = site_of("patient")
    site.look()

    site.stack.wait_until(lambda: len(site.delivered_of(WELL)) == 3)

    assert site.findings_of(WELL) == []
    assert site.colours[title_of(WELL)] == {"good"}


def tell(cause, named):
    """Add a line to the report, where somebody asked for one."""
    if path := os.environ.get(REPORT):
        line = {"cause": cause.name, "seconds": named.seconds, **named.finding}
        with Path(path).open("a", encoding="utf-8") as report:
            report.write(json.dumps(line) + "\n")
