"""Changes of an event that a rule refuses, that have a default, or that are only unusual."""

import json
from itertools import combinations

_PEOPLE = [
    {},
    {"identities": {}},
    {"identities": {"": "ann"}},
    {"identities": {"email": ""}},
    {"identities": {"email": None}},
    {"identities": {"email": " ann@example.com"}},
    {"identities": {"EMAIL": "bob@example.com", "phone": "1:2"}},
    {"identities": {"email": "bob@example.com"}, "ip": "203.0.113.7"},
    {"identities": {"custom_id": "7"}, "device_id": ""},
    None,
]
_VALUES: dict[str, list[object]] = {
    "id": ["a", "..", "a/b", "a b", "a\\b", "ü", "", "x" * 200, "x" * 201],
    "type": ["app_install", "link_click", "custom", "identify", "unknown"],
    "name": ["Level", "", "App Install", "x" * 256, None],
    "occurred_at": [
        *(946684799, 999_999_999, 1795428900123, 1795428900.5, 4_000_000_000, None),
        *("2026-11-23T10:15:00Z", "2026-11-23T10:15:00.25Z", "2026-12-05T00:00:00Z"),
        *("2026-11-23T10:15:00+00:00", "2026-11-23T12:15:00+02:00"),
        "1999-12-31T23:59:59Z",
        "2026-11-23T10:15:00.0000009Z",
    ],
    "user": _PEOPLE,
    "referrer": [*_PEOPLE, "last"],
    "via": ["smart_link", "smart_invite", "unknown"],
    "channel": ["sms", "SMS", "pigeon", "", "a\tb"],
    "content": ["spring", "a:b", "é", "\0", ".1234567", "x" * 2_000, ""],
    "status": ["valid", "suspicious", "unknown"],
    "event_data": [{}, {"a": 1}, {"a": 2**63}, {"a": 0.5}, {"a": [1]}, {"a": "\0"}],
    "metadata": [{}, {"note": "kept"}, {"note": 2**63}],
    "test": [True, False],
    "unknown": [1],
}
_CHANGES = [{key: value} for key, values in _VALUES.items() for value in values]


def texts_of(event):
    """Yield JSON of `event` with each two of the changes."""
    for one, other in combinations([{}, *_CHANGES], 2):
        yield _spell(event | one | other)


def texts_with_a_key_twice(event):
    """Yield JSON of `event` in which the key of each change stands before its own, too."""
    for change in _CHANGES:
        yield _spell(change)[:-1] + b"," + _spell(event)[1:]


def _spell(fields):
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
