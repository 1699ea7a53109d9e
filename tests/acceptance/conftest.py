"""What acceptance tests share: the product on either database, its processes warm."""

from pathlib import Path

import pytest

from tests.faults.choice import choice
from tests.harness import databases

HERE = Path(__file__).parent
#: Each has a test that takes longer than all others: begun last, it would end alone.
LONGEST = (
    *("test_leaks", "test_cut_off_runs", "test_api_contract", "test_slow_callers"),
    *("test_processes", "test_up"),
)
#: For what no database can do otherwise: a run that is not thorough takes production's.
ON_EITHER = pytest.mark.parametrize(
    "kind", choice(databases.KINDS, "postgresql"), indirect=True
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    """Begin with what takes longest, so that no process idles at the end.

    Last, for pytest-django sorts by what tests need of a database. First of all, what only
    shows more, and on the other database, too, is left to whoever names it: the two do
    not meet.
    """
    for item in items:
        if item.path.parent == HERE and len(list(item.iter_markers("thorough"))) > 1:
            item.add_marker(pytest.mark.exhaustive)
    yield
    items.sort(key=_place_of)


def _place_of(item):
    is_long = item.path.parent == HERE and item.path.stem in LONGEST
    return LONGEST.index(item.path.stem) if is_long else len(LONGEST)


@pytest.fixture(params=databases.KINDS)
def kind(request):
    return request.param


@pytest.fixture
def stack(make_stack, kind):
    """The product on each database, for what is not about how processes start."""
    return make_stack(kind, warm=True)
