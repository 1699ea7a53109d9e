"""The pages below docs/sources/ say what the presets do, and lead to what is there."""

import re

import pytest

from referrals.sources.mapping.rules import MEANINGS
from referrals.sources.presets import PLATFORMS, load_preset
from scripts import source_pages
from tests.documented import page
from tests.harness.commands import ROOT

FOLDER = ROOT / "docs/sources"
#: Pages that are about no single platform.
OF_ALL = {"README", "mapping"}
PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))


def test_every_platform_has_a_page():
    told = "Write docs/sources/<platform>.md with the two marks of scripts/source_pages.py."
    assert set(PLATFORMS) <= set(PAGES), told
    assert set(PAGES) - OF_ALL <= set(PLATFORMS)


@pytest.mark.parametrize("name", [source_pages.INDEX, *PLATFORMS])
def test_a_page_says_what_its_preset_does(name):
    text = page(f"sources/{name}")

    told = "Run `python -m scripts.reference`: a preset has changed."
    assert text == source_pages.fill_page(name, text), told


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_person_wrote_what_it_sends_and_about_identities(platform):
    text = page(f"sources/{platform}")
    before, _, rest = text.partition(source_pages.BEGIN)
    after = rest.partition(source_pages.END)[2]

    assert before.startswith("# ")
    assert len(before) > 100
    assert re.search(r"^## (?:Late identities|Identities|Fit it)", after, re.MULTILINE)
    assert ("> **Draft.**" in rest) is load_preset(platform).is_draft


@pytest.mark.parametrize("platform", [each for each in PLATFORMS if each != "custom"])
def test_the_first_page_names_each_platform(platform):
    name = re.split(" with | and ", load_preset(platform).title)[0]

    assert re.search(rf"\b{re.escape(name)}\b", (ROOT / "README.md").read_text())


def test_every_reason_is_explained():
    rows = dict(
        re.findall(r"^\| `(\w+)` \| (.+?) \|$", page("sources/README"), re.MULTILINE)
    )

    assert {code: rows[code] for code in MEANINGS} == dict(MEANINGS)


def test_a_page_without_its_marks_is_told():
    with pytest.raises(ValueError, match=r"docs/sources/branch.md lacks the lines"):
        source_pages.fill_page("branch", "# Branch\n")
