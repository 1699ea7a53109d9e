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
