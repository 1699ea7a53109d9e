"""Every page of the admin that somebody can reach by links, found from the menu on.

Pages are told apart by their kind: the same address but for its numbers and names, all of
it or a choice of it. One of each kind is enough, so the crawl ends.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Final
from urllib.parse import parse_qsl, urljoin, urlsplit

from playwright.sync_api import APIRequestContext

FIRST: Final = ("/admin/", "/docs")
#: What an address has of one thing among many: a number, an app's or a reason's name.
_ONE_OF_MANY: Final = re.compile(r"(?<=/problems/)\d+/\w+|(?<=/events/)[\w-]+(?=/)|\d+")
#: They end the visit, or are no pages.
_LEFT_OUT: Final = re.compile(r"^/admin/(logout|jsi18n)/|^/static/|^/openapi\.json")
#: In a query: the order of a list, and the way back to it.
_OF_NO_INTEREST: Final = frozenset({"o", "_changelist_filters"})
_OK: Final = 200


class Links(HTMLParser):
    """The addresses that a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a link's address."""
        address = dict(attrs).get("href")
        if tag == "a" and address:
            self.found.append(address)


def kind_of(address: str) -> str:
    """Return what pages like this one have in common."""
    parts = urlsplit(address)
    choices = {name for name, _ in parse_qsl(parts.query)} - _OF_NO_INTEREST
    return f"{_ONE_OF_MANY.sub('…', parts.path)}{'?' if choices else ''}"


def pages(asker: APIRequestContext, first: Iterable[str] = FIRST) -> list[str]:
    """Return one address of each kind of page, in the order in which they were found.

    Raises AssertionError where a link leads nowhere.
    """
    waiting = deque(first)
    seen = {kind_of(address) for address in waiting}
    found: list[str] = []
    while waiting:
        address = waiting.popleft()
        answer = asker.get(address)
        assert answer.status == _OK, f"{address} answered {answer.status}"
        if not answer.headers["content-type"].startswith("text/html"):
            continue  # an export
        found.append(address)
        for link in links(answer.text(), address):
            if kind_of(link) not in seen:
                seen.add(kind_of(link))
                waiting.append(link)
    return found


def links(html: str, address: str) -> Iterator[str]:
    """Yield the addresses of this product that a page links to, without fragments."""
    parser = Links()
    parser.feed(html)
    for link in parser.found:
        parts = urlsplit(urljoin(address, link))
        if parts.netloc or parts.scheme or _LEFT_OUT.match(parts.path):
            continue
        yield parts._replace(fragment="").geturl()
