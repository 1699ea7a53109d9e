"""A developer who connects Branch, whose installs come before anybody has signed up."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser import axe, platform_calls
from tests.browser.chromium import DARK, LIGHT, PHONE

ANN = "ann@example.com"
BOB = "bob@example.com"
DEVICE = "6F0D1C1E-0000-4B7A-9A11-0A0A0A0A0A01"
SIGN_UP = "COMPLETE_REGISTRATION"
APP = "/admin/referrals/app/1/change/"
INSTALL = "/admin/events/shop/1/"


@pytest.fixture
def developer(installed, visit):
    installed.provision()
    developer = visit(installed.web_url)
    developer.log_in()
    return developer


@pytest.fixture
def branch(installed, developer):
    """What sends a call of Branch; the source takes the app's own sign-up, too."""
    options = ("--platform", "branch", "--identity", "email", "--event", SIGN_UP)
    made = platform_calls.provision(installed, "shop", *options)
    url = f"{installed.web_url}{made['url']}"

    def send(name, at, **user):
        body = {
            "name": name,
            "timestamp": int(at.timestamp() * 1000),
            "user_data": {"idfv": DEVICE, **user},
            "last_attributed_touch_data": {"referringUserID": BOB},
        }
        assert platform_calls.send(url, made["secret"], body) == 200

    return send


def findings(developer):
    """Return what is wrong with the open page in any look."""
    found = []
    for look in (LIGHT, DARK, PHONE):
        developer.look_as(look)
        width = developer.page.evaluate("document.documentElement.scrollWidth")
        found += [f"{look}: {width} pixels wide"] if width > look.width else []
        found += [f"{look}: {each}" for each in axe.findings(developer.page)]
    developer.look_as(LIGHT)
    return found


def test_an_install_reaches_who_signs_up_two_minutes_later_and_its_page_shows_how(
    installed, developer, branch
):
    developer.go(APP)
    developer.fill("IDs that come before sign-up", "device_handle")
    developer.click("Save", "button")
    developer.sees("was changed successfully")
    signed_up = datetime.now(UTC)
    installed_at = signed_up - timedelta(minutes=2)

    branch("INSTALL", installed_at)
    installed.wait_until_settled()

    developer.go(INSTALL)
    user = developer.page.get_by_role("region", name="For the user who came")
    expect(user).to_contain_text("Waits for its user")
    expect(user).to_contain_text("to learn whose device_handle that is, until")
    assert installed.sandbox.counts() == {(BOB, "Generated App Install"): 1}

    branch(SIGN_UP, signed_up, developer_identity=ANN)
    # The page follows by itself.
    expect(user).to_contain_text("Known since")
    expect(user).to_contain_text("under the identity by which the user was known then")
    assert findings(developer) == []
    developer.click("event 2")
    developer.sees("Made known who others are about")
    assert axe.findings(developer.page) == []
    developer.click("Event 1")
    expect(user).to_contain_text("Delivered")
    [sent] = [
        each
        for each in installed.sandbox.records()
        if each["evtName"] == "Referred App Install"
    ]
    assert sent["ts"] == int(installed_at.timestamp())
    [status] = installed.status()
    assert (status["dead_letters"], status["balanced"]) == ({}, True)
    assert developer.complaints == []
