"""Debian's Chromium: where it is, how it is started, and in which looks pages are seen."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, BrowserContext, sync_playwright

PROGRAM: Final = Path(os.environ.get("CHROMIUM") or "/usr/bin/chromium")
#: It runs as root in a container, and asks nobody outside of this machine for anything.
FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-dev-shm-usage"),
)
MISSING: Final = (
    f"There is no Chromium at {PROGRAM}. Install it (on Debian and Ubuntu: apt install "
    "chromium fonts-dejavu-core), or set CHROMIUM to where it is."
)


@dataclass(frozen=True)
class Look:
    """How a person sees the pages: colours, and the size of the window."""

    name: str
    colours: Literal["light", "dark"]
    width: int
    height: int

    def __str__(self) -> str:
        return self.name


LIGHT: Final = Look("light", "light", 1280, 860)
DARK: Final = Look("dark", "dark", 1280, 860)
PHONE: Final = Look("phone", "light", 390, 844)
LOOKS: Final = (LIGHT, DARK, PHONE)


@contextmanager
def running() -> Iterator[Browser]:
    """Run a browser with a profile of its own, which goes when it ends."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=PROGRAM, args=list(FLAGS)
        ) as browser,
    ):
        yield browser


def window(browser: Browser, look: Look, url: str = "") -> BrowserContext:
    """Return a person's window, without any cookie yet. Addresses begin at `url`."""
    return browser.new_context(
        base_url=url or None,
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.colours,
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
