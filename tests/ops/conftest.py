"""What the files below `ops/` and the release before are tried with, only by thorough runs."""

from pathlib import Path

import pytest

from tests.harness.order import begin_with

HERE = Path(__file__).parent
#: They build, install or wait for long: begun last, each would end alone.
LONGEST = (
    *("test_site", "test_observability", "test_deploy_commands", "test_dependencies"),
    *("test_upgrade", "test_restore"),
)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items):
    """Mark them all `thorough`, and begin with what takes longest."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.thorough)
    yield
    begin_with(LONGEST, HERE, items)
