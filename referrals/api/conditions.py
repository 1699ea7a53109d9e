"""What of the rules between an event's fields JSON Schema can say.

Sizes, the clock and the names of built-in events it cannot: such an event fits the schema
and is refused with 422.
"""

from typing import Any, Final

from referrals.rules import MAX_NAME_CHARACTERS, TYPES_WITH_LAST
from referrals.vocabulary import LAST, EventType, Side, Via, find_referrals_without

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
_IDENTIFY: Final = {
    "properties": {"type": {"const": EventType.IDENTIFY.value}},
    "required": ["type"],
}
_NOTHING: Final = {"type": ["null", "string"], "maxLength": 0}
#: An event that says who somebody is: two IDs, and nothing of a referral.
_ONLY_WHO: Final = {
    "properties": {
        "user": {
            "type": "object",
            "properties": {"identities": {"type": "object", "minProperties": 2}},
            "required": ["identities"],
        },
        "referrer": {"type": "null"},
        "via": {"type": "null"},
        "channel": _NOTHING,
        "content": _NOTHING,
        "status": {"type": "null"},
        "metadata": {"type": ["null", "object"], "maxProperties": 0},
    },
}
_NAMES_LAST: Final = {
    "properties": {"referrer": {"const": LAST}},
    "required": ["referrer"],
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
        "if": {"anyOf": [_SMART_LINK, _IDENTIFY]},
        "else": {
            "required": ["referrer"],
            "properties": {"referrer": {"type": ["object", "string"]}},
        },
    },
    {"if": _IDENTIFY, "then": _ONLY_WHO},
    {
        "if": _NAMES_LAST,
        "then": {
            "properties": {"type": {"enum": [each.value for each in TYPES_WITH_LAST]}}
        },
    },
]
