"""What acceptance tests share: the product on either database, its processes warm."""

import pytest

from tests.faults.choice import choice
from tests.harness import databases

#: For what no database can do otherwise: a run that is not thorough takes production's.
ON_EITHER = pytest.mark.parametrize(
    "kind", choice(databases.KINDS, "postgresql"), indirect=True
)


@pytest.fixture(params=databases.KINDS)
def kind(request):
    return request.param


@pytest.fixture
def stack(make_stack, kind):
    """The product on each database, for what is not about how processes start."""
    return make_stack(kind, warm=True)
