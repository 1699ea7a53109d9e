"""The OpenAPI document says what the code does, and every problem is explained."""

import re
from http import HTTPStatus

import msgspec
import pytest

from referrals.api import openapi, problems
from referrals.schema import IncomingEvent, IncomingPerson, decode
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


def test_every_field_of_an_event_is_described():
    assert tuple(openapi.EVENT_FIELDS) == IncomingEvent.__struct_fields__
    assert tuple(openapi.PERSON_FIELDS) == IncomingPerson.__struct_fields__


def test_every_reference_leads_to_a_schema():
    document = msgspec.json.decode(openapi.encoded())

    found = set(references(document))
    assert found
    schemas = document["components"]["schemas"]
    assert {name.rpartition("/")[2] for name in found} <= set(schemas)


def test_every_kind_of_problem_is_in_the_document():
    responses = openapi.document()["paths"]["/v1/events"]["post"]["responses"]
    lookup = openapi.document()["paths"]["/v1/events/{id}"]["get"]["responses"]

    text = str(responses) + str(lookup)
    for kind in problems.KINDS:
        assert kind.type in text
        assert str(int(kind.status)) in {**responses, **lookup}


def test_the_example_is_a_good_event():
    event = decode(msgspec.json.encode(openapi.EXAMPLE))

    assert isinstance(event, IncomingEvent)


def test_an_event_that_the_code_takes_fits_its_schema():
    schemas = openapi.document()["components"]["schemas"]
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
    slugs = [kind.slug for kind in problems.KINDS]

    assert len(set(slugs)) == len(slugs)
    declared = [v for v in vars(problems).values() if isinstance(v, problems.Kind)]
    assert declared == list(problems.KINDS)


@pytest.mark.parametrize("kind", problems.KINDS, ids=lambda kind: kind.slug)
def test_every_kind_is_an_error_with_a_remedy_and_a_place_in_the_docs(kind):
    assert kind.status >= HTTPStatus.BAD_REQUEST
    assert re.fullmatch(r"[a-z-]+", kind.slug)
    assert kind.remedy.endswith(".")
    assert f"| {int(kind.status)} | `{kind.slug}` |" in REFERENCE_PAGE


def test_the_docs_describe_every_field():
    for name in (*openapi.EVENT_FIELDS, *openapi.PERSON_FIELDS):
        assert f"`{name}`" in REFERENCE_PAGE
