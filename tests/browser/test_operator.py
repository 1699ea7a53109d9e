"""An operator: sees why delivery stopped, mends it, and sends again what was refused."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from tests.browser import shop
from tests.browser.chromium import LIGHT
from tests.browser.visitor import USERNAME
from tests.builders import NOON_TEXT, a_sent_event

INTEGRATION = "/admin/clevertap_sync/integration/1"
RIGHT = ACCOUNTS[Location.EU1].passcode
NOBODY = {"identities": {"custom_id": "7"}}
#: More presses of a key than any journey to a control needs.
FAR = 80


@pytest.fixture
def operator(installed, visit):
    installed.provision()
    operator = visit(installed.web_url, LIGHT)
    operator.log_in()
    return operator


def press_until(operator, key, name):
    """Press a key until the control of that name has the focus, as seen on the screen."""
    for _ in range(FAR):
        operator.page.keyboard.press(key)
        focused = operator.page.locator("*:focus")
        if focused.count() and name in (
            focused.inner_text() or focused.get_attribute("value") or ""
        ):
            outline = focused.evaluate("each => getComputedStyle(each).outlineStyle")
            assert outline != "none", f"nobody sees that {name} has the focus"
            return
    message = f"{name} was not reached by {FAR} times {key}"
    raise AssertionError(message)


def test_a_wrong_passcode_holds_the_account_and_the_right_one_catches_up(
    installed, operator
):
    operator.go(f"{INTEGRATION}/change/")
    operator.fill("Passcode", "NOT-THE-PASSCODE")
    operator.click("Save", "button")
    installed.post([a_sent_event(occurred_at=None) for _ in range(20)])

    operator.menu("Overview")
    operator.sees("Held")
    operator.sees("refuses")
    operator.click(re.compile("shop → ", re.IGNORECASE))
    operator.sees("Refused")
    operator.fill("Passcode", RIGHT)
    operator.click("Save", "button")
    operator.menu("Overview")
    operator.sees("accepted the last event")

    installed.wait_until_settled()
    [status] = installed.status()
    assert (status["delivered"], status["dead_letters"]) == (40, {})
    assert (status["hold"], status["balanced"]) == (None, True)
    assert operator.complaints == []


def test_dead_letters_are_replayed_after_the_fix_with_a_plan_first(installed, operator):
    installed.post([a_sent_event(occurred_at=None, user=NOBODY) for _ in range(3)])
    installed.wait_until_settled()

    operator.menu("Problems")
    operator.sees("The user has no identity for the integration's identity provider.")
    operator.go(f"{INTEGRATION}/change/")
    operator.fill("Identity provider", "custom_id")
    operator.click("Save", "button")
    operator.menu("Problems")
    operator.click("Replay…")
    operator.sees("3 records in 1 upload")
    assert installed.sandbox.counts() == {
        ("bob@example.com", "Generated App Install"): 3
    }
    operator.click("Replay", "button")

    installed.wait_until_settled()
    operator.menu("Problems")
    operator.sees("No problems")
    assert installed.sandbox.counts()["7", "Referred App Install"] == 3
    [status] = installed.status()
    assert (status["delivered"], status["balanced"]) == (6, True)
    assert operator.complaints == []


def test_what_clevertap_counts_is_compared_now(installed, operator):
    installed.sandbox.show_at_once()
    operator.go(f"{INTEGRATION}/change/")
    operator.labelled("Compare with CleverTap each night").check()
    operator.click("Save", "button")
    operator.go(f"{INTEGRATION}/change/")
    operator.click("Seen in CleverTap")
    operator.sees("The first day that is compared is")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    installed.post([a_sent_event(occurred_at=yesterday.isoformat()) for _ in range(3)])
    installed.wait_until_settled()
    shop.count_for_days(installed)
    # The night that was missed is made up.
    states = "SELECT state FROM clevertap_sync_comparison"
    installed.wait_until(lambda: installed.database.rows(states) == [("done",)])

    operator.go(f"{INTEGRATION}/seen/")
    operator.click("Compare now", "button")

    operator.sees(f"by order of {USERNAME}: 2 names and days")
    operator.sees("CleverTap counts what was delivered")
    row = operator.page.get_by_role("row", name="Referred App Install")
    expect(row.get_by_role("cell").nth(1)).to_have_text("3, as delivered")
    assert operator.complaints == []


def test_pause_and_resume_by_keyboard_alone_lose_nothing(installed, operator):
    press = operator.page.keyboard.press
    installed.post(a_sent_event(occurred_at=None))
    installed.wait_until_settled()
    operator.go(f"{INTEGRATION}/change/")
    press_until(operator, "Tab", "Pause")
    press("Enter")
    operator.sees("Paused. New events are kept and wait; none is lost.")
    installed.post([a_sent_event(occurred_at=None) for _ in range(4)])
    assert len(installed.sandbox.records()) == 2

    press_until(operator, "Tab", "Resume…")
    press("Enter")
    operator.sees("4 events wait and are delivered first.")
    press_until(operator, "Tab", "Check the connection and resume")
    press("Enter")
    operator.sees("Enabled. New events are delivered as they arrive.")

    installed.wait_until_settled()
    [status] = installed.status()
    assert (status["delivered"], status["balanced"]) == (10, True)
    assert operator.complaints == []


def test_the_overview_follows_by_itself_for_as_long_as_somebody_is_logged_in(
    installed, operator
):
    operator.go("/admin/#machinery")
    expect(operator.page.get_by_text("Everything is set up.")).to_be_visible()

    installed.post(a_sent_event(occurred_at=None))

    operator.sees("accepted the last event")
    operator.page.context.clear_cookies()

    # Nothing stays on a screen that was left alone.
    operator.page.wait_for_url(re.compile(r"/admin/login/\?next=/admin/"))
    assert operator.complaints == []


def test_a_time_is_shown_in_the_zone_of_whoever_looks_and_in_utc_on_hover(
    installed, operator
):
    installed.post([a_sent_event(occurred_at=NOON_TEXT)])

    operator.go("/admin/events/")

    happened = operator.page.locator('time[datetime="2026-11-23T12:00:00+00:00"]')
    expect(happened).to_have_text("23 Nov 2026, 13:00:00")
    expect(happened).to_have_attribute("title", "23 Nov 2026, 12:00:00 UTC")
