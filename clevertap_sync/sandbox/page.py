"""The page that shows what arrived: rendered here, refreshed by a few lines of script."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from clevertap_sync.clevertap.locations import LABELS, Location
from clevertap_sync.sandbox import verdicts
from clevertap_sync.sandbox.accounts import ACCOUNTS
from clevertap_sync.sandbox.faults import Fault, Poison
from clevertap_sync.sandbox.glimpse import list_changed_rules, list_readback
from clevertap_sync.sandbox.html import Html, join, tag
from clevertap_sync.sandbox.state import State
from clevertap_sync.sandbox.store import Arrival, Request
from clevertap_sync.sandbox.validation import identity_of

_RECORDS = 25
_REQUESTS = 15
_REASONS = 5
_LONGEST_VALUE = 200
_BAR = 100
_TEMPLATE = Path(__file__).parent / "static" / "page.html"


def render(state: State, location: str = "") -> str:
    """Return the whole page; with a location's code, for that location only.

    Raises ValueError for a location that does not exist.
    """
    chosen = Location(location) if location else None
    summary = state.summary()
    numbers = summary["locations"][chosen] if chosen else summary
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(
        where=_where(chosen, summary["locations"]),
        tiles=_tiles(numbers),
        events=_events(state, chosen),
        switches=_switches(state, chosen),
        refusals=_refusals(numbers["refusals"]),
        records=_records(state, chosen),
        requests=_requests(state, chosen),
        accounts=_accounts(),
    )


def _where(chosen: Location | None, numbers: dict[str, Any]) -> Html:
    """Return the links that choose a location: all, and those where something arrived."""
    busy = [
        place for place in Location if numbers[place]["requests"] or place == chosen
    ]
    links = [_link("All locations", "/_sandbox/", active=chosen is None)]
    links += [
        _link(LABELS[place], f"/_sandbox/?location={place}", active=place == chosen)
        for place in busy
    ]
    return join(*links)


def _link(text: str, address: str, *, active: bool) -> Html:
    extra = {"aria_current": "page"} if active else {}
    return tag("a", text, href=address, **extra)


def _tiles(numbers: dict[str, Any]) -> Html:
    tiles = (
        ("Records accepted", numbers["records_accepted"], "good"),
        ("Records refused", numbers["records_refused"], "bad"),
        ("Dropped later", numbers["records_dropped"], "bad"),
        ("Profiles", numbers["profiles"], ""),
        ("Uploads", numbers["uploads"], ""),
        ("Dry runs", numbers["dry_runs"], ""),
        ("Most in flight", numbers["max_in_flight"], ""),
    )
    return join(*(_tile(*each) for each in tiles))


def _tile(label: str, number: int, kind: str) -> Html:
    shown = kind if number else ""
    return tag(
        "div",
        tag("dt", label),
        tag("dd", f"{number:,}"),
        class_=f"tile {shown}".strip(),
    )


def _events(state: State, chosen: Location | None) -> Html:
    """Return how many events of each name are stored, and how many a count shows now."""
    stored: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    for place in [chosen] if chosen else Location:
        for name, row in list_readback(state, place).items():
            stored[name] += row["stored"]
            counted[name] += row["counted"]
    if not stored:
        return _nothing("No event has arrived yet.")
    most = max(*stored.values(), 1)
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", _bar(count / most) if count else "", class_="bar"),
            tag("td", f"{count:,}", class_="number"),
            tag("td", f"{counted[name]:,}", class_="number"),
        )
        for name, count in sorted(stored.items(), key=lambda pair: -pair[1])
    ]
    head = tag(
        "tr",
        tag("th", "Event", scope="col"),
        tag("td"),
        tag("th", "Stored", scope="col", class_="number"),
        tag("th", "Counted", scope="col", class_="number"),
    )
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="events")


def _switches(state: State, chosen: Location | None) -> Html:
    """Return what is switched otherwise than by default."""
    rows = [
        tag(
            "tr",
            tag("td", place.value),
            tag("td", *_switched(state, place), class_="chips"),
        )
        for place in ([chosen] if chosen else Location)
        if _switched(state, place)
    ]
    if not rows:
        return _nothing("Everything is as by default: strict, and well-behaved.")
    return _table(("Location", "Switches"), rows)


def _switched(state: State, place: Location) -> list[Html]:
    rules = list_changed_rules(state, place)
    desk = state.desks[place].describe()
    chips = [_chip(name, _shown(value)) for name, value in rules.items()]
    chips += [_chip("fault", _shown(_given(each, Fault()))) for each in desk["faults"]]
    chips += [
        _chip("poison", _shown(_given(each, Poison()))) for each in desk["poison"]
    ]
    return chips


def _given(value: dict[str, Any], default: msgspec.Struct) -> dict[str, Any]:
    """Return the fields that differ from the default."""
    usual = msgspec.to_builtins(default)
    return {name: each for name, each in value.items() if each != usual[name]}


def _bar(share: float) -> Html:
    width = max(1, round(share * _BAR))
    bar = tag("rect", width=width, height=8, rx=1.5, ry=4)
    return tag(
        "svg",
        bar,
        viewBox=f"0 0 {_BAR} 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _refusals(codes: dict[str, int]) -> Html:
    if not codes:
        return _nothing("No record has been refused.")
    rows = [
        tag(
            "tr",
            tag("th", code, scope="row"),
            tag("td", verdicts.MEANINGS.get(int(code), "")),
            tag("td", f"{count:,}", class_="number"),
        )
        for code, count in codes.items()
    ]
    return tag("table", tag("tbody", *rows), class_="events")


def _chip(name: str, value: str) -> Html:
    return tag("span", tag("b", name), " ", value, class_="chip")


def _nothing(text: str) -> Html:
    return tag("p", text, class_="nothing")


def _records(state: State, chosen: Location | None) -> Html:
    rows = [_record(arrival) for arrival in state.store.latest(_RECORDS, chosen)]
    if not rows:
        return _nothing("Records appear here the moment they are accepted.")
    return _table(("№", "Arrived", "Location", "Event", "Person", "Properties"), rows)


def _record(arrival: Arrival) -> Html:
    record = arrival.record
    kind, identity = identity_of(record)
    data = record.get("evtData", record.get("profileData", {}))
    chips = [_chip(key, _shown(value)) for key, value in data.items()]
    return tag(
        "tr",
        tag("td", f"{arrival.number:,}", class_="number"),
        tag("td", _clock(arrival.at), class_="time"),
        tag("td", arrival.location.value),
        tag("td", tag("strong", record.get("evtName", record["type"]))),
        tag("td", _cut(identity), title=kind, class_="person"),
        tag("td", *chips, class_="chips"),
    )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _requests(state: State, chosen: Location | None) -> Html:
    with state.world.condition:
        latest = [
            request
            for request in reversed(state.store.requests)
            if chosen in (None, request.location)
        ][:_REQUESTS]
    if not latest:
        return _nothing("No request has come in yet.")
    rows = [_request(request) for request in latest]
    head = ("№", "Arrived", "Location", "Request", "Records", "Verdict", "Answer")
    return _table(head, rows)


def _request(request: Request) -> Html:
    path = f"{request.path}?dryRun=1" if request.dry_run else request.path
    status = "no answer" if request.status is None else str(request.status)
    fine = request.status == 200 and not request.refused  # noqa: PLR2004 # HTTP's OK
    return tag(
        "tr",
        tag("td", request.number, class_="number"),
        tag("td", _clock(request.at), class_="time"),
        tag("td", request.location.value),
        tag("td", tag("code", path)),
        tag("td", f"{request.records:,}", class_="number"),
        tag("td", *_verdict(request), class_="chips"),
        tag("td", tag("span", status, class_="pill good" if fine else "pill bad")),
    )


def _verdict(request: Request) -> list[Html]:
    chips = []
    if request.accepted:
        chips.append(_chip("accepted", f"{request.accepted:,}"))
    for reason, count in sorted(request.reasons.items())[:_REASONS]:
        chips.append(_chip(f"refused {count:,}", reason))
    if request.fault:
        chips.append(_chip("on order", request.fault))
    return chips


def _accounts() -> Html:
    rows = [
        tag(
            "tr",
            tag("td", LABELS[location]),
            tag("td", tag("code", location.value)),
            tag("td", tag("code", account.account_id)),
            tag("td", tag("code", account.passcode)),
        )
        for location, account in ACCOUNTS.items()
    ]
    return _table(("Region", "Location", "Account ID", "Passcode"), rows)


def _table(head: tuple[str, ...], rows: list[Html]) -> Html:
    titles = tag("tr", *(tag("th", title, scope="col") for title in head))
    table = tag("table", tag("thead", titles), tag("tbody", *rows), class_="log")
    return tag("div", table, class_="scroll")


def _clock(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%H:%M:%S")
