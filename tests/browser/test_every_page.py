"""What holds for every page that somebody can reach, in every look."""

import zlib

import pytest

from tests.browser import axe, crawl
from tests.browser.chromium import DARK, LIGHT, LOOKS, PHONE
from tests.browser.visitor import Visitor

ELSEWHERE = "https://referrals-of-a-long-name.eu-central-1.example.com"
#: What is for screen readers alone must not make the page longer. A table has a height of
#: its own, whatever its style says.
TALLEST_HIDDEN = """
    () => Math.max(0, ...[...document.querySelectorAll(".visually-hidden")].map(
        each => each.offsetHeight))
"""
#: The pages are looked at in so many tests, so that pytest's processes share them.
SHARES = 8
HELD = "SELECT id FROM clevertap_sync_integration WHERE hold_reason <> ''"
COMPARED = "SELECT id FROM clevertap_sync_integration WHERE reconciles"


@pytest.fixture(scope="session")
def logged_in(browser, busy):
    """A window of a superuser who has logged in to the busy shop's admin, once."""
    visitor = Visitor(browser, busy.web_url)
    visitor.log_in()
    yield visitor.context
    visitor.close()


@pytest.fixture
def person(busy, visit, logged_in):
    """That superuser, at a window of their own."""
    visitor = visit(busy.web_url)
    visitor.context.add_cookies(logged_in.cookies())
    return visitor


@pytest.fixture(scope="session")
def pages(busy, logged_in):
    """The addresses of all pages, crawled once by each of pytest's processes."""
    found = crawl.pages(logged_in.request)
    [(held,)] = busy.database.rows(HELD)
    [(compared,)] = busy.database.rows(COMPARED)
    page = "/admin/clevertap_sync/integration/"
    of_held = (f"{page}{held}/change/", f"{page}{held}/check/")
    return [*found, *of_held, f"{page}{compared}/seen/", "/admin/events/demo/8/"]


def share_of(address):
    """Return which of the shares a page is in: by its kind, the same in every process."""
    return zlib.crc32(crawl.kind_of(address).encode()) % SHARES


def problems_of(person, address):
    """Open the page, look at it in each way, and yield what is wrong with it."""
    person.complaints.clear()
    person.look_as(LIGHT)
    person.go(address)
    # Before axe, of which the browser complains on some pages.
    yield from person.complaints
    yield from problems_seen_by(person, address)
    for look in (DARK, PHONE):
        person.look_as(look)
        yield from problems_seen_by(person, address)


def problems_seen_by(person, address):
    """Yield what is wrong with the page in this look."""
    where, look = f"{address}, {person.look}", person.look
    width = person.page.evaluate("document.documentElement.scrollWidth")
    if width > look.width:
        yield f"{where}: it is {width} pixels wide"
    hidden = person.page.evaluate(TALLEST_HIDDEN)
    if hidden > 1:
        yield f"{where}: what nobody sees is {hidden} pixels tall"
    # Dark differs from light in its colours: the style sheets have no other rule for it.
    found = axe.findings(person.page, colours_alone=look == DARK)
    yield from (f"{where}: {finding}" for finding in found)


@pytest.mark.parametrize("share", range(SHARES))
def test_every_page_is_quiet_fits_and_is_accessible(person, pages, share):
    mine = [address for address in pages if share_of(address) == share]

    problems = [problem for address in mine for problem in problems_of(person, address)]

    assert len(pages) > 60
    assert mine
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_refused_form_fits_and_is_accessible(busy, visit, look):
    visitor = visit(busy.web_url, look)
    visitor.go("/admin/login/")
    # A browser lets nobody say where a form came from; who passes it on can.
    visitor.page.route("**/admin/login/**", from_another_address)
    visitor.fill("Username", "ann")
    visitor.fill("Password", "wrong")
    visitor.click("Log in", "button")
    visitor.sees(f"CSRF_TRUSTED_ORIGINS={ELSEWHERE}")

    assert visitor.page.evaluate("document.documentElement.scrollWidth") == look.width
    assert axe.findings(visitor.page) == []


def from_another_address(route):
    headers = {**route.request.headers, "origin": ELSEWHERE}
    route.fulfill(response=route.fetch(headers=headers))
