"""Every link of the documentation leads to what is there, and every page is led to."""

import re
from functools import cache

import pytest

from tests.documented import list_pages
from tests.harness.commands import ROOT

FENCE = re.compile(r"^( *)(```+)[^\n]*\n.*?^\1\2 *$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`+[^`]*`+")
LINK = re.compile(r"\]\(([^()\s]+(?:\([^()\s]*\))?)\)")
HTML = re.compile(r'(?:src|srcset|href)="([^"]+)"')
#: Whoever opens the repository sees it.
FIRST = {ROOT / "CHANGELOG.md"}
ELSEWHERE = re.compile(r"[a-z]+:")


@cache
def read_prose(path):
    """Return a page without what stands in blocks of code."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def links_of(path):
    prose = CODE.sub("", read_prose(path))
    found = (*LINK.findall(prose), *HTML.findall(prose))
    return [link for link in found if not ELSEWHERE.match(link)]


@cache
def anchors_of(path):
    """Return the anchors that GitHub, and the site, make of a page's headings."""
    anchors = []
    for heading in re.findall(r"^#{1,6} (.+)$", read_prose(path), re.MULTILINE):
        words = re.sub(r"\]\([^)]*\)", "", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        again = sum(slug == each for each, _ in anchors)
        anchors.append((slug, f"{slug}-{again}" if again else slug))
    return {anchor for _, anchor in anchors}


def find_fault(path, link):
    """Return what is wrong with a link of the page `path`, or None."""
    place, _, anchor = link.partition("#")
    target = (path.parent / place).resolve() if place else path
    if not target.is_file():
        return "is no file"
    if anchor and target.suffix == ".md" and anchor not in anchors_of(target):
        return "has no such heading"
    if target.suffix == ".md" and target not in list_pages():
        return "is no page of the site"
    return None


@pytest.mark.parametrize(
    "path", list_pages(), ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_link_leads_somewhere(path):
    faults = {link: find_fault(path, link) for link in links_of(path)}

    assert {link: fault for link, fault in faults.items() if fault} == {}


def test_every_page_is_led_to():
    led_to = {
        (path.parent / link.partition("#")[0]).resolve()
        for path in list_pages()
        for link in links_of(path)
    }

    assert {path for path in list_pages() if path not in led_to} == FIRST


def test_links_are_found_where_people_see_them_and_not_in_code():
    links = links_of(ROOT / "docs/quickstart.md")

    assert "reference/http-api.md" in links
    assert "images/overview-dark.png" in links
    assert not [link for link in links if "127.0.0.1" in link]


def test_a_link_that_leads_nowhere_is_a_fault():
    page = ROOT / "docs/quickstart.md"

    assert find_fault(page, "nothing.md") == "is no file"
    assert find_fault(page, "adr") == "is no file"
    assert find_fault(page, "admin.md#nothing") == "has no such heading"
    assert find_fault(page, "../docs/admin.md") is None
