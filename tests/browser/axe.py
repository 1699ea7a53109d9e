"""What axe-core finds wrong with a page for people who do not see or use it as others do.

Its source is evaluated by the debugger's protocol, which a page's
Content-Security-Policy does not concern. That is half a megabyte: it goes to each page once,
however often the page is looked at.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_SOURCE: Final[str] = Axe().axe_script
_IS_MISSING: Final = "typeof axe === 'undefined'"
#: What passes, and what does not apply, stays in the browser.
_RUN: Final = "options => axe.run(options).then(found => found.violations)"
#: Django's inlines have a heading without words above no column: nobody is lost there.
_HARMLESS: Final = "minor"
_OPTIONS: Final = {
    "resultTypes": ["violations"],
    "iframes": False,
    # Off unless asked for, since it came with WCAG 2.2: no target below 24 pixels.
    "rules": {"target-size": {"enabled": True}},
}


#: The rules that other colours alone can break.
_OF_COLOURS: Final = {"runOnly": ["color-contrast", "link-in-text-block"]}


def findings(page: Page, *, colours_alone: bool = False) -> list[str]:
    """Return what is wrong, one line for each kind and the elements it is about.

    `colours_alone` asks what colours can break, of a page of which the rest is known.
    """
    options = _OPTIONS | (_OF_COLOURS if colours_alone else {})
    if page.evaluate(_IS_MISSING):
        page.evaluate(_SOURCE)
    violations = page.evaluate(_RUN, options)
    return list(_lines(each for each in violations if each["impact"] != _HARMLESS))


def _lines(violations: Iterable[dict[str, Any]]) -> Iterator[str]:
    for each in violations:
        where = ", ".join(str(node["target"][0]) for node in each["nodes"])
        why = each["nodes"][0]["failureSummary"].splitlines()[-1].strip()
        yield f"{each['id']} ({each['impact']}) at {where}: {why}"
