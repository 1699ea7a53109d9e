"""One person in front of the product: finds things by what they say, as people do.

Controls are found by their role and name, so a journey fails where a screen reader
would find nothing either. Whatever the browser complains about is kept.
"""

import re
import time
from pathlib import Path
from re import Pattern
from typing import Final, Literal

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    expect,
)

from tests.browser.chromium import LIGHT, Look, window
from tests.harness.process import PATIENCE_SECONDS

RESULTS: Final = Path(__file__).resolve().parent.parent.parent / "test-results"
USERNAME: Final = "ann"
PASSWORD: Final = "a-password-of-tests-only"
#: What a navigation breaks off says nothing about a page.
BROKEN_OFF: Final = "net::ERR_ABORTED"
FIRST_ERROR: Final = 400
#: Ends at once what is on its way to an end; what turns for ever is no transition. To wait
#: for `finished` could be for ever: that of an element which is not drawn never comes.
END_TRANSITIONS: Final = """
    () => document.getAnimations()
        .filter(each => each.effect.getComputedTiming().endTime < Infinity)
        .forEach(each => each.finish())
"""
# For hanging only: what is expected comes when the machine has the time for it.
expect.set_options(timeout=PATIENCE_SECONDS * 1000)

Role = Literal["link", "button", "radio", "checkbox"]


class Visitor:
    """A person with a window of their own. `clicks` counts also what is typed into."""

    def __init__(self, browser: Browser, url: str, look: Look = LIGHT) -> None:
        self.url = url
        self.look = look
        self.context = window(browser, look, url)
        self.context.set_default_timeout(PATIENCE_SECONDS * 1000)
        self.page: Page = self.context.new_page()
        #: What the browser said of the pages so far, and what it could not fetch.
        self.complaints: list[str] = []
        self.clicks = 0
        self._began = time.monotonic()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def log_in(self, username: str = USERNAME, password: str = PASSWORD) -> None:
        """Log in to the admin; the overview opens."""
        self.page.goto("/admin/")
        self.fill("Username", username)
        self.fill("Password", password)
        self.click("Log in", "button")
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Overview")

    def go(self, path: str) -> Response | None:
        """Open an address, and wait until what it asks for is there."""
        return self.page.goto(path, wait_until="load")

    def look_as(self, look: Look) -> None:
        """See the page that is open in another look, once its colours have changed."""
        self.look = look
        self.page.set_viewport_size({"width": look.width, "height": look.height})
        self.page.emulate_media(color_scheme=look.colours)
        self.page.evaluate(END_TRANSITIONS)

    def menu(self, name: str) -> None:
        """Choose a page of the menu."""
        menu = self.page.get_by_role("navigation", name="Pages")
        entry = menu.get_by_role("link", name=name, exact=True)
        self.clicks += 1
        entry.click()
        expect(entry).to_have_attribute("aria-current", "page")

    def click(self, name: str | Pattern[str], role: Role = "link") -> None:
        """Click the first control of that name in the page's content."""
        self.clicks += 1
        main = self.page.get_by_role("main")
        main.get_by_role(role, name=name, exact=True).first.click()

    def labelled(self, label: str) -> Locator:
        """Return the field of that label. Django puts a colon behind most."""
        named = self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}:?\s*$"))
        return named.and_(self.page.locator("input, select, textarea"))

    def fill(self, label: str, text: str) -> None:
        """Type into the field of that label."""
        self.clicks += 1
        self.labelled(label).fill(text)

    def choose(self, label: str, option: str) -> None:
        """Choose an option of the list of that label."""
        self.clicks += 1
        self.labelled(label).select_option(label=option)

    def sees(self, text: str) -> None:
        """Assert that the page's content says so, at once or soon, without a reload."""
        main = self.page.get_by_role("main")
        expect(main).to_contain_text(text)

    def seconds(self) -> float:
        """Return for how long the window has been open."""
        return time.monotonic() - self._began

    def picture(self, name: str) -> None:
        """Keep a picture of the whole page among the results."""
        path = RESULTS / "browser" / f"{name}-{self.look}.png"
        self.page.screenshot(path=path, full_page=True)

    def close(self) -> None:
        """Close the window."""
        self.context.close()

    def _complain(self, text: str) -> None:
        self.complaints.append(f"{self.page.url.removeprefix(self.url)}: {text}")

    def _hear(self, line: ConsoleMessage) -> None:
        if line.type in {"error", "warning"}:
            self._complain(line.text)

    def _failed(self, request: Request) -> None:
        if request.failure != BROKEN_OFF:
            self._complain(f"{request.url} failed: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= FIRST_ERROR:
            self._complain(f"{response.url} answered {response.status}")
