"""The map says what is there: its files, functions, tests and ranks are those of the code."""

import ast
import re
import tomllib
from functools import cache

import pytest

from tests.harness.commands import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()
MODULES = ("clevertap_sync", "referrals", "integration_project")
PATHS = sorted(
    path
    for path in set(
        re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|md))(?:::[^`]*)?`", PAGE)
    )
    if path.startswith((*MODULES, "tests", "docs"))
)
#: A row of the life of an event, or of a call: number, step, files, functions.
STEPS = sorted(
    set(re.findall(r"^\| \d+ \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE))
)
READING = re.findall(r"^\d+\. `([^`]+)`: ", PAGE, re.MULTILINE)
HELD_BY = sorted(set(re.findall(r"`(tests/[a-z_/]+\.py)::([A-Za-z_0-9:]+)`", PAGE)))
#: A row of the rooms: its folder, and which of its files to begin with.
ROOMS = dict(
    re.findall(r"^\| `([a-z0-9_/]+)` \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
)


@cache
def names_in(path):
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if hasattr(node, "name")}


def words_in(cell):
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("path", PATHS)
def test_a_file_on_the_map_is_there(path):
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(("path", "name"), HELD_BY)
def test_a_test_on_the_map_is_there(path, name):
    assert set(name.split("::")) <= names_in(path)


@pytest.mark.parametrize(("files", "functions"), STEPS)
def test_a_step_is_done_where_the_map_says(files, functions):
    there = set().union(*(names_in(path) for path in words_in(files)))

    assert set(words_in(functions)) <= there
    assert words_in(functions)


def test_one_delivery_is_read_in_fifteen_files():
    assert 12 <= len(READING) <= 15
    assert READING[0] == "clevertap_sync/delivery/deliver.py"
    assert all((ROOT / path).is_file() for path in READING)


def test_the_ranks_are_those_that_the_linter_keeps():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][
        "importlinter"
    ]["contracts"]
    (layers,) = (
        contract["layers"]
        for contract in contracts
        if contract["name"] == "clevertap_sync is layered"
    )
    drawn = PAGE.split("clevertap_sync         where it goes\n")[1].split("        │")[
        0
    ]

    ranks = [re.split(r"  +", line.strip())[0].split() for line in drawn.splitlines()]

    assert ranks == [re.sub(r"[():|]", " ", layer).split() for layer in layers]
    assert len(ranks) <= 10


@pytest.mark.parametrize(("room", "files"), ROOMS.items())
def test_a_room_has_what_to_begin_with(room, files):
    assert words_in(files)
    assert all((ROOT / room / name).exists() for name in words_in(files))


def test_every_room_is_on_the_map():
    rooms = {
        f"{app}/{each.name}"
        for app in MODULES
        for each in (ROOT / app).iterdir()
        if (each / "__init__.py").exists()
    }
    # Where Django looks for what is its own.
    djangos = {"migrations", "management", "templatetags"}

    assert {room for room in rooms if room.split("/")[1] not in djangos} == {
        room for room in ROOMS if "/" in room
    }
