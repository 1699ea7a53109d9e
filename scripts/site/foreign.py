"""What a built page would load from somewhere else. Pure."""

from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlsplit

#: What a browser fetches by itself. A link is followed by people only.
_LOADED: Final = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
}


def find_foreign(page: str) -> list[str]:
    """Return the addresses that a browser would fetch from another host to show `page`."""
    reader = _Reader()
    reader.feed(page)
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loaded = _LOADED.get(tag, ())
        self.found += [
            value
            for name, value in attrs
            if name in loaded and value and urlsplit(value.strip()).netloc
        ]
