"""A marketer: from an empty installation to the first event in CleverTap, by herself."""

import re
import subprocess

import pytest

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from tests.browser import axe
from tests.browser.chromium import LIGHT, PHONE

EUROPE = ACCOUNTS[Location.EU1]
DASHBOARD = f"https://eu1.dashboard.clevertap.com/{EUROPE.account_id}/dashboards"


@pytest.fixture
def marketer(installed, visit):
    return visit(installed.web_url)


def make_an_app(visitor, name="Tea Shop"):
    visitor.menu("Apps")
    visitor.click("Add app")
    visitor.fill("Name", name)
    visitor.click("Save", "button")


def make_a_key(visitor, app="Tea Shop"):
    """Return the key, which is shown once, and the command to send an event with it."""
    visitor.menu("API keys")
    visitor.click("Add API key")
    visitor.choose("App", app)
    visitor.click("Save", "button")
    key = visitor.page.locator("#key").inner_text()
    assert re.fullmatch(r"rk_[\w-]{43}", key)
    return key, visitor.page.locator("#curl").inner_text()


def connect(visitor, *, passcode, app="Tea Shop"):
    """Fill in the set-up with what the dashboard's address and a colleague gave."""
    visitor.menu("Overview")
    visitor.click("Connect CleverTap")
    visitor.choose("App", app)
    visitor.fill("Dashboard address", DASHBOARD)
    visitor.fill("Passcode", passcode)
    visitor.fill("Identity provider", "email")
    visitor.click("Save", "button")


def enable_from_now(visitor):
    visitor.click("Enable delivery…")
    visitor.click(re.compile("^From now"), "radio")
    visitor.click("Check the connection and enable", "button")
    visitor.sees("Overview")


def run_as_pasted(command):
    """Run a command from a page as somebody does who pastes it into a terminal."""
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("look", [LIGHT, PHONE], ids=str)
def test_from_an_empty_installation_to_the_first_delivered_event(
    installed, visit, look, record_property
):
    marketer = visit(installed.web_url, look)
    marketer.log_in()
    marketer.sees("From nothing to the first delivered event")
    make_an_app(marketer)
    _, command = make_a_key(marketer)
    connect(marketer, passcode=f" {EUROPE.passcode} ")
    marketer.click("Check the connection", "button")
    marketer.sees("Good")
    enable_from_now(marketer)
    marketer.sees("Enabled. New events are delivered as they arrive.")

    answer = run_as_pasted(command)

    assert '"accepted":1' in answer.replace(" ", "")
    marketer.sees("accepted the last event")
    marketer.menu("Events")
    marketer.click("1")
    marketer.sees("For the user who came")
    marketer.sees("For the referrer")
    assert installed.sandbox.counts() == {
        ("ann@example.com", "Referred App Install"): 1,
        ("bob@example.com", "Generated App Install"): 1,
    }
    assert marketer.complaints == []
    record_property(
        "journey",
        f"New person to first delivered event ({look}): {marketer.clicks} clicks and "
        f"fields, {marketer.seconds():.0f} seconds of the machine's time.",
    )


def test_every_page_on_the_way_is_accessible(marketer):
    marketer.go("/admin/")
    assert axe.findings(marketer.page) == []
    marketer.log_in()
    assert axe.findings(marketer.page) == []
    make_an_app(marketer)
    make_a_key(marketer)
    assert axe.findings(marketer.page) == []
    connect(marketer, passcode=EUROPE.passcode)
    marketer.click("Check the connection", "button")
    assert axe.findings(marketer.page) == []


def test_a_wrong_location_is_found_and_changed_by_one_click(installed, marketer):
    marketer.log_in()
    make_an_app(marketer)
    connect(marketer, passcode=EUROPE.passcode)
    integration = "/admin/clevertap_sync/integration/1"
    marketer.go(f"{integration}/change/")
    marketer.choose("Location", "India")
    marketer.click("Save", "button")

    marketer.go(f"{integration}/check/")
    marketer.click("Check the connection", "button")
    marketer.click("Find the location", "button")
    marketer.sees("This account answers in Europe")
    marketer.click("Change the location to Europe", "button")
    marketer.click("Check the connection", "button")

    marketer.sees("Good")
    assert installed.database.rows(
        "SELECT a.location FROM clevertap_sync_integration i "
        "JOIN clevertap_sync_account a ON a.id = i.account_id"
    ) == [("eu1",)]


def test_the_passcode_is_in_no_page(installed, marketer):
    marketer.log_in()
    make_an_app(marketer)
    connect(marketer, passcode=EUROPE.passcode)
    marketer.click("Check the connection", "button")
    marketer.sees("Good")

    seen = marketer.page.content()
    marketer.go("/admin/clevertap_sync/integration/1/change/")
    seen += marketer.page.content()

    assert EUROPE.passcode not in seen
    assert f"••••{EUROPE.passcode[-2:]}" in seen
