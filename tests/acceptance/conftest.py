"""What acceptance tests share: the product on either database, its processes warm."""

import pytest

from tests.harness import databases


@pytest.fixture(params=databases.KINDS)
def kind(request):
    return request.param


@pytest.fixture
def stack(make_stack, kind):
    """The product on each database, for what is not about how processes start."""
    return make_stack(kind, warm=True)
