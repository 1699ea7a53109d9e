"""What came out, place by place, and along which path."""

from collections import Counter
from collections.abc import Mapping

import requests

from tests.acceptance.leaks.markers import shown


class Evidence:
    """Every text that somebody could read, under the name of its place.

    `driven` counts the paths by family, `places` has what each of them printed or answered,
    and what stays at their end: logs, reports, messages.
    """

    def __init__(self) -> None:
        self.driven: Counter[str] = Counter()
        self.places: dict[str, str] = {}

    def drive(self, family: str, path: str, printed: str) -> None:
        """Note that a path was driven, and what came out at its end."""
        self.driven[family] += 1
        self.find(f"{family}: {path}", printed)

    def answer(self, family: str, path: str, answer: requests.Response) -> None:
        """Note the same of an answer over HTTP: its status, its headers and its text."""
        head = "".join(f"{name}: {text}\n" for name, text in answer.headers.items())
        self.drive(family, path, f"{answer.status_code}\n{head}\n{answer.text}")

    def find(self, place: str, text: str) -> None:
        """Note what stands in a place. Each place has a name of its own."""
        assert place not in self.places, place
        self.places[place] = text

    def leaks(self, sought: Mapping[str, str]) -> set[tuple[str, str]]:
        """Return each place with each marker that stands in it."""
        return {
            (place, marker)
            for place, text in self.places.items()
            for marker in shown(text, sought)
        }

    def kinds(self) -> Counter[str]:
        """Return how many places there are of each kind, by what is before the colon."""
        return Counter(place.partition(":")[0] for place in self.places)
