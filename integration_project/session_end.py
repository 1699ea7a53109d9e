"""Ends the admin's sessions: when nobody has used one for a while, and at the latest then.

A session's row has both. Its expiry is set at the login, once, so that Django refuses it
from then on, however often it is saved. When it was last used is written at most once a
minute, by what a person does: a page that renews itself says so by `X-Live`, and keeps no
abandoned session alive.
"""

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from time import time
from typing import Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from referrals.words import format_span

#: Where the session has the second, since the epoch, at which it was last used.
USED_AT: Final = "used_at"
#: So much later at least it is written again: that much earlier a session may end.
WRITTEN_SECONDS: Final = 60


class SessionEndMiddleware:
    """Logs out whoever was away for too long.

    Belongs below what knows the session and the user, and what carries messages.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as a stranger's what comes with a session that was left alone."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self._get_response(request)
        if SESSION_KEY not in request.session:
            return self._get_response(request)
        is_live = "X-Live" in request.headers
        unused = time() - request.session.get(USED_AT, 0)
        if USED_AT not in request.session:
            start_session(request)
        elif unused >= settings.SESSION_IDLE_MINUTES * 60:
            if is_live:
                # The page asks for itself then, and its person reads why.
                return HttpResponse(status=HTTPStatus.UNAUTHORIZED)
            _end_session(request)
        elif unused >= WRITTEN_SECONDS and not is_live:
            request.session[USED_AT] = int(time())
        return self._get_response(request)


def start_session(request: HttpRequest) -> None:
    """Let the session end at its time, counted from now on."""
    request.session[USED_AT] = int(time())
    request.session.set_expiry(timedelta(hours=settings.SESSION_HOURS))


def start_session_of_login(*, request: HttpRequest, **_: object) -> None:
    """Start the session of whoever has just logged in, and remove those that have ended."""
    start_session(request)
    request.session.clear_expired()


def _end_session(request: HttpRequest) -> None:
    logout(request)
    away = format_span(settings.SESSION_IDLE_MINUTES * 60)
    messages.info(request, f"You were logged out: nothing was done here for {away}.")
