"""Grounds for scenarios: one for each kind of database in each of pytest's processes.

They end with the last scenario: a worker that nobody needs any more would sweep four times
a second for as long as the tests of other folders take.
"""

import contextlib
from pathlib import Path

import pytest

from tests.conftest import FAILED
from tests.faults.choice import choice, is_thorough_twice
from tests.faults.ground import Ground
from tests.faults.scene import Scene
from tests.harness import databases
from tests.harness.postgres import PostgreSQL

HERE = Path(__file__).parent
#: How much of each process's output a failed test shows.
SHOWN_LINES = 60


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "scenario(name): a row of the table in docs/reliability.md"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep together what shares a ground, so that each process has few to start.

    What CleverTap answers and which database keeps the books do not meet, and so it is
    with all that the suite has two or more of: every answer comes on the database of
    production, and the first of each scenario on SQLite, too. Where a process is killed
    does meet the database: that comes on both.
    """
    seen = set()
    for item in items:
        if HERE not in item.path.parents:
            continue
        if is_thorough_twice(item) or _is_repeated(item, seen):
            item.add_marker(pytest.mark.exhaustive)
        if group := _group_of(item):
            item.add_marker(pytest.mark.xdist_group(group))


def _is_repeated(item, seen):
    """Say whether SQLite has had the scenario with another answer, and note it in `seen`."""
    if _kind_of(item) != "sqlite":
        return False
    if item.path.stem != "test_account":
        # A further seed of chance.
        return item.path.stem == "test_random" and any(item.iter_markers("thorough"))
    before = item.originalname in seen
    seen.add(item.originalname)
    return before


def _kind_of(item):
    return item.callspec.params.get("kind") if hasattr(item, "callspec") else None


def _group_of(item):
    fixtures = getattr(item, "fixturenames", ())
    if "server" in fixtures:
        return "a server of its own"
    if _kind_of(item) == "sqlite" or "sqlite" in fixtures:
        return f"sqlite {item.path.stem}"
    return "random schedules" if "arena" in fixtures else None


@pytest.fixture(scope="package")
def grounds(django_db_blocker):
    """Return a function that gives the ground of one kind, made when first needed."""
    with contextlib.ExitStack() as stack:
        made = {}

        def ground_of(kind):
            if kind not in made:
                made[kind] = Ground(kind, django_db_blocker)
                stack.callback(made[kind].close)
            return made[kind]

        yield ground_of


@pytest.fixture(scope="package")
def server():
    """A PostgreSQL that scenarios may restart, fill and cut off."""
    running = PostgreSQL(durable=True, max_connections="40")
    yield running
    running.stop()


@pytest.fixture(scope="package")
def own_ground(django_db_blocker, server):
    ground = Ground("postgresql", django_db_blocker, server=server)
    yield ground
    ground.close()


@pytest.fixture(params=choice(databases.KINDS, "postgresql"))
def kind(request):
    """Both, or in a run that is not thorough the one that production has."""
    return request.param


@pytest.fixture
def scene(request, grounds, kind):
    """A scenario, once on each kind of database."""
    yield from a_scene(request, grounds(kind))


@pytest.fixture
def postgresql(request, own_ground):
    """A scenario on a PostgreSQL of its own."""
    yield from a_scene(request, own_ground)


def a_scene(request, ground):
    marker = request.node.get_closest_marker("scenario")
    call = getattr(request.node, "callspec", None)
    said = {
        name: " and ".join(value).replace("_", " ")
        if isinstance(value, tuple)
        else value
        for name, value in (call.params if call else {}).items()
    }
    name = marker.args[0].format(**said) if marker else ""
    before = len(ground.stack.processes)
    scene = Scene(ground, name)
    yield scene
    if request.node.stash.get(FAILED, False):
        shown = dict.fromkeys(
            [*ground.running_workers(), *scene.stack.processes[before:]]
        )
        for process in shown:
            lines = process.log.splitlines()[-SHOWN_LINES:]
            print(f"--- {process.log_path.stem}", *lines, sep="\n")
        print("--- CleverTap", *scene.sandbox.requests()[-SHOWN_LINES:], sep="\n")
        ground.rest()
    ground.rest(share=True)
