"""What the documentation tells people to type, for tests that do so."""

from tests.harness.commands import ROOT


def page(name: str) -> str:
    """Return the text of `docs/<name>.md`."""
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def block(name: str, language: str) -> str:
    """Return the first block of `docs/<name>.md` that is written in `language`."""
    _, fence, rest = page(name).partition(f"```{language}\n")
    if not fence:
        message = f"docs/{name}.md has no block in {language}."
        raise LookupError(message)
    return rest.partition("```")[0]


#: Where pages lie for people to read. Their place is the same in the site.
PAGES = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *("clients/python/README.md", "docs/**/*.md"),
)


def list_pages():
    """Return the files of all pages."""
    return sorted(path for pattern in PAGES for path in ROOT.glob(pattern))
