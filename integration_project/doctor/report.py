"""An examination in words and as JSON, as `manage.py doctor` prints it."""

from collections.abc import Iterator
from typing import Any, Final

from clevertap_sync.insight.links import build_address
from integration_project.doctor.check import Area, Check, State
from integration_project.doctor.examination import Examination
from referrals.words import format_utc

#: What an area is called.
TITLES: Final = {
    Area.DATABASE: "Database",
    Area.DISK: "Disk",
    Area.MIGRATIONS: "Migrations",
    Area.CLOCK: "Clocks",
    Area.BROKER: "Broker",
    Area.PROCESSES: "Processes",
    Area.KEYS: "Keys",
    Area.SETTINGS: "Settings",
    Area.ALERTS: "Alerts",
    Area.BACKUP: "Backups",
    Area.DELIVERY: "Delivery",
}
#: How many checks came out so: one, and several.
_COUNTED: Final = {
    State.ERROR: ("error", "errors"),
    State.UNKNOWN: ("unknown", "unknown"),
    State.WARNING: ("warning", "warnings"),
    State.INFO: ("worth knowing", "worth knowing"),
    State.OK: ("well", "well"),
}
#: Nothing has to be done.
_CALM: Final = frozenset({State.INFO, State.OK})
_LABEL_WIDTH: Final = 9


def describe_outcome(examination: Examination) -> str:
    """Return how many checks came out how, the worst first, and where to look."""
    places = [TITLES[area] for area in list_places(examination)]
    look = f" Look at: {', '.join(places)}." if places else ""
    return f"{describe_counts(examination)}.{look}"


def describe_counts(examination: Examination) -> str:
    """Return how many checks came out how, the worst first, such as "1 error, 20 well"."""
    counts = examination.count_states()
    return ", ".join(
        f"{count:,} {_COUNTED[state][count != 1]}" for state, count in counts.items()
    )


def list_places(examination: Examination) -> list[Area]:
    """Return the areas in which something has to be done."""
    return [
        area
        for area, checks in examination.list_areas()
        if checks[0].state not in _CALM
    ]


def write_lines(examination: Examination) -> Iterator[tuple[State | None, str]]:
    """Yield the lines for people, each with the state that it is about, if any."""
    for area, checks in examination.list_areas():
        yield None, TITLES[area]
        for check in checks:
            yield check.state, f"  {check.state.value:<{_LABEL_WIDTH}}{check.sentence}"
            if check.remedy:
                yield None, f"  {'':<{_LABEL_WIDTH}}→ {check.remedy}"
            if check.link and check.state is not State.OK:
                yield None, f"  {'':<{_LABEL_WIDTH}}  {build_address(check.link)}"
        yield None, ""
    yield (
        examination.state,
        f"{format_utc(examination.at)}: {describe_outcome(examination)}",
    )


def render_json(examination: Examination) -> dict[str, Any]:
    """Return the examination as `--json` prints it."""
    return {
        "at": examination.at,
        "state": examination.state,
        "checks": [_render_check(check) for check in examination.checks],
    }


def _render_check(check: Check) -> dict[str, Any]:
    return {
        "area": check.area,
        "code": check.code,
        "state": check.state,
        "sentence": check.sentence,
        "remedy": check.remedy,
        "url": build_address(check.link) if check.link else None,
        "values": dict(check.values),
    }
