"""Takes pictures of the admin's pages: `python -m tests.browser.screenshots URL FOLDER`.

Needs Playwright and Debian's Chromium. Every page is taken in light, dark and at phone
width; what the browser complains about is printed and fails the run.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM: Final = os.environ.get("CHROMIUM", "/usr/bin/chromium")
WIDE: Final = (1280, 860)
PHONE: Final = (390, 844)
LOOKS: Final = (("light", WIDE), ("dark", WIDE), ("phone", PHONE))
#: Pages by the name of their picture; `{…}` is what the overview links to.
PAGES: Final = {
    "overview": "",
    "events": "events/",
    "problems": "problems/",
    "integrations": "clevertap_sync/integration/",
    "set-up": "clevertap_sync/integration/1/change/",
    "connect": "clevertap_sync/integration/add/",
    "check": "clevertap_sync/integration/1/check/",
    "enable": "clevertap_sync/integration/1/enable/",
    "event": "events/demo/8/",
    "uploads": "clevertap_sync/upload/",
    "upload": "clevertap_sync/upload/1/change/",
    "attempts": "clevertap_sync/attempt/",
    "dead-letters": "clevertap_sync/deadletter/",
    "dead-letter": "clevertap_sync/deadletter/1/change/",
    "replays": "clevertap_sync/replay/",
    "apps": "referrals/app/",
    "app": "referrals/app/1/change/",
    "api-keys": "referrals/apikey/",
    "custom-names": "referrals/customname/",
    "alerts": "clevertap_sync/alert/",
    "new-alert": "clevertap_sync/alert/add/",
    "history": "history/",
    "users": "auth/user/",
    "user": "auth/user/1/change/",
}


def main() -> int:
    """Take the pictures; return 1 where the browser had something to complain about."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "url", help="the admin's address, such as http://127.0.0.1:8000/admin/"
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--user", default="admin")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    password = os.environ["ADMIN_PASSWORD"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        complaints = [
            complaint
            for look, size in LOOKS
            for complaint in _take(browser, options, password, look, size)
        ]
        browser.close()
    sys.stdout.writelines(f"{complaint}\n" for complaint in complaints)
    return 1 if complaints else 0


def _take(
    browser: Browser,
    options: argparse.Namespace,
    password: str,
    look: str,
    size: tuple[int, int],
) -> Iterator[str]:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if look == "dark" else "light",
    )
    page = context.new_page()
    heard: list[str] = []
    page.on(
        "console",
        lambda line: heard.append(line.text) if line.type == "error" else None,
    )
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.goto(options.url)
    _picture(page, options, f"login-{look}")
    page.fill("#id_username", options.user)
    page.fill("#id_password", password)
    page.press("#id_password", "Enter")
    page.wait_for_selector("#menu")
    for name, address in PAGES.items():
        if options.only and name not in options.only:
            continue
        heard.clear()
        page.goto(options.url + address)
        if name == "event":
            page.eval_on_selector_all(
                ".timeline details",
                "all => all.forEach((each) => { each.open = true; })",
            )
        _picture(page, options, f"{name}-{look}")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > size[0]:
            heard.append(f"it is {width} pixels wide")
        yield from (f"{name} in {look}: {text}" for text in heard)
    context.close()


def _picture(page: Page, options: argparse.Namespace, name: str) -> None:
    options.folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=options.folder / f"{name}.png", full_page=True)


if __name__ == "__main__":
    sys.exit(main())
