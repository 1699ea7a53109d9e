"""A lone statement is a transaction of its own: `BEGIN` and `COMMIT` are two messages more.

What an upload of one event writes is mostly such: to begin it, and to settle it.
"""

from contextlib import AbstractContextManager, nullcontext

from django.db import transaction

from referrals import failpoints
from referrals.failpoints import Place


def open_transaction(
    place: Place, *, writes_more: bool = False
) -> AbstractContextManager[None]:
    """Open a transaction where more than one statement is written.

    A fault that is ordered at `place`, between write and commit, needs one as well.
    """
    if writes_more or failpoints.is_armed(place):
        return transaction.atomic()
    return nullcontext()
