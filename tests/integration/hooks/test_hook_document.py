"""What a hook answers is what the OpenAPI document says of it."""

import pytest
from django.utils import timezone

from referrals.api import openapi
from referrals.api.openapi_sources import HOOK
from tests import builders
from tests.integration.hooks.calling import call_hook, sample_of, signed

pytestmark = pytest.mark.django_db

ANSWERS = openapi.build_document()["paths"][HOOK]["post"]["responses"]


def answer_of(client, case):
    source = builders.a_source(builders.an_app(), "branch")
    call = sample_of(source)
    match case:
        case "forged":
            call = sample_of(source, secret="another")
        case "unknown":
            source.public_id = "0123456789"
        case "archived":
            type(source).objects.filter(pk=source.pk).update(archived_at=timezone.now())
        case "large":
            call = signed(source, {"name": "x" * 1024 * 1024})
        case "other method":
            return client.put(f"/v1/hooks/{source.public_id}")
        case "no hook's method":
            return client.delete("/v1/hooks/0123456789")
    return call_hook(client, source, call)


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("good", 200),
        ("forged", 401),
        ("unknown", 404),
        ("archived", 410),
        ("large", 413),
        ("other method", 405),
        ("no hook's method", 405),
    ],
)
def test_an_answer_is_documented_with_its_headers_and_has_no_body(client, case, status):
    answer = answer_of(client, case)

    assert (answer.status_code, answer.content) == (status, b"")
    described = ANSWERS[str(status)]
    assert "content" not in described
    assert set(described["headers"]) <= set(answer.headers)


def test_the_page_of_the_api_tells_of_hooks_and_of_segment(client):
    page = client.get("/docs").text

    for status in ANSWERS:
        assert f'<td><span class="status">{status}</span></td>' in page
    assert "/v1/hooks/{public_id}" in page
    assert "/v1/segment/v1/track" in page
