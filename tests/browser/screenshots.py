"""Takes the pictures of README and docs: `python -m tests.browser.screenshots [FOLDER]`.

The same shop as in the tests, so the pictures show what is tested. Without a FOLDER they
go to docs/images.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page

from tests.browser import chromium, shop
from tests.browser.chromium import DARK, LIGHT, Look
from tests.browser.visitor import Visitor
from tests.harness import environment
from tests.harness.stack import Stack

FOLDER: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "images"
WIDTH: Final = 1180
HEIGHT: Final = 820
#: Where the pictures are taken, by their names: an address, or an entry of the menu.
PICTURES: Final = {
    "overview": "/admin/",
    "set-up": "/admin/clevertap_sync/integration/1/change/",
    "check": "/admin/clevertap_sync/integration/1/check/",
    "event": "/admin/events/demo/24/",
    "problems": "/admin/problems/",
    "seen": "/admin/clevertap_sync/integration/1/seen/",
    "preview": "Preview",
}


def main() -> int:
    """Take every picture in light and dark; return 1 where the browser complained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder: Path = parser.parse_args().folder
    if not chromium.PROGRAM.exists():
        parser.error(chromium.MISSING)
    environment.prepare()
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as place,
        shop.busy(Path(place)) as stack,
        chromium.running() as browser,
    ):
        complaints = [
            complaint
            for look in (LIGHT, DARK)
            for complaint in _take(browser, stack, look, folder)
        ]
    sys.stdout.writelines(f"{complaint}\n" for complaint in complaints)
    return 1 if complaints else 0


def _take(browser: Browser, stack: Stack, look: Look, folder: Path) -> list[str]:
    """Take every picture in one look, and return what the browser complained about."""
    small = Look(look.name, look.colours, WIDTH, HEIGHT)
    visitor = Visitor(browser, stack.web_url, small)
    visitor.log_in()
    for name, place in PICTURES.items():
        _open(visitor, place)
        if name == "check":
            visitor.click(re.compile("^Check the connection"), "button")
            visitor.sees("Good")
        _picture(visitor.page, folder / f"{name}-{look}.png")
    visitor.go(f"{stack.sandbox.url}/")
    _picture(visitor.page, folder / f"sandbox-{look}.png")
    visitor.close()
    return visitor.complaints


def _open(visitor: Visitor, place: str) -> None:
    if place.startswith("/"):
        visitor.go(place)
    else:
        visitor.menu(place)


def _picture(page: Page, path: Path) -> None:
    page.screenshot(path=path, animations="disabled")


if __name__ == "__main__":
    sys.exit(main())
