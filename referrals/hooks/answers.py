"""Answers that make each platform do the right thing.

After a good signature nothing but 200 says anything: a platform that gets an error repeats
what will fail again, stops, or disables the hook. What became of a call stands on the page
Sources. `busy` is the only answer that asks for the call again.
"""

from http import HTTPStatus
from typing import Final

from django.http import HttpResponse

from referrals.sources.presets import Preset

#: Platforms that honour it wait so long.
RETRY_SECONDS: Final = 30
#: With which some platform calls.
METHODS: Final = ("POST", "GET")
_JSON: Final = "application/json"


class HookResponse(HttpResponse):
    """An answer of a hook: no problem document takes its place."""

    is_final = True


def answer_taken() -> HookResponse:
    """Return the answer to every call with a good signature, whatever became of it."""
    return _answer(HTTPStatus.OK)


def answer_unverified() -> HookResponse:
    """Return the answer to a call that is not the platform's. It says nothing more."""
    return _answer(HTTPStatus.UNAUTHORIZED)


def answer_unknown() -> HookResponse:
    """Return the answer to an address that no source has."""
    return _answer(HTTPStatus.NOT_FOUND)


def answer_archived() -> HookResponse:
    """Return the answer of an archived source: Standard Webhooks stop sending."""
    return _answer(HTTPStatus.GONE)


def answer_too_large() -> HookResponse:
    """Return the answer to a body over the limit."""
    return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def answer_wrong_method(preset: Preset | None = None) -> HookResponse:
    """Return the answer to another method than the platform, or any, calls with."""
    answer = _answer(HTTPStatus.METHOD_NOT_ALLOWED)
    answer.headers["Allow"] = ", ".join(preset.methods if preset else METHODS)
    return answer


def answer_busy(preset: Preset | None = None) -> HookResponse:
    """Return the answer that asks the platform to call again."""
    answer = _answer(
        HTTPStatus(preset.busy if preset else HTTPStatus.SERVICE_UNAVAILABLE)
    )
    answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


def _answer(status: HTTPStatus) -> HookResponse:
    return HookResponse(
        b"", status=status, content_type=_JSON, headers={"Cache-Control": "no-store"}
    )
