"""What of the rules between an event's fields JSON Schema can say.

Sizes, the clock and the names of built-in events it cannot: such an event fits the schema
and is refused with 422.
"""

from typing import Any, Final

from referrals.rules import MAX_NAME_CHARACTERS
from referrals.vocabulary import EventType, Side, Via, find_referrals_without

_CUSTOM: Final = {"properties": {"type": {"const": EventType.CUSTOM.value}}}
_NAMES_NO_USER: Final = [
    {"properties": {"type": {"const": each.value}}}
    for each in find_referrals_without(Side.REFERRED)
]
_WITHOUT_USER: Final = (
    _NAMES_NO_USER[0] if len(_NAMES_NO_USER) == 1 else {"anyOf": _NAMES_NO_USER}
)
_SMART_LINK: Final = {
    "properties": {"via": {"const": Via.SMART_LINK.value}},
    "required": ["via"],
}
#: A schema that holds beside the types of the fields.
CONDITIONS: Final[list[dict[str, Any]]] = [
    {
        "if": _CUSTOM,
        "then": {
            "required": ["name"],
            "properties": {
                "name": {
                    "type": "string",
                    "pattern": r"\S",
                    "maxLength": MAX_NAME_CHARACTERS,
                }
            },
        },
        "else": {
            "properties": {
                "name": {"type": ["null", "string"], "maxLength": 0},
                "event_data": {"type": ["null", "object"], "maxProperties": 0},
            }
        },
    },
    {
        "if": _WITHOUT_USER,
        "else": {"required": ["user"], "properties": {"user": {"type": "object"}}},
    },
    {
        "if": _SMART_LINK,
        "else": {
            "required": ["referrer"],
            "properties": {"referrer": {"type": "object"}},
        },
    },
]
