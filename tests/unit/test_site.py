"""The documentation as a site: every page has its place, and nothing comes from elsewhere."""

from fnmatch import fnmatch

import pytest

from scripts.site.foreign import find_foreign
from scripts.site.pages import (
    FOLDERS,
    INDEX,
    SECTIONS,
    list_below,
    list_pages as list_navigation,
    prepare_page,
    show_pictures,
)
from tests.documented import PAGES, list_pages
from tests.harness.commands import ROOT

LISTED = list_navigation()
BELOW = [f"{page.removesuffix('README')}*" for page in FOLDERS]


def test_every_page_has_its_place_in_the_navigation():
    pages = {str(path.relative_to(ROOT).with_suffix("")) for path in list_pages()}

    lost = {
        page
        for page in pages - {INDEX}
        if not any(fnmatch(page, place) for place in (*LISTED, *BELOW))
    }
    assert not lost, "List them in a section of scripts/site/pages.py."


def test_every_place_has_a_page():
    assert all(list(ROOT.glob(f"{place}.md")) for place in LISTED)


def test_a_page_of_the_repository_is_found_whatever_its_folder():
    assert {ROOT / "README.md", ROOT / "docs/adr/README.md"} <= set(list_pages())
    assert PAGES[0] == "README.md"


def test_a_picture_is_there_once_for_each_theme():
    text = (
        "<picture>\n"
        '  <source media="(prefers-color-scheme: dark)" srcset="a-dark.png">\n'
        '  <img alt="What is seen." src="a-light.png">\n'
        "</picture>\n"
    )

    shown = show_pictures(f"before\n{text}after")

    assert shown == (
        "before\n"
        "```{image} a-light.png\n:alt: What is seen.\n:class: only-light\n```\n\n"
        "```{image} a-dark.png\n:alt: What is seen.\n:class: only-dark\n```\n\n"
        "after"
    )


def test_no_picture_of_the_pages_is_left_to_the_browsers_theme():
    prepared = [
        prepare_page(INDEX, path.read_text(encoding="utf-8")) for path in list_pages()
    ]

    assert not [text for text in prepared if "<picture>" in text]
    assert sum(text.count(":class: only-dark") for text in prepared) == sum(
        path.read_text(encoding="utf-8").count("<picture>") for path in list_pages()
    )


def test_the_first_page_leads_to_every_section_and_a_folders_to_its_pages():
    assert list_below(INDEX).count("{toctree}") == len(SECTIONS)
    assert list_below("docs/adr/README") == "```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"
    assert list_below("docs/quickstart") == ""


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example/x.js"></script>',
        "<script src='//cdn.example/x.js'></script>",
        '<link rel="stylesheet" href="http://fonts.example/a.css"/>',
        '<img alt="" src=" https://images.example/a.png">',
    ],
    ids=["script", "any-scheme", "style", "image"],
)
def test_what_is_loaded_from_another_host_is_found(page):
    assert len(find_foreign(page)) == 1


def test_a_link_to_another_host_is_none_and_neither_is_a_file_of_the_site():
    page = (
        '<a href="https://example.com">x</a><script src="../_static/a.js?v=1"></script>'
    )

    assert find_foreign(page) == []
