"""Where a platform calls a source, and what the steps to connect it say."""

import re
from pathlib import Path

import pytest

from referrals.management.commands.provision_source import Command
from referrals.models import Source
from referrals.source_address import (
    describe_address,
    read_preset_in_force,
    write_hook_path,
    write_steps,
)
from referrals.source_choices import drop_repeated, find_event_problem
from referrals.sources.presets import PLATFORMS
from tests.harness.commands import ROOT

PAGE = Path(ROOT, "docs/reference/provision-source.md").read_text(encoding="utf-8")
BASE = "https://referrals.example.com"


def a_source(platform, **columns):
    return Source(platform=platform, public_id="0a1b", **columns)


def test_a_sources_own_verifier_decides_where_the_secret_stands():
    header = a_source("adjust", verifier={"is": "header", "header": "X-Key"})
    in_path = a_source("branch", verifier={"is": "url"})
    in_query = a_source("branch", verifier={"is": "url", "parameter": "token"})

    assert describe_address(header, "s3")["header"] == "X-Key"
    assert write_hook_path(header, "s3") == "/v1/hooks/0a1b"
    assert write_hook_path(in_path, "s3") == "/v1/hooks/0a1b/s3"
    assert write_hook_path(in_query) == "/v1/hooks/0a1b?token=…"
    assert read_preset_in_force(in_query).has_secret_in_url


def test_an_address_has_one_question_mark():
    source = a_source("branch", verifier={"is": "url", "parameter": "token"})

    steps = write_steps(source, base=BASE, secret="s3")

    address = f"{BASE}/v1/hooks/0a1b?token=s3&id=${{(id)!}}"
    assert any(address in step for step in steps)


def test_braces_in_a_secret_are_left_alone():
    steps = write_steps(a_source("appsflyer"), secret="{url}{header}")

    assert any("value {url}{header}." in step for step in steps)


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_page_names_every_platform(name):
    assert f"`{name}`" in PAGE


def test_the_page_names_every_option_and_no_other():
    parser = Command().create_parser("manage.py", "provision_source")
    common = {"--help", "--version", "--settings", "--pythonpath", "--traceback"}
    common |= {"--verbosity", "--no-color", "--force-color", "--skip-checks"}
    options = {
        text
        for action in parser._actions
        for text in action.option_strings
        if text.startswith("--")
    }

    rows = [line for line in PAGE.splitlines() if line.startswith("| `--")]
    named = set(re.findall(r"--[a-z-]+", " ".join(row.split("|")[1] for row in rows)))
    assert named == options - common


def test_events_that_are_the_same_to_a_platform_are_kept_once():
    assert drop_repeated(["Level Reached", "B", "level_reached"]) == [
        "Level Reached",
        "B",
    ]


@pytest.mark.parametrize(
    ("name", "is_problem"),
    [("App Install", True), ("install", False), ("INSTALL", False), ("\u200b", True)],
)
def test_an_event_that_the_mapping_knows_needs_no_name_of_its_own(name, is_problem):
    problem = find_event_problem([name], {"install": {"type": "app_install"}})

    assert (problem is not None) is is_problem
