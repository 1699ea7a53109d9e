"""The spool: how full it is, and what in it nobody can read."""

from functools import partial
from typing import Final

from django.conf import settings

from integration_project.doctor.check import Area, Check, State, Values
from referrals.hooks import spool
from referrals.hooks.spool import SpoolState
from referrals.words import format_count

#: From so much of its room on, calls are about to be lost.
FULL_SHARE: Final = 0.8
_MEGABYTE: Final = 1_000_000
_PERCENT: Final = 100

_check = partial(Check, area=Area.BROKER)


def examine_spool() -> Check:
    """Return how the spool is. Raises `SpoolAwayError`."""
    state = spool.read_state()
    if state is None:
        return _check(
            code="spool_off",
            state=State.INFO,
            sentence="SPOOL_MEGABYTES is 0: what platforms send only once is lost while "
            "the database is away.",
        )
    return judge_spool(state, settings.SPOOL_MEGABYTES * _MEGABYTE)


def judge_spool(state: SpoolState, most_bytes: int) -> Check:
    """Return the check of a spool that holds `most_bytes` at most: the worst that is true."""
    values: Values = {
        "waiting": state.waiting,
        "aside": state.aside,
        "size_bytes": state.size,
        "limit_bytes": most_bytes,
    }
    if state.size > FULL_SHARE * most_bytes:
        return _report_full(_PERCENT * state.size // most_bytes, values)
    if state.aside:
        return _report_aside(state.aside, values)
    if state.waiting:
        return _check(
            code="spool_waiting",
            state=State.INFO,
            sentence=f"{format_count(state.waiting, 'call')} in the spool. The next sweep takes "
            "them into the log.",
            values=values,
        )
    return _check(
        code="spool_empty",
        state=State.OK,
        sentence=f"The spool is empty, and has room for {most_bytes // _MEGABYTE} MB of calls "
        "while the database is away.",
        values=values,
    )


def _report_full(percent: int, values: Values) -> Check:
    return _check(
        code="spool_full_soon",
        state=State.ERROR,
        sentence=f"The spool is {percent} % full: beyond it, what platforms send only once is "
        "lost.",
        remedy="See that the database answers and a worker drains it, or raise "
        "SPOOL_MEGABYTES.",
        values=values,
    )


def _report_aside(count: int, values: Values) -> Check:
    return _check(
        code="spool_aside",
        state=State.WARNING,
        sentence=f"{format_count(count, 'call')} of the spool cannot be read, and kept aside: "
        "no key decrypts them, or another release wrote them.",
        remedy="Put the key back into FIELD_ENCRYPTION_KEYS, or run a worker of that "
        "release.",
        values=values,
    )
