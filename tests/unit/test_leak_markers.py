"""That a leak is found: the search of the test of leaks, in every spelling."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.acceptance.leaks.markers import (
    ASKED,
    OF_THE_ENVIRONMENT,
    PERSONAL,
    TOLD,
    shown,
    stems,
)

MARKERS = {**OF_THE_ENVIRONMENT, **TOLD, **PERSONAL, **ASKED}


def in_base64(before: int) -> Callable[[str], str]:
    """Return what spells a text so, behind so many bytes."""

    def spell(text: str) -> str:
        return base64.b64encode(f"{'x' * before}{text} and more".encode()).decode()

    return spell


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in other case": str.swapcase,
    "for a URL": lambda text: quote(text, safe=""),
    "in JSON": json.dumps,
    "in HTML": html.escape,
    "repr": repr,
    "hexadecimal": lambda text: text.encode().hex(),
    **{f"base64 after {before}": in_base64(before) for before in range(4)},
    "base64 for a URL": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_marker_is_found_in_every_spelling_and_no_other(spelling):
    for name, text in MARKERS.items():
        printed = f"before {SPELLINGS[spelling](text)} after"

        assert shown(printed, stems()) == {name}


def test_nothing_is_found_where_nothing_is():
    assert shown("POST /v1/events 202, 203.0.113.23, rk_", stems()) == set()
