"""The API's documents: one for machines, one for people."""

import json
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from referrals.api import openapi
from referrals.api.guard import guard_view
from referrals.api.openapi_sources import HOOK, SEGMENT
from referrals.api.problems import PROBLEM_KINDS
from referrals.refusals import MEANINGS, REMEDIES, Code

# The page has one stylesheet of its own and nothing else: no script, no form, no frame.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CACHING: Final = {"Cache-Control": "public, max-age=300"}


@guard_view("GET", "HEAD")
def show_openapi_document(_request: HttpRequest) -> HttpResponse:
    """Answer the OpenAPI document."""
    return HttpResponse(
        openapi.encode_document(), content_type="application/json", headers=CACHING
    )


@guard_view("GET", "HEAD")
def show_docs(request: HttpRequest) -> HttpResponse:
    """Answer the page that explains the API."""
    document = openapi.build_document()
    schemas = document["components"]["schemas"]
    context = {
        "info": document["info"],
        "send": document["paths"]["/v1/events"]["post"],
        "ask": document["paths"]["/v1/events/{id}"]["get"],
        "hook": document["paths"][HOOK]["post"],
        "hook_address": HOOK,
        "segment": document["paths"][f"{SEGMENT}/track"]["post"],
        "segment_address": SEGMENT,
        "event": schemas["IncomingEvent"],
        "person": schemas["IncomingPerson"],
        "required": schemas["IncomingEvent"]["required"],
        "example": json.dumps(openapi.EXAMPLE, indent=2),
        "codes": [(code, MEANINGS[code], REMEDIES[code]) for code in Code],
        "kinds": PROBLEM_KINDS,
        "base": f"{request.scheme}://{request.get_host()}",
    }
    return HttpResponse(
        render_to_string("referrals/api_docs.html", context),
        headers={**CACHING, "Content-Security-Policy": CONTENT_SECURITY_POLICY},
    )
