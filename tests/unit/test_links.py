"""Every link of the documentation leads somewhere, and every page is led to."""

import re

import pytest

from tests.harness.commands import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "clients/python/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
#: Whoever opens the repository sees these.
FIRST = {ROOT / "README.md", ROOT / "CHANGELOG.md"}


def read_prose(page):
    """Return the page without what is typed or shown in it."""
    return re.sub(
        r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def list_links(page):
    """Return the file and the anchor of each link of the page to a file of ours."""
    links = re.findall(r"\]\((?![a-z]+:)([^)\s]+)\)", read_prose(page))
    split = [link.partition("#") for link in links]
    return [
        ((page.parent / path).resolve() if path else page, anchor)
        for path, _, anchor in split
    ]


def anchors_of(page):
    """Return the anchors of the page's headings, as its readers make them."""
    headings = re.findall(r"^#+ (.+)$", read_prose(page), re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_somewhere(page):
    for file, anchor in list_links(page):
        assert file.exists(), file
        if anchor and file.suffix == ".md":
            assert anchor in anchors_of(file), f"{file}#{anchor}"


def test_every_page_is_led_to():
    led_to = {file for page in PAGES for file, _ in list_links(page)} | FIRST

    # A link to a folder shows all that is in it.
    assert [page for page in PAGES if led_to.isdisjoint({page, page.parent})] == []
