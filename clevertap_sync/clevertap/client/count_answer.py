"""How many events CleverTap counts: the question, and each form of its answer.

References:
https://developer.clevertap.com/docs/get-event-count-api
https://support.clevertap.com/docs/api/working-with-counts.html
[doubt] The pages do not say whether a count is exact, how soon an event is in it, or
whether events or people are counted. One public client sends `"unique": false`, which no
page names; we do not send it, because an unknown key may be refused.
"""

import re
from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

import msgspec

from clevertap_sync.clevertap.client.answer import HttpAnswer, read_number
from clevertap_sync.clevertap.client.read_answer import make_read_error
from clevertap_sync.clevertap.errors import ResponseError
from clevertap_sync.clevertap.limits import normalise_event_name
from referrals.secret import Secret

# The texts of these refusals were seen by others who called the live API:
# https://github.com/leanderp/clevertap-mcp (src/errors.ts)
_UNKNOWN_NAME = re.compile(r"\s*invalid event\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
_LOST = re.compile(r"\s*invalid request id", re.IGNORECASE)
# "Request still in progress". Seen by https://github.com/bruin-data/ingestr, for exports.
_IN_PROGRESS = 2
# Without blanks, controls and other scripts: it goes back to CleverTap as it came.
_REQUEST_ID = re.compile(r"[!-~]{1,200}")
#: No account has that many events. More would be more than our columns hold.
_MOST_EVENTS = 10**15


class Condition(NamedTuple):
    """Counts only events with this property: `equals` and `contains` have a value.

    [doubt] That `exists` goes without one.
    Reference: https://developer.clevertap.com/docs/clevertap-query-language
    """

    property_name: str
    operator: str
    value: str | int | float | bool | None = None

    def __repr__(self) -> str:
        return f"Condition({self.property_name!r}, {self.operator!r}, …)"


class EventCount(NamedTuple):
    """How many events there are. CleverTap may not know the name: then there are none."""

    events: int
    is_unknown_name: bool = False


class PendingCount(NamedTuple):
    """CleverTap is still counting: ask by this request ID, or anew where it gave none."""

    request_id: str | None = None


CountAnswer: TypeAlias = EventCount | PendingCount


def encode_query(
    name: str, first_day: date, last_day: date, conditions: Sequence[Condition]
) -> bytes:
    """Return the body that asks for the events of the account's days, both included."""
    query: dict[str, Any] = {
        "event_name": name,
        "from": _spell_day(first_day),
        "to": _spell_day(last_day),
    }
    if conditions:
        query["event_properties"] = [_spell_condition(each) for each in conditions]
    return msgspec.json.encode(query)


def read_count(
    answer: HttpAnswer, name: str, hidden: Sequence[Secret]
) -> CountAnswer | ResponseError:
    """Return the count of the events called `name`, that it is to come, or an error."""
    envelope = answer.read_json_object() or {}
    if _is_unknown_name(answer, envelope, name):
        return EventCount(0, is_unknown_name=True)
    return _read_count(answer, envelope, hidden)


def read_later_count(
    answer: HttpAnswer, hidden: Sequence[Secret]
) -> CountAnswer | ResponseError | None:
    """Return the same for a request ID; None where CleverTap has forgotten the request."""
    envelope = answer.read_json_object() or {}
    if _is_refusal(answer) and _LOST.match(str(envelope.get("error"))):
        return None
    return _read_count(answer, envelope, hidden)


def _read_count(
    answer: HttpAnswer, envelope: dict[str, Any], hidden: Sequence[Secret]
) -> CountAnswer | ResponseError:
    status, count = envelope.get("status"), read_number(envelope.get("count"))
    if answer.status == HTTPStatus.OK:
        if status == "success" and count is not None and 0 <= count <= _MOST_EVENTS:
            return EventCount(count)
        if status == "partial":
            return PendingCount(_read_request_id(envelope.get("req_id")))
        if read_number(envelope.get("code")) == _IN_PROGRESS:
            return PendingCount()
    return make_read_error(answer, hidden, "it has no count")


def _is_unknown_name(answer: HttpAnswer, envelope: dict[str, Any], name: str) -> bool:
    said = _UNKNOWN_NAME.fullmatch(str(envelope.get("error")))
    if said is None or not _is_refusal(answer):
        return False
    return normalise_event_name(said[1]) in {"", normalise_event_name(name)}


def _is_refusal(answer: HttpAnswer) -> bool:
    """Return whether CleverTap itself may have refused: with a 400, or within a 200."""
    return answer.status in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST}


def _read_request_id(value: object) -> str | None:
    text = str(value) if isinstance(value, str) or type(value) is int else ""
    return text if _REQUEST_ID.fullmatch(text) else None


def _spell_day(day: date) -> int:
    return int(day.strftime("%Y%m%d"))


def _spell_condition(condition: Condition) -> dict[str, Any]:
    """Return a condition as the query has it: truths are the texts "True" and "False"."""
    spelled = {"name": condition.property_name, "operator": condition.operator}
    value = condition.value
    if value is None:
        return spelled
    return {**spelled, "value": str(value) if isinstance(value, bool) else value}
