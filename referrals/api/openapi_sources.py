"""Of the OpenAPI document, the addresses that platforms and SDKs of Segment call.

What a body says is the platform's own matter, so it has no schema. A hook's answers have no
body, and Segment's are those that its SDKs understand.
"""

from http import HTTPStatus
from typing import Any, Final

from referrals.api.body import JSON
from referrals.api.stream import MAX_BODY_BYTES
from referrals.sources.segment import (
    MAX_BODY_BYTES as MAX_SEGMENT_BYTES,
    MAX_ITEMS,
    METHODS,
    PATH,
)

HOOK: Final = "/v1/hooks/{public_id}"
SEGMENT: Final = f"{PATH}/v1"
#: What a hook answers. Whatever else is wrong on the way asks for the call again.
HOOK_ANSWERS: Final = {
    HTTPStatus.OK: "Taken: stored, there before, ignored, or refused. What became of it stands on "
    "the page of the source.",
    HTTPStatus.UNAUTHORIZED: "The signature or the secret is not the source's.",
    HTTPStatus.NOT_FOUND: "No source has this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "The platform of this source calls with another method.",
    HTTPStatus.GONE: "The source or its app is archived. Call no more.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"The body is over {MAX_BODY_BYTES:,} bytes, or is not "
    "the gzip data that it is said to be.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is too long.",
    HTTPStatus.TOO_MANY_REQUESTS: "Not stored in time. Call again. Of platforms that want this "
    "status in place of 503.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not stored in time. Call again.",
}
#: What Segment's addresses answer, beside the problems that every address has.
SEGMENT_ANSWERS: Final = {
    HTTPStatus.OK: "All that was good is stored. What was refused stands on the page of the source.",
    HTTPStatus.BAD_REQUEST: f"The body is not JSON, is over {MAX_SEGMENT_BYTES:,} bytes, or has over "
    f"{MAX_ITEMS:,} calls. SDKs drop it.",
    HTTPStatus.UNAUTHORIZED: "The write key is none of an app. SDKs drop the calls.",
    HTTPStatus.FORBIDDEN: "The app or the source is archived. SDKs drop the calls.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Only POST is answered.",
    HTTPStatus.TOO_MANY_REQUESTS: "Not stored in time. SDKs send it again.",
}
_HEADERS: Final = {
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}
_HOOK_DESCRIPTION: Final = (
    "What a platform calls when something happens: the address of one source of one app. The "
    "platform's preset says how the call is verified and what becomes of it. It is read as JSON, as "
    "a form, or from its parameters."
)
_SEGMENT_DESCRIPTION: Final = (
    "Takes the calls of Segment's SDKs, and of those that speak like them, with an API key of the "
    "app as the write key: as the user of Basic, or in the body as `writeKey`. May come with "
    "`Content-Encoding: gzip`. Of the seven methods `track` makes events; of a batch, each call is "
    "judged by itself."
)
#: The answer that Segment's SDKs read.
SEGMENT_SCHEMAS: Final = {
    "SegmentAnswer": {
        "title": "SegmentAnswer",
        "type": "object",
        "required": ["success"],
        "properties": {
            "success": {"type": "boolean"},
            "code": {"type": "string", "description": "Of an error: a stable word."},
            "message": {"type": "string", "description": "Of an error: a sentence."},
        },
    }
}


def describe_sources(problems: dict[str, Any]) -> dict[str, Any]:
    """Return the paths. `problems` are the answers that Segment's addresses may give, too."""
    return {**_describe_hooks(), **_describe_segment(problems)}


def _describe_hooks() -> dict[str, Any]:
    answers = {str(int(status)): _empty(status) for status in HOOK_ANSWERS}
    paths: dict[str, Any] = {}
    for path, names, name in (
        (HOOK, ("public_id",), "callHook"),
        (f"{HOOK}/{{secret}}", ("public_id", "secret"), "callHookWithSecret"),
    ):
        common = {
            "description": _HOOK_DESCRIPTION,
            "security": [],
            "parameters": [_path_parameter(each) for each in names],
            "responses": answers,
        }
        paths[path] = {
            "post": {
                "operationId": name,
                "summary": "Call a source",
                **common,
                "requestBody": _body(),
            },
            "get": {
                "operationId": f"{name}ByGet",
                "summary": "Call a source by GET",
                **common,
            },
        }
    return paths


def _describe_segment(problems: dict[str, Any]) -> dict[str, Any]:
    answers = _merge(
        problems, {status: _segment_answer(status) for status in SEGMENT_ANSWERS}
    )
    return {
        f"{SEGMENT}/{method}": {
            "post": {
                "operationId": f"segment{method.capitalize()}",
                "summary": f"Segment's {method}",
                "description": _SEGMENT_DESCRIPTION,
                # The key may be in the body, which no scheme says.
                "security": [{"basic": []}, {"bearer": []}, {}],
                "requestBody": _body(),
                "responses": answers,
            }
        }
        for method in METHODS
    }


def _merge(
    problems: dict[str, Any], answers: dict[HTTPStatus, dict[str, Any]]
) -> dict[str, Any]:
    """Return all answers by status. One that may be a problem, too, has both forms."""
    merged = dict(problems)
    for status, answer in answers.items():
        problem = problems.get(str(int(status)), {})
        content = {**answer.get("content", {}), **problem.get("content", {})}
        described = [each["description"] for each in (answer, problem) if each]
        merged[str(int(status))] = {
            **answer,
            "description": " Or: ".join(described),
            **({"content": content} if content else {}),
        }
    return dict(sorted(merged.items()))


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _body() -> dict[str, Any]:
    return {"content": {JSON: {"schema": {}}}}


def _empty(status: HTTPStatus) -> dict[str, Any]:
    return {"description": HOOK_ANSWERS[status], "headers": _headers(status)}


def _segment_answer(status: HTTPStatus) -> dict[str, Any]:
    return {
        "description": SEGMENT_ANSWERS[status],
        "headers": _headers(status),
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/SegmentAnswer"}}},
    }


def _headers(status: HTTPStatus) -> dict[str, Any]:
    names = ("X-Request-Id", *_HEADERS.get(status, ()))
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
