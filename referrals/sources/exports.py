"""A platform's export, row by row, in the words of its calls. Pure.

The same mapping reads both then, so that a row whose call came before has the same
idempotency key. What differs stands here: how an export names what a call names otherwise,
and what it lays flat. A row that says nothing in either way is left as it is.

AppsFlyer's Push API has the API names of its raw data, while the Export page and the Pull
API have the display names.
Reference: https://support.appsflyer.com/hc/en-us/articles/208387843-Raw-data-field-dictionary

Branch writes `last_attributed_touch_data_tilde_feature` for `~feature` within
`last_attributed_touch_data`; what the app put into a link is JSON in one column.
Reference: https://help.branch.io/developer-hub/docs/event-ontology-field-reference
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.sources.document import read_json

Row = dict[str, Any]

_BLANKS: Final = re.compile(r"[\s-]+")
_APPSFLYER: Final = {
    "channel": "af_channel",
    "campaign_id": "af_c_id",
    **{f"sub_param_{number}": f"af_sub{number}" for number in range(1, 6)},
}
_TOUCH: Final = "last_attributed_touch_data"
_BRANCH_OBJECTS: Final = (_TOUCH, "user_data", "event_data")
_BRANCH_MARKS: Final = {"tilde_": "~", "plus_": "+", "dollar_": "$"}
_BRANCH_JSON: Final = ("custom_data", "content_items")
_CUSTOM_FIELDS: Final = f"{_TOUCH}_custom_fields"
#: A CSV has texts, a call has numbers.
_BRANCH_AMOUNTS: Final = (
    "revenue",
    "revenue_in_usd",
    "exchange_rate",
    "shipping",
    "tax",
)
_AMOUNT: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
#: Of an event Branch keeps these in clear for seven days.
_BRANCH_HASHED: Final = ("idfv", "android_id", "aaid", "idfa", "ip")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


def read_export_row(platform: str, row: Row) -> Row:
    """Return what a row of a platform's export says, as its calls say it.

    `row` has the names of the columns, or what a line of JSON has. Raises
    `BrokenRuleError` for a row that would be read wrongly.
    """
    read = _READERS.get(platform)
    return read(row) if read else row


def _read_appsflyer(row: Row) -> Row:
    named = {_fold_name(name): row[name] for name in row}
    return {
        alias if (alias := _APPSFLYER.get(name)) and alias not in named else name: value
        for name, value in named.items()
    }


# A heading's names are those of every row.
@lru_cache(maxsize=1024)
def _fold_name(name: str) -> str:
    return _BLANKS.sub("_", name.strip()).lower()


def _read_branch(row: Row) -> Row:
    named = {name.strip().lower(): row[name] for name in row}
    custom = named.pop(_CUSTOM_FIELDS, None)
    call: Row = {}
    for name, value in named.items():
        is_json = name in _BRANCH_JSON and isinstance(value, str)
        _put(call, name, _read_cell(name, value) if is_json else value)
    if custom:
        labels = call.get(_TOUCH)
        fields = _read_custom_fields(custom)
        call[_TOUCH] = {**fields, **(labels if isinstance(labels, dict) else {})}
    _refuse_hashes(call.get("user_data"))
    return call


def _put(call: Row, name: str, value: Any) -> None:  # noqa: ANN401 - any JSON
    """Put a value into the object that its name begins with, or beside these."""
    for within in _BRANCH_OBJECTS:
        if name.startswith(f"{within}_"):
            inner = call.setdefault(within, {})
            key = _name_key(name.removeprefix(f"{within}_"))
            if within == "event_data" and key in _BRANCH_AMOUNTS:
                value = _read_amount(value)
            if isinstance(inner, dict):
                inner[key] = value
            return
    call[name] = value


def _name_key(name: str) -> str:
    for mark, sign in _BRANCH_MARKS.items():
        if name.startswith(mark):
            return sign + name.removeprefix(mark)
    return name


def _read_amount(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, str) or not (found := _AMOUNT.fullmatch(value.strip())):
        return value
    return float(value) if found[1] else int(value)


def _read_cell(name: str, cell: str) -> Any:  # noqa: ANN401 - JSON is any value
    try:
        return read_json(cell.encode(errors="surrogatepass"))
    except BrokenRuleError as error:
        raise BrokenRuleError(
            code=error.code,
            at="",
            detail=f"In the column {name} should be JSON. {error.detail}",
        ) from None


def _read_custom_fields(value: object) -> dict[str, Any]:
    """Return what the app put into the link. Without it, nobody would have invited."""
    fields = _read_cell(_CUSTOM_FIELDS, value) if isinstance(value, str) else value
    if isinstance(fields, dict):
        return fields
    raise BrokenRuleError(
        code=Code.WRONG_SHAPE,
        at="",
        detail=f"In the column {_CUSTOM_FIELDS} should be a JSON object.",
    )


def _refuse_hashes(user_data: object) -> None:
    """Refuse a row in which hashes stand for the device: it would be another event."""
    if not isinstance(user_data, dict):
        return
    values = (user_data.get(name) for name in _BRANCH_HASHED)
    if any(isinstance(value, str) and _HASH.fullmatch(value) for value in values):
        raise BrokenRuleError(
            code=Code.BAD_ROW,
            at="",
            detail="Branch has hashed the devices and users of this row, as it does after "
            "seven days: it would be another event and other people. Export events within "
            "seven days.",
        )


_READERS: Final[Mapping[str, Callable[[Row], Row]]] = {
    "appsflyer": _read_appsflyer,
    "branch": _read_branch,
}
