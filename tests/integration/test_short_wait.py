"""Who waits a moment keeps the database connection, unless half of the pool's are kept."""

from contextlib import ExitStack

import pytest
from django.db import connection

from referrals.database_connection import ShortWait

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite's connections cost nothing"
    ),
]


@pytest.mark.parametrize(("pool", "kept"), [(0, 0), (1, 0), (2, 1), (3, 1), (6, 3)])
def test_half_of_the_pool_may_be_kept_and_the_next_gives_back(settings, pool, kept):
    settings.DATABASE_POOL = pool
    connection.ensure_connection()

    with ExitStack() as waits:
        for _ in range(kept):
            waits.enter_context(ShortWait())
            assert connection.connection is not None
        waits.enter_context(ShortWait())
        assert connection.connection is None


def test_a_place_is_there_again_after_a_wait_that_failed(settings):
    settings.DATABASE_POOL = 2
    connection.ensure_connection()

    for _ in range(3):
        with pytest.raises(ZeroDivisionError), ShortWait():
            raise ZeroDivisionError
        assert connection.connection is not None
