"""A browser, people in front of it, and the product's real processes behind it."""

from collections.abc import Callable, Iterator

import pytest

from tests.browser import chromium, shop
from tests.browser.visitor import Visitor
from tests.harness.environment import test_database as the_database


def pytest_configure():
    """Say at once what is missing, instead of in every test."""
    if not chromium.PROGRAM.exists():
        raise pytest.UsageError(chromium.MISSING)


def pytest_terminal_summary(terminalreporter):
    """Print what the journeys took, whichever process ran them."""
    taken = [
        told
        for report in terminalreporter.getreports("passed")
        for name, told in report.user_properties
        if name == "journey"
    ]
    if taken:
        terminalreporter.section("journeys")
        terminalreporter.write("\n".join([*sorted(taken), ""]))


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, started once."""
    with chromium.running() as running:
        yield running


@pytest.fixture(scope="session")
def busy(tmp_path_factory):
    """The product with a shop in it that has been at it for a while."""
    with shop.busy(tmp_path_factory.mktemp("shop")) as stack:
        yield stack


@pytest.fixture
def installed(make_stack):
    """The product as an installation leaves it."""
    return shop.install(make_stack(the_database(), warm=True))


@pytest.fixture
def visit(request, browser) -> Iterator[Callable[..., Visitor]]:
    """Return what opens a window on an address; its last page is kept as a picture."""
    visitors: list[Visitor] = []

    def open_window(url, look=chromium.LIGHT):
        visitor = Visitor(browser, url, look)
        visitors.append(visitor)
        return visitor

    yield open_window
    for number, visitor in enumerate(visitors):
        visitor.picture(f"{request.node.originalname}-{number}")
        visitor.close()
