"""The OpenAPI 3.1 document, generated from the Structs that decode and answer.

Reference: https://spec.openapis.org/oas/v3.1.0
"""

import functools
from collections.abc import Iterable
from http import HTTPStatus
from itertools import groupby
from typing import Any, Final

import msgspec

from referrals.api.answers import DryRun, Receipt, StoredEvent
from referrals.api.body import JSON, NDJSON
from referrals.api.body_events import MAX_WHOLE_BYTES
from referrals.api.body_people import IncomingLink
from referrals.api.body_pieces import MAX_EVENTS
from referrals.api.conditions import CONDITIONS
from referrals.api.gunzip import MAX_DECOMPRESSED_BYTES
from referrals.api.openapi_sources import SEGMENT_SCHEMAS, describe_sources
from referrals.api.problems import (
    APP_ARCHIVED,
    BAD_PARAMETER,
    BAD_REQUEST,
    CONTENT_TYPE,
    HTTPS_REQUIRED,
    INTERNAL,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    PROBLEM_KINDS,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNKNOWN_HOST,
    Problem,
    ProblemKind,
)
from referrals.api.public_status import STATUS_PATH, ServiceStatus
from referrals.api.stream import MAX_BODY_BYTES
from referrals.api.switches import SWITCH_VALUES
from referrals.rules import ID_PATTERN, MAX_EVENT_BYTES, MAX_METADATA_BYTES
from referrals.schema import IncomingEvent
from referrals.vocabulary import (
    EventType,
    FraudStatus,
    Side,
    Via,
    find_referrals_without,
)

VERSION: Final = "1"
BATCH: Final = "EventBatch"
LINKS: Final = "PeopleBatch"
REFERENCE: Final = "#/components/schemas/{name}"


def _one_of(words: type[EventType | Via | FraudStatus]) -> str:
    *others, last = (f"`{word}`" for word in words)
    return f"{', '.join(others)} or {last}"


# What the types do not say, per field of an event as it is sent.
EVENT_FIELDS: Final = {
    "id": "Idempotency key: 1 to 200 visible ASCII characters without a slash, and "
    "neither `.` nor `..`, unique in the app. Sending the same event again under it is harmless.",
    "type": f"What happened: {_one_of(EventType)}.",
    "name": "The name of a custom event, such as `Subscription Started`. Required there, "
    "refused elsewhere.",
    "occurred_at": "RFC 3339 with an offset, or Unix seconds, rounded down to a "
    "microsecond. Missing: the time of receipt. Milliseconds, and more than a day ahead, are refused.",
    "user": "Who did it. Required except for "
    f"{', '.join(find_referrals_without(Side.REFERRED))}.",
    "referrer": "Who invited the user, or `last` for whoever did so last. Required unless "
    "`via` is `smart_link`; an `identify` has none.",
    "via": f"The kind of link that led here: {_one_of(Via)}.",
    "channel": "How the invitation travelled, such as `whatsapp`. An unknown invite channel "
    "is stored with a warning, and refused when strict.",
    "content": "Which invitation it was, such as the name of a campaign.",
    "status": f"Your own verdict on fraud: {_one_of(FraudStatus)}. Missing: it is decided "
    "from `ip`, `device_id` and `advertising_id`, where they are sent.",
    "event_data": "Data of a custom event, sent on to destinations.",
    "metadata": f"Data of your own: stored and shown, never sent on. At most "
    f"{MAX_METADATA_BYTES:,} bytes of JSON.",
    "test": "Marks a test event.",
}
PERSON_FIELDS: Final = {
    "identities": "The person's IDs by provider, such as email or custom_id. Taken byte "
    "for byte. One that is null was left out.",
    "ip": "IP address. Stored only as a keyed hash, for fraud detection.",
    "device_id": "Device ID. Stored only as a keyed hash, for fraud detection.",
    "advertising_id": "Advertising ID. Stored only as a keyed hash, for fraud detection.",
}
LINK_FIELDS: Final = {
    "identities": "The person's IDs by provider: two or more, one of which names one person, "
    "such as custom_id or email. Taken byte for byte. One that is null was left out.",
    "test": "Marks what is of tests: it ties nothing together for real events, nor do they.",
}
EXAMPLE_LINK: Final = {
    "identities": {
        "anonymous_id": "c7d1e5",
        "custom_id": "42",
        "email": "ann@example.com",
    }
}
EXAMPLE: Final = {
    "id": "b1c2",
    "type": "app_install",
    "occurred_at": "2026-11-23T10:15:00Z",
    "user": {"identities": {"email": "ann@example.com", "custom_id": "42"}},
    "referrer": {"identities": {"email": "bob@example.com"}},
    "via": "smart_invite",
    "channel": "whatsapp",
    "content": "spring",
}
HEADERS: Final = {
    "X-Request-Id": {
        "description": "The name of the request, as it is logged.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
    "Retry-After": {
        "description": "After how many seconds to send the same request again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "Allow": {
        "description": "The methods that the address answers, with commas between.",
        "required": True,
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {
        "description": "How to show an API key.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Accept-Encoding": {
        "description": "What can be read, where the encoding of the body is at fault.",
        "schema": {"type": "string"},
    },
}
#: Which of them come with which status, besides the name of the request.
HEADERS_OF: Final = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow",),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("Accept-Encoding",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}
INTRODUCTION: Final = (
    "Send referral events, and ask what became of them. An event that was answered "
    "`accepted` is committed; each goes on to every destination of its app. Problems are "
    "RFC 9457 problem details."
)


@functools.cache
def build_document() -> dict[str, Any]:
    """Return the OpenAPI document. Shared: do not change it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Referral events",
            "version": VERSION,
            "description": INTRODUCTION,
        },
        "security": [{"bearer": []}, {"basic": []}],
        "paths": {
            "/v1/events": {"post": _send()},
            "/v1/events/{id}": {"get": _ask()},
            "/v1/people": {"put": _tie()},
            STATUS_PATH: {"get": _show_status()},
            **describe_sources(_problems((BAD_REQUEST, UNKNOWN_HOST, HTTPS_REQUIRED))),
        },
        "components": {
            "schemas": _schemas(),
            "headers": HEADERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The API key is the user; the password is ignored.",
                },
            },
        },
    }


@functools.cache
def encode_document() -> bytes:
    """Return the document as JSON."""
    return msgspec.json.encode(build_document())


def _send() -> dict[str, Any]:
    return {
        "operationId": "sendEvents",
        "summary": "Send events",
        "description": "Stores one event or up to "
        f"{MAX_EVENTS:,}, and answers after the commit. Good events are stored although "
        f"others are bad. The body has at most {MAX_BODY_BYTES:,} bytes, "
        f"{MAX_DECOMPRESSED_BYTES:,} after decompression; an event "
        f"{MAX_EVENT_BYTES:,}. Also read: `{NDJSON}`, one event a "
        "line, and either with `Content-Encoding: gzip`.",
        "parameters": [
            _switch("strict", "All or nothing, and doubts are refused too."),
            _switch(
                "dry_run",
                "Store nothing; answer the exact records that each destination would get. The "
                f"body has at most {MAX_WHOLE_BYTES:,} bytes after decompression.",
            ),
            _request_id(),
        ],
        "requestBody": {"required": True, "content": _event_bodies()},
        "responses": {
            "200": _response("A dry run: nothing was stored.", DryRun),
            "202": _response("At least one event is stored, or was before.", Receipt),
            **_problems(kind for kind in PROBLEM_KINDS if kind is not NOT_FOUND),
        },
    }


def _ask() -> dict[str, Any]:
    return {
        "operationId": "getEvent",
        "summary": "Ask what became of an event",
        "description": "Answers where the event stands in the log, and its outcome per "
        "destination and side. Shows no identity.",
        "parameters": [
            _parameter("path", "id", {"type": "string", "pattern": _id_pattern()}),
            _request_id(),
        ],
        "responses": {
            "200": _response("The event and its outcomes.", StoredEvent),
            **_problems(
                (
                    *(BAD_REQUEST, UNKNOWN_HOST, BAD_PARAMETER, UNAUTHORIZED),
                    *(APP_ARCHIVED, HTTPS_REQUIRED, NOT_FOUND, METHOD_NOT_ALLOWED),
                    *(INTERNAL, UNAVAILABLE),
                )
            ),
        },
    }


def _tie() -> dict[str, Any]:
    return {
        "operationId": "putPeople",
        "summary": "Say which IDs belong to one person",
        "description": f"Takes one person or up to {MAX_EVENTS:,}, each with two IDs or more, "
        "and answers after the commit. Each is stored as an event of type `identify`, which "
        "becomes no record; the same again within an hour is a duplicate. Limits and formats "
        "are those of `POST /v1/events`.",
        "parameters": [
            _switch("strict", "All or nothing, and doubts are refused too."),
            _request_id(),
        ],
        "requestBody": {
            "required": True,
            "content": _bodies(IncomingLink.__name__, LINKS, "people", EXAMPLE_LINK),
        },
        "responses": {
            "202": _response("At least one is stored, or was before.", Receipt),
            **_problems(kind for kind in PROBLEM_KINDS if kind is not NOT_FOUND),
        },
    }


def _show_status() -> dict[str, Any]:
    return {
        "operationId": "getStatus",
        "summary": "Ask whether the service works",
        "description": "For everybody, without a key: no names, no numbers. It is 200 "
        "whatever it says, and is looked up once in some seconds. `down` takes no events; "
        "`degraded` does, and delivers some of them late or not yet.",
        "security": [],
        "responses": {
            "200": _response("How the service is.", ServiceStatus),
            **_problems((BAD_REQUEST, METHOD_NOT_ALLOWED)),
        },
    }


def _event_bodies() -> dict[str, Any]:
    return _bodies(IncomingEvent.__name__, BATCH, "events", EXAMPLE)


def _bodies(one: str, batch: str, several: str, example: object) -> dict[str, Any]:
    # One format only: generators know no other, and drop what they do not know.
    return {
        JSON: {
            "schema": {"anyOf": [_reference(one), _reference(batch)]},
            "examples": {
                "one": {"value": example},
                "several": {"value": {several: [example]}},
            },
        },
    }


def _batch(title: str, name: str, one: str) -> dict[str, Any]:
    return {
        "title": title,
        "description": f"Several {name}. Each is judged by itself.",
        "type": "object",
        "required": [name],
        "additionalProperties": False,
        "properties": {
            name: {
                "type": "array",
                "items": _reference(one),
                "minItems": 1,
                "maxItems": MAX_EVENTS,
            }
        },
    }


def _schemas() -> dict[str, Any]:
    answers = (
        *(IncomingEvent, IncomingLink, Receipt, DryRun, StoredEvent),
        *(ServiceStatus, Problem),
    )
    _, schemas = msgspec.json.schema_components(answers, ref_template=REFERENCE)
    _describe(schemas["IncomingEvent"], "An event as it is sent.", EVENT_FIELDS)
    _describe(schemas["IncomingPerson"], "One of the two people.", PERSON_FIELDS)
    # Generators know no default of what may be null; left out and null are the same.
    del schemas["IncomingPerson"]["properties"]["identities"]["default"]
    schemas["IncomingEvent"]["properties"]["id"]["pattern"] = _id_pattern()
    schemas["IncomingEvent"]["allOf"] = CONDITIONS
    _describe(schemas["IncomingLink"], "IDs that belong to one person.", LINK_FIELDS)
    schemas["IncomingLink"]["properties"]["identities"]["minProperties"] = 2
    schemas[BATCH] = _batch(BATCH, "events", IncomingEvent.__name__)
    schemas[LINKS] = _batch(LINKS, "people", IncomingLink.__name__)
    schemas.update(SEGMENT_SCHEMAS)
    return schemas


def _describe(schema: dict[str, Any], whole: str, fields: dict[str, str]) -> None:
    schema["description"] = whole
    for name, description in fields.items():
        schema["properties"][name]["description"] = description


def _response(description: str, struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "description": description,
        "headers": _headers(),
        "content": {JSON: {"schema": _reference(struct.__name__)}},
    }


def _problems(kinds: Iterable[ProblemKind]) -> dict[str, Any]:
    """Return one response per status, naming each of its kinds."""
    return {
        str(int(status)): {
            "description": "; ".join(f"{kind.title} ({kind.type})" for kind in same),
            "headers": _headers(*HEADERS_OF.get(status, ())),
            "content": {CONTENT_TYPE: {"schema": _reference(Problem.__name__)}},
        }
        for status, same in groupby(kinds, key=lambda kind: kind.status)
    }


def _headers(*names: str) -> dict[str, Any]:
    return {
        name: {"$ref": f"#/components/headers/{name}"}
        for name in ("X-Request-Id", *names)
    }


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(name=name)}


def _switch(name: str, description: str) -> dict[str, Any]:
    switch = _parameter("query", name, {"enum": [*SWITCH_VALUES], "default": "0"})
    return {**switch, "description": description}


def _request_id() -> dict[str, Any]:
    schema = {"type": "string"}
    description = (
        "Your name for the request, 1 to 128 visible ASCII characters. Comes back in the "
        "answer, is logged, and is kept with each event that the request stores; any other "
        "text is left out for a new name."
    )
    return {
        **_parameter("header", "X-Request-Id", schema),
        "description": description,
    }


def _parameter(place: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _id_pattern() -> str:
    return f"^{ID_PATTERN.pattern}$"
