"""Pages that refuse: each says why in a sentence, and which setting it is if it is one.

They read neither the session nor the database, so that they work while either fails.
"""

import logging
import re
import sys
from http import HTTPStatus
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import (
    REASON_BAD_ORIGIN,
    REASON_BAD_REFERER,
    REASON_INSECURE_REFERER,
    REASON_NO_CSRF_COOKIE,
    REASON_NO_REFERER,
)
from django.template.loader import render_to_string

from referrals.api.edge import explain_unknown_host, is_api_call

logger: Final = logging.getLogger(__name__)

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]{1,100}")
_TRY_AGAIN: Final = "Go back, reload the page, and send it again."
_OF_THE_BROWSER: Final = {
    REASON_NO_CSRF_COOKIE: "The browser sent no cookie. Allow cookies for this address. "
    + _TRY_AGAIN,
    REASON_NO_REFERER: "The browser did not say from which page the form comes. Allow it "
    f"to send the header Referer to this address. {_TRY_AGAIN}",
}
# Two of Django's reasons end with what the browser said.
_FROM_ELSEWHERE: Final = (
    REASON_INSECURE_REFERER,
    *(each.partition("%s")[0] for each in (REASON_BAD_ORIGIN, REASON_BAD_REFERER)),
)


def show_request_refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400: an unknown host, or a request that cannot be read."""
    told = explain_unknown_host(request)
    if told:
        return _render_page(HTTPStatus.BAD_REQUEST, "Unknown host name", told)
    return _render_page(
        HTTPStatus.BAD_REQUEST,
        "The request cannot be read",
        f"It is too long, has too many fields, or is damaged. {_TRY_AGAIN}",
    )


def show_access_refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403: the person lacks a permission."""
    return _render_page(
        HTTPStatus.FORBIDDEN,
        "You may not see this",
        "Your roles do not allow it. An administrator can give you one that does.",
    )


def show_page_missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    return _render_page(
        HTTPStatus.NOT_FOUND,
        "There is no such page",
        "Check the address, or begin at the overview.",
    )


def show_server_failed(request: HttpRequest) -> HttpResponse:
    """Answer 500, or on a page 503 where it was the database.

    The API says of its own that the database is away, where it asked it.
    """
    was_database = isinstance(sys.exception(), OperationalError | InterfaceError)
    if was_database and not is_api_call(request):
        return _render_page(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database did not answer",
            "No event that was accepted is lost. Callers are told to send again what comes now.",
            "Try again in a moment. If it lasts, whoever runs the server asks "
            "`python manage.py doctor`, which works without the database, too.",
        )
    name = getattr(request, "request_id", "")
    return _render_page(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong on our side",
        f"It has been logged under the name `{name}`. Try again in a moment.",
    )


def show_form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403: the form may come from another site, and not from the person (CSRF)."""
    told = _OF_THE_BROWSER.get(reason)
    if told is None and reason.startswith(_FROM_ELSEWHERE):
        told = _name_setting(request)
        logger.warning("A form was refused. %s", told)
    return _render_page(
        HTTPStatus.FORBIDDEN,
        "The form was refused",
        told or f"The page is older than your last login. {_TRY_AGAIN}",
        "Nothing was changed.",
    )


def _name_setting(request: HttpRequest) -> str:
    """Return the setting for an operator if the form seems to come from another address."""
    sent = request.headers.get("Origin", "")
    origin = sent if _ORIGIN.fullmatch(sent) else "https://referrals.example.com"
    if sent.startswith("https://") and not request.is_secure():
        return (
            "The browser sent it over HTTPS, and this server was told of plain HTTP. "
            "Where the proxy in front sets X-Forwarded-Proto, whoever runs the server "
            "sets `SECURE_PROXY=true`; where it cannot, "
            f"`CSRF_TRUSTED_ORIGINS={origin}`."
        )
    return (
        "It was sent from a page of another address than this server's. If people reach "
        "the server by that address, a proxy changes the host name: let it pass the "
        "header Host on, or whoever runs the server sets "
        f"`CSRF_TRUSTED_ORIGINS={origin}`. If they do not, another site tried to act in "
        "your name."
    )


def _render_page(status: HTTPStatus, title: str, *paragraphs: str) -> HttpResponse:
    context = {
        "title": title,
        "site_title": "Referral events",
        "site_header": "Referral events",
        "paragraphs": paragraphs,
    }
    page = render_to_string("integration_project/refusal.html", context)
    return HttpResponse(page, status=status, headers={"Cache-Control": "no-store"})
