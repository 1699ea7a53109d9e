"""Somebody who looks after the installation: logged in to the admin, over real HTTP.

Reads pages as a browser would: what links to where, which form has which fields, and which
colour each light of the overview has.
"""

import html
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urldefrag

import requests

from tests.harness.process import PATIENCE_SECONDS

NAME: Final = "ann"
PASSWORD: Final = "a password for this database alone"
OVERVIEW: Final = "/admin/"
#: An integration has a card on the overview, or a line: a light and a link, in this order or
#: the other.
_CARD: Final = re.compile(
    r'<h2 id="integration\d+"><a href="(?P<url>[^"]+)">(?P<name>[^<]+)</a>'
    r'.*?<span class="light light-(?P<colour>\w+)">',
    re.DOTALL,
)
_LINE: Final = re.compile(
    r'<div><span class="light light-(?P<colour>\w+)">[^<]*</span> '
    r'<a href="(?P<url>[^"]+)">(?P<name>[^<]+)</a>'
)
#: On a card, or below it; and in a line.
_FIXES: Final = (
    re.compile(r'class="finding finding-(?:bad|busy)">.*?<a href="([^"]+)"', re.DOTALL),
    re.compile(
        r'<div><span class="light light-(?:bad|busy)">[^<]*</span> <a [^>]*>[^<]*</a> '
        r'(?:<span class="badge">[^<]*</span> )?<span class="quiet">[^<]*</span> <a href="([^"]+)"'
    ),
)
_BETWEEN_NAMES: Final = " → "

Fields = dict[str, list[str]]


class Page(HTMLParser):
    """A page: the places that a link can lead to, its forms' fields, its lights."""

    def __init__(self, answer: requests.Response) -> None:
        super().__init__()
        self.status = answer.status_code
        self.text = answer.text
        self.places: set[str] = set()
        self.forms: list[Fields] = []
        #: The values of check boxes, ticked or not.
        self.boxes: Fields = {}
        #: Where the forms are sent to.
        self.actions: list[str] = []
        self._select = ""
        self._area = ""
        self.feed(self.text)

    def form_with(self, *names: str) -> Fields:
        """Return the fields of the only form that has these, as a browser would send them."""
        (form,) = (form for form in self.forms if set(names) <= form.keys())
        return {name: list(values) for name, values in form.items()}

    def lights(self) -> dict[str, tuple[str, str]]:
        """Return each app's colour on the overview, and its integration's address."""
        found = [*_CARD.finditer(self.text), *_LINE.finditer(self.text)]
        return {
            html.unescape(each["name"]).partition(_BETWEEN_NAMES)[0]: (
                each["colour"],
                each["url"],
            )
            for each in found
        }

    def link_before(self, text: str) -> str:
        """Return where the link leads whose words begin with a text."""
        found = re.search(rf'<a href="([^"]+)">{re.escape(text)}', self.text)
        assert found, f"No link says {text}."
        return html.unescape(found[1])

    def fixes(self) -> list[str]:
        """Return where the overview leads from what is an error or a warning on it."""
        found = [url for pattern in _FIXES for url in pattern.findall(self.text)]
        return [html.unescape(url) for url in found]

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        known = {name: value or "" for name, value in attributes}
        self.places |= {known["id"]} if "id" in known else set()
        match tag:
            case "form":
                self.forms.append({})
                self.actions.append(known.get("action", ""))
            case "input" | "select" | "textarea" if self.forms and known.get("name"):
                self._begin_field(tag, known)
            case "option" if self._select and "selected" in known:
                self.forms[-1][self._select].append(known.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"select", "textarea"}:
            self._select = self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1][self._area].append(data.removeprefix("\n"))

    def _begin_field(self, tag: str, known: Mapping[str, str]) -> None:
        name = known["name"]
        values = self.forms[-1].setdefault(name, [])
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._area = name
        elif known.get("type") not in {"checkbox", "radio"}:
            values.append(known.get("value", ""))
        else:
            value = known.get("value", "on")
            self.boxes.setdefault(name, []).append(value)
            values += [value] if "checked" in known else []


class Person:
    """A superuser's browser. `web_url` is where the product answers."""

    def __init__(self, web_url: str) -> None:
        self._web_url = web_url
        self._browser = requests.Session()

    def log_in(self) -> None:
        """Log in, as the user that `createsuperuser` made."""
        self.open("/admin/login/")
        page = self.send(
            "/admin/login/", username=NAME, password=PASSWORD, next=OVERVIEW
        )
        assert "username" not in page.text, "The login was refused."

    def open(self, path: str) -> Page:
        """Return the page at a path; what stands behind a # stays in the browser."""
        return Page(
            self._browser.get(
                f"{self._web_url}{urldefrag(path).url}", timeout=PATIENCE_SECONDS
            )
        )

    def send(self, path: str, **fields: Any) -> Page:
        """Press a button: send the fields, and return the page that follows."""
        body = {"csrfmiddlewaretoken": self._browser.cookies["csrftoken"], **fields}
        answer = self._browser.post(
            f"{self._web_url}{path}", data=body, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == requests.codes.ok, answer.status_code
        return Page(answer)

    def fill_in(self, path: str, **changes: Any) -> Page:
        """Change fields of the form at a path, and save it."""
        form = self.open(path).form_with(*changes)
        page = self.send(path, **{**form, **changes})
        assert "errornote" not in page.text, f"The form at {path} was refused."
        return page
