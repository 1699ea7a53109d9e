"""The OpenAPI document says what the code does, and every problem is explained."""

import importlib
import re
from http import HTTPStatus

import msgspec
import pytest

from referrals.api import openapi, problems
from referrals.schema import IncomingEvent, IncomingPerson, decode_event
from tests.harness.commands import ROOT

REFERENCE_PAGE = (ROOT / "docs/reference/http-api.md").read_text(encoding="utf-8")


def references(value):
    """Yield every `$ref` in a document."""
    match value:
        case dict():
            yield from [value["$ref"]] if "$ref" in value else []
            for inner in value.values():
                yield from references(inner)
        case list() | tuple():
            for inner in value:
                yield from references(inner)


def arrays(value):
    """Yield every schema of a list in a document."""
    match value:
        case dict():
            yield from [value] if value.get("type") == "array" else []
            for inner in value.values():
                yield from arrays(inner)
        case list() | tuple():
            for inner in value:
                yield from arrays(inner)


def test_every_field_of_an_event_is_described():
    told = "Describe each field in EVENT_FIELDS or PERSON_FIELDS of referrals/api/openapi.py."
    assert tuple(openapi.EVENT_FIELDS) == IncomingEvent.__struct_fields__, told
    assert tuple(openapi.PERSON_FIELDS) == IncomingPerson.__struct_fields__, told


def test_every_reference_leads_somewhere():
    document = msgspec.json.decode(openapi.encode_document())

    found = set(references(document))
    assert found
    assert found == {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "headers")
        for name in document["components"][kind]
    }


def test_every_kind_of_problem_is_in_the_document():
    responses = openapi.build_document()["paths"]["/v1/events"]["post"]["responses"]
    lookup = openapi.build_document()["paths"]["/v1/events/{id}"]["get"]["responses"]

    text = str(responses) + str(lookup)
    for kind in problems.PROBLEM_KINDS:
        assert kind.type in text
        assert str(int(kind.status)) in {**responses, **lookup}


def test_every_time_is_a_date_time_and_every_list_says_what_of():
    schemas = openapi.build_document()["components"]["schemas"]
    times = {
        name: str(schema["properties"][name])
        for schema in schemas.values()
        for name in schema.get("properties", {})
        if name.endswith("_at")
    }

    assert set(times) == {"occurred_at", "received_at", "delivered_at"}
    assert all("'format': 'date-time'" in time for time in times.values())
    lists = list(arrays(schemas))
    assert lists
    assert all(part["items"] for part in lists)


@pytest.mark.parametrize("operation", ["send", "ask", "tie"])
def test_every_problem_is_typed_with_its_headers(operation):
    described = getattr(openapi, f"_{operation}")()["responses"]
    wanted = {"401": "WWW-Authenticate", "405": "Allow", "503": "Retry-After"}

    problems_described = {k: v for k, v in described.items() if k >= "4"}
    assert {"400", "401", "403", "405", "500", "503"} <= set(problems_described)
    for status, response in described.items():
        assert "X-Request-Id" in response["headers"]
        assert wanted.get(status, "X-Request-Id") in response["headers"]
    for response in problems_described.values():
        assert response["content"] == {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"}
            }
        }


USER = {"user": {"identities": {"email": "a@example.com"}}}
TIED = {"user": {"identities": {"email": "a@example.com", "anonymous_id": "A"}}}
BOTH = {**USER, "referrer": {"identities": {"email": "b@example.com"}}}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "app_install", **BOTH},
        {"type": "app_install", **USER},
        {"type": "app_install", **USER, "referrer": None},
        {"type": "app_install", **USER, "via": "smart_link"},
        {"type": "app_install", **USER, "via": None},
        {"type": "app_install", "referrer": BOTH["referrer"]},
        {"type": "app_install", **BOTH, "user": None},
        {"type": "link_click", "referrer": BOTH["referrer"]},
        {"type": "link_click", "via": "smart_link"},
        {"type": "link_click"},
        {"type": "app_install", **BOTH, "name": "X"},
        {"type": "app_install", **BOTH, "name": ""},
        {"type": "app_install", **BOTH, "name": None},
        {"type": "app_install", **BOTH, "event_data": {"a": 1}},
        {"type": "app_install", **BOTH, "event_data": {}},
        {"type": "custom", **BOTH},
        {"type": "custom", **BOTH, "name": None},
        {"type": "custom", **BOTH, "name": ""},
        {"type": "custom", **BOTH, "name": "  "},
        {"type": "custom", **BOTH, "name": "X" * 255},
        {"type": "custom", **BOTH, "name": "X" * 256},
        {"type": "custom", **BOTH, "name": "X", "event_data": {"a": 1}},
        {"type": "custom", **USER, "name": "X"},
        {"type": "pigeon", **BOTH},
        {"type": "app_open", **USER, "referrer": "last"},
        {"type": "custom", "name": "X", **USER, "referrer": "last"},
        {"type": "app_open", "referrer": "last"},
        {"type": "app_open", **USER, "referrer": "first"},
        {"type": "app_install", **USER, "referrer": "last"},
        {"type": "link_click", "referrer": "last"},
        {"type": "identify", **TIED},
        {"type": "identify", **TIED, "channel": "", "metadata": {}, "via": None},
        {"type": "identify", **TIED, "referrer": BOTH["referrer"]},
        {"type": "identify", **TIED, "referrer": "last"},
        {"type": "identify", **TIED, "via": "smart_link"},
        {"type": "identify", **TIED, "channel": "sms"},
        {"type": "identify", **TIED, "content": "spring"},
        {"type": "identify", **TIED, "status": "valid"},
        {"type": "identify", **TIED, "metadata": {"a": 1}},
        {"type": "identify", **TIED, "name": "X"},
        {"type": "identify", **TIED, "event_data": {"a": 1}},
        {"type": "identify", **USER},
        {"type": "identify", "user": {}},
        {"type": "identify"},
        BOTH,
    ],
    ids=msgspec.json.encode,
)
def test_the_schema_and_the_code_judge_an_event_alike(event):
    event = {"id": "e-1", **event}
    schema = {
        **openapi.build_document()["components"]["schemas"]["IncomingEvent"],
        "components": openapi.build_document()["components"],
    }

    is_good = isinstance(decode_event(msgspec.json.encode(event)), IncomingEvent)

    validator = importlib.import_module("jsonschema_rs").validator_for(schema)
    assert validator.is_valid(event) is is_good


def test_the_example_is_a_good_event():
    event = decode_event(msgspec.json.encode(openapi.EXAMPLE))

    assert isinstance(event, IncomingEvent)


def test_an_event_that_the_code_takes_fits_its_schema():
    schemas = openapi.build_document()["components"]["schemas"]
    pattern = schemas["IncomingEvent"]["properties"]["id"]["pattern"]
    identities = schemas["IncomingPerson"]["properties"]["identities"]

    assert [
        re.search(pattern, text) is not None for text in (".", "..", "...", "a")
    ] == [
        False,
        False,
        True,
        True,
    ]
    text_or_null = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert identities["anyOf"] == [
        {"type": "object", "additionalProperties": text_or_null},
        {"type": "null"},
    ]


def test_kinds_are_told_apart_by_their_slug():
    slugs = [kind.slug for kind in problems.PROBLEM_KINDS]

    assert len(set(slugs)) == len(slugs)
    declared = [
        v for v in vars(problems).values() if isinstance(v, problems.ProblemKind)
    ]
    assert declared == list(problems.PROBLEM_KINDS)


@pytest.mark.parametrize("kind", problems.PROBLEM_KINDS, ids=lambda kind: kind.slug)
def test_every_kind_is_an_error_with_a_remedy_and_a_place_in_the_docs(kind):
    assert kind.status >= HTTPStatus.BAD_REQUEST
    assert re.fullmatch(r"[a-z-]+", kind.slug)
    assert kind.remedy.endswith(".")
    assert f"| {int(kind.status)} | `{kind.slug}` |" in REFERENCE_PAGE


def test_the_docs_describe_every_field():
    for name in (*openapi.EVENT_FIELDS, *openapi.PERSON_FIELDS):
        assert f"`{name}`" in REFERENCE_PAGE, (
            f'Describe `{name}` under "Fields of an event" in docs/reference/http-api.md.'
        )
