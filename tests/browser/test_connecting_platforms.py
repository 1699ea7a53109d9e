"""Somebody who connects Branch: from the overview to its first call, and what became of it."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import axe, platform_calls
from tests.browser.chromium import LIGHT, PHONE

#: From the overview to the steps, as fields and clicks.
MOST_CLICKS = 8


@pytest.mark.parametrize("look", [LIGHT, PHONE], ids=str)
def test_branch_is_connected_and_its_first_call_is_seen_to_arrive(
    installed, visit, look, record_property
):
    installed.provision()
    owner = visit(installed.web_url, look)
    owner.log_in()
    logged_in = owner.clicks

    owner.menu("Sources")
    owner.click("Connect a platform")
    owner.click(re.compile("^Branch"))
    owner.click("Connect", "button")

    clicks = owner.clicks - logged_in
    assert clicks <= MOST_CLICKS
    address = owner.page.locator("#step-2-address").inner_text()
    secret = owner.page.locator("#step-4-secret").inner_text()
    owner.sees("Waits for the first call")
    assert axe.findings(owner.page) == []
    url = address.partition("?")[0]
    assert url.startswith(installed.web_url)
    assert platform_calls.send_sample(url, "not-the-secret") == 401
    owner.sees("Calls fail their check")

    assert platform_calls.send_sample(url, secret) == 200

    owner.sees("1 accepted")
    light = owner.page.locator("#first-call h2 .light")
    expect(light).to_have_class("light light-good")
    assert axe.findings(owner.page) == []
    record_property(
        "journey",
        f"connect Branch, {look}: {clicks} fields and clicks to the steps, "
        f"{owner.seconds():.0f} s to the first call",
    )
    owner.click("To the source")
    owner.sees("What came in")
    expect(owner.page.get_by_role("main")).not_to_contain_text(secret)
    assert owner.complaints == []
