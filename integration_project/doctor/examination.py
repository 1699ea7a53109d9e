"""One examination: every area is looked at, and none can stop another.

It works while the database, the broker or both are away. An area that cannot be looked at
is a check itself, with the error's name and nothing of its text.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connection

from clevertap_sync.process.error_names import name_error
from integration_project.doctor.alerts import examine_alerts
from integration_project.doctor.backup import examine_backup
from integration_project.doctor.broker import examine_broker
from integration_project.doctor.check import Area, Check, State
from integration_project.doctor.clock import examine_clock
from integration_project.doctor.database import examine_database
from integration_project.doctor.delivery import examine_delivery
from integration_project.doctor.disk import examine_disk
from integration_project.doctor.keys import examine_keys
from integration_project.doctor.migrations import examine_migrations
from integration_project.doctor.processes import examine_processes
from integration_project.doctor.settings import examine_settings
from referrals.hooks.spool import find_store

logger: Final = logging.getLogger(__name__)

#: A database that has not answered for so long is away.
SILENCE_SECONDS: Final = 5.0

Examine = Callable[[], Iterable[Check]]
_AREAS: Final[dict[Area, Examine]] = {
    Area.DATABASE: examine_database,
    Area.DISK: examine_disk,
    Area.MIGRATIONS: examine_migrations,
    Area.CLOCK: examine_clock,
    Area.BROKER: examine_broker,
    Area.PROCESSES: examine_processes,
    Area.KEYS: examine_keys,
    Area.SETTINGS: examine_settings,
    Area.ALERTS: examine_alerts,
    Area.BACKUP: examine_backup,
}
#: What can be looked at while the database is away.
_WITHOUT_DATABASE: Final = frozenset({Area.BROKER, Area.SETTINGS})
#: What databases say where a table or a column is missing.
# Reference: https://www.postgresql.org/docs/current/errcodes-appendix.html
_MISSING: Final = frozenset({"42P01", "42703", "SQLITE_ERROR"})
_RANKS: Final = {state: rank for rank, state in enumerate(State)}
_PLACES: Final = {area: place for place, area in enumerate(Area)}


@dataclass(frozen=True, slots=True)
class Examination:
    """What an examination found, by area, the worst of each first. `at` is our own clock."""

    at: datetime
    checks: tuple[Check, ...]

    @property
    def state(self) -> State:
        """The worst of all states."""
        return next(iter(self.count_states()), State.OK)

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong or unknown. Warnings may be there."""
        return self.state not in {State.ERROR, State.UNKNOWN}

    def count_states(self) -> dict[State, int]:
        """Return how many checks came out how, the worst first, without zeros."""
        counts = {
            state: sum(check.state is state for check in self.checks) for state in State
        }
        return {state: count for state, count in counts.items() if count}

    def list_areas(self) -> list[tuple[Area, list[Check]]]:
        """Return each area that has checks, with them."""
        return [
            (area, found)
            for area in Area
            if (found := [check for check in self.checks if check.area is area])
        ]


def examine(*, checks_all_books: bool = True) -> Examination:
    """Look at everything now. Never raises for the database or the broker.

    Without `checks_all_books`, the time does not grow with the number of uploads.
    """
    at, fault = datetime.now(UTC), _find_database_fault()
    checks = [_report_database_away(fault)] if fault else []
    delivery = partial(examine_delivery, checks_all_books=checks_all_books)
    for area, examine_area in (_AREAS | {Area.DELIVERY: delivery}).items():
        if not fault or area in _WITHOUT_DATABASE:
            checks += _look_at(area, examine_area)
        elif area is not Area.DATABASE:
            checks.append(_report_unseen(area, "the database does not answer"))
    return Examination(at, tuple(_sort_checks(checks)))


def _find_database_fault() -> str:
    """Return the error's name where the database does not answer, else nothing.

    It is asked once, and at first without the pool: whoever waits for a connection of the
    pool waits for seconds, and again at the process's end. A server, or a PgBouncer, that
    takes a question and answers none would keep us for ever: a thread asks it.
    """
    try:
        if connection.vendor == "postgresql" and connection.connection is None:
            _ask_in_time(connection)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except TimeoutError:
        return "silent"
    except (DatabaseError, InterfaceError) as error:
        return name_error(error)
    return ""


def _ask_in_time(to: Any) -> None:  # noqa: ANN401 - Django's class for each kind of database
    """Ask the database once, by a connection of its own. Raises `TimeoutError` for its silence."""
    asked: Future[None] = Future()

    def ask() -> None:
        try:
            with (
                to.wrap_database_errors,
                to.Database.connect(**to.get_connection_params()) as session,
            ):
                session.execute("SELECT 1")
        except Exception as error:  # noqa: BLE001 - who waits for it raises it
            asked.set_exception(error)
        else:
            asked.set_result(None)

    # It dies with the process.
    threading.Thread(target=ask, daemon=True).start()
    asked.result(SILENCE_SECONDS)


def _look_at(area: Area, examine_area: Examine) -> Iterator[Check]:
    """Yield the area's checks; where it fails, one more in place of the rest."""
    try:
        yield from examine_area()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told as a check
        _log_failure(area, error)
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        name = name_error(error)
        if name.rpartition(" ")[2] in _MISSING:
            yield _report_unseen(
                area,
                f"the database lacks a table or a column ({name})",
                "Apply the migrations: run `python manage.py migrate`.",
            )
        else:
            yield _report_unseen(area, f"it failed with {name}")


def _log_failure(area: Area, error: Exception) -> None:
    """Log what failed, with its traceback where it is a defect and not the database's fault."""
    if isinstance(error, DatabaseError | InterfaceError):
        logger.info("The doctor could not look at %s (%s)", area, name_error(error))
    else:
        logger.error("The doctor could not look at %s", area, exc_info=error)


def _report_database_away(fault: str) -> Check:
    becomes = "is lost" if find_store() is None else "waits in the spool"
    return Check(
        area=Area.DATABASE,
        code="database_away",
        state=State.ERROR,
        sentence=f"The database does not answer ({fault}). Events are refused with 503, and "
        f"their senders send them again; what platforms send only once {becomes}.",
        remedy="Check DATABASE_URL, the server, and its number of connections.",
        values={"error": fault},
    )


def _report_unseen(
    area: Area, why: str, remedy: str = "Mend what is named first, then look again."
) -> Check:
    return Check(
        area=area,
        code="not_examined",
        state=State.UNKNOWN,
        sentence=f"This could not be looked at: {why}.",
        remedy=remedy,
    )


def _sort_checks(checks: Sequence[Check]) -> list[Check]:
    """Return the checks by area, then by state; what two areas say alike stands there once."""
    once = {(check.area, check.code, check.sentence): check for check in checks}
    return sorted(
        once.values(), key=lambda check: (_PLACES[check.area], _RANKS[check.state])
    )
