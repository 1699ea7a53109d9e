"""What acceptance tests share: the product on either database, its processes warm."""

from pathlib import Path

import pytest

from tests.faults.choice import choice, is_thorough_twice
from tests.harness import databases
from tests.harness.order import begin_with

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

    Last, for pytest-django sorts by what tests need of a database; marks come before it.
    """
    for item in items:
        if item.path.parent == HERE and is_thorough_twice(item):
            item.add_marker(pytest.mark.exhaustive)
    yield
    begin_with(LONGEST, HERE, items)


@pytest.fixture(params=databases.KINDS)
def kind(request):
    return request.param


@pytest.fixture
def stack(make_stack, kind):
    """The product on each database, for what is not about how processes start."""
    return make_stack(kind, warm=True)
