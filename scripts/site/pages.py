"""Which pages the site has, in which order, and what it changes in their Markdown. Pure.

Pages lie as they do in the repository, so a link that works there works in the site. What no
section lists makes the build fail, and so does a page that is listed and is not there.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

#: The page that everything begins with.
INDEX: Final = "README"
#: The navigation: a heading, and its pages without their ending. `Words <page>` gives a page
#: other words than its own title.
SECTIONS: Final[Mapping[str, Sequence[str]]] = {
    "Begin": (
        "docs/quickstart",
        "For marketers <docs/quickstart/marketer>",
        "For backend engineers <docs/quickstart/backend>",
        "For operators <docs/quickstart/operator>",
        "Python client <clients/python/README>",
        "docs/howto/README",
    ),
    "Look up": (
        "docs/reference/http-api",
        "docs/reference/files",
        "docs/reference/mapping",
        "docs/reference/reasons",
        "docs/reference/findings",
        "docs/reference/environment",
        "docs/reference/commands",
        "docs/reference/set-up-file",
        "docs/reference/provision-source",
        "docs/reference/logs-and-metrics",
        "docs/reference/*",
        "docs/glossary",
    ),
    "Use": (
        "docs/admin",
        "docs/sources/README",
        "docs/people",
        "docs/fraud",
        "docs/seen-in-clevertap",
        "docs/troubleshooting",
    ),
    "Run": (
        "docs/operations",
        "docs/doctor",
        "docs/observability",
        "docs/upgrading",
        "docs/security",
        "docs/privacy",
        "docs/reliability",
        "docs/performance",
    ),
    "Change": (
        "docs/architecture",
        "docs/migrations",
        "docs/dependencies",
        "docs/adr/README",
        "CONTRIBUTING",
        "CHANGELOG",
    ),
    "Transcripts": ("docs/transcripts/*",),
}
#: Pages that lead to all others of their folder, beside those that a section lists.
FOLDERS: Final = ("docs/adr/README", "docs/howto/README", "docs/sources/README")
_PICTURE: Final = re.compile(
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">\s*'
    r'<img alt="(?P<alt>[^"]+)" src="(?P<light>[^"]+)">\s*</picture>'
)


def list_pages() -> list[str]:
    """Return the pages of all sections, perhaps with `*`, without words of their own."""
    entries = (entry for pages in SECTIONS.values() for entry in pages)
    return [entry.rpartition("<")[2].removesuffix(">") for entry in entries]


def prepare_page(name: str, text: str) -> str:
    """Return a page's Markdown with pictures for both themes, and what it leads to."""
    return f"{show_pictures(text)}\n{list_below(name)}"


def show_pictures(text: str) -> str:
    """Return the Markdown with each picture for the theme that is chosen on the site.

    In the repository the browser chooses by its own theme, which may be another one.
    """
    return _PICTURE.sub(_show_picture, text)


def list_below(name: str) -> str:
    """Return the navigation that begins on the page `name`; "" for most pages."""
    if name == INDEX:
        return "\n".join(
            _write_list(pages, caption) for caption, pages in SECTIONS.items()
        )
    return _write_list(["*"]) if name in FOLDERS else ""


def _show_picture(match: re.Match[str]) -> str:
    return "\n".join(
        f"```{{image}} {match[theme]}\n:alt: {match['alt']}\n:class: only-{theme}\n```\n"
        for theme in ("light", "dark")
    )


def _write_list(pages: Sequence[str], caption: str = "") -> str:
    options = [":hidden:", ":glob:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["```{toctree}", *options, "", *pages, "```", ""])
