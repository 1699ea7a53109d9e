"""Passwords, checked slowly once many were wrong.

Tries are counted per process, in memory, so that nothing about a person is stored. With
several processes an attacker has as many times the tries, which is still far too few. A
restart resets the counts. A try is taken before the password is checked, and given back
where it was right: tries at the same moment count like tries one after the other.

A browser in which a person has logged in before has a count of its own, by a signed
cookie. So an attacker's guesses cannot lock that person out.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm, AdminPasswordChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import salted_hmac

from integration_project.caller import find_network_of_caller

WINDOW_SECONDS: Final = 300.0
#: Wrong passwords for one user name from one address, and for one address in all.
TRIES: Final = 5
TRIES_OF_ADDRESS: Final = 20
#: The cookie that marks a browser in which a person has logged in, and how long it lasts.
COOKIE: Final = "referrals_browser"
COOKIE_SECONDS: Final = 365 * 24 * 3600
_SALT: Final = "integration_project.login_throttle"
_MOST_KEPT: Final = 10_000


class Throttle:
    """Counts tries by key within the window. Bounded, and safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tries: dict[str, deque[float]] = {}

    def take_try(self, limits: Mapping[str, int], now: float) -> float:
        """Take a try of each key and return 0, or return the seconds until that can be.

        `limits` are how many tries a key has within the window. Then none is taken.
        """
        with self._lock:
            wait = max(self._wait(key, limit, now) for key, limit in limits.items())
            if wait <= 0:
                for key in limits:
                    if key not in self._tries and len(self._tries) >= _MOST_KEPT:
                        self._tries.pop(next(iter(self._tries)))
                    self._tries.setdefault(key, deque()).append(now)
            return max(wait, 0.0)

    def return_try(self, key: str, taken_at: float) -> None:
        """Give a try back that was taken at that instant."""
        with self._lock:
            tries = self._tries.get(key)
            if tries and taken_at in tries:
                tries.remove(taken_at)

    def clear_tries(self, key: str | None = None) -> None:
        """Forget the tries of `key`, or all of them."""
        with self._lock:
            if key is None:
                self._tries.clear()
            else:
                self._tries.pop(key, None)

    def _wait(self, key: str, limit: int, now: float) -> float:
        tries = self._tries.get(key)
        while tries and tries[0] <= now - WINDOW_SECONDS:
            tries.popleft()
        if not tries or len(tries) < limit:
            return 0.0
        return tries[-limit] + WINDOW_SECONDS - now


throttle = Throttle()


class ThrottledLoginForm(AdminAuthenticationForm):
    """The admin's login, which answers a guesser with a pause."""

    def clean(self) -> dict[str, Any]:
        """Check the password, unless it was wrong too often lately."""
        limits = _limit_login(self.request, str(self.cleaned_data.get("username", "")))
        with _take_one_try(limits):
            cleaned: dict[str, Any] = super().clean()
        return cleaned


class ThrottledPasswordChangeForm(AdminPasswordChangeForm):
    """A change of one's own password. A stolen session could guess the old one without it."""

    def clean_old_password(self) -> str:
        """Check the old password, unless it was wrong too often lately."""
        with _take_one_try({f"password change {self.user.pk}": TRIES}):
            return str(super().clean_old_password())


def remember_browser(request: HttpRequest, response: HttpResponseBase) -> None:
    """Give the browser of a person who has just logged in its own count from now on."""
    name = request.user.get_username()
    if not _find_browser(request, name):
        response.set_signed_cookie(
            COOKIE,
            f"{_hash_name(name)}:{secrets.token_urlsafe(12)}",
            salt=_SALT,
            max_age=COOKIE_SECONDS,
            path="/admin/",
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


@contextmanager
def _take_one_try(limits: Mapping[str, int]) -> Iterator[None]:
    """Take a try of each key, and give it back unless the password is wrong.

    A right password clears all tries of the first key.
    """
    now = time.monotonic()
    wait = throttle.take_try(limits, now)
    if wait > 0:
        message = (
            "Too many wrong passwords. Wait about %(minutes)d min, then try again."
        )
        minutes = max(1, round(wait / 60))
        raise ValidationError(message, code="throttled", params={"minutes": minutes})
    try:
        yield
    except ValidationError:
        raise
    except BaseException:
        for key in limits:
            throttle.return_try(key, now)
        raise
    most, *others = limits
    throttle.clear_tries(most)
    for key in others:
        throttle.return_try(key, now)


def _limit_login(request: HttpRequest | None, name: str) -> dict[str, int]:
    """Return the limits of a login by key. A right password clears the first key's tries."""
    if request is None:
        return {f"user {name.casefold()}": TRIES}
    if browser := _find_browser(request, name):
        return {f"browser {browser}": TRIES}
    network = find_network_of_caller(request)
    return {f"{network} {name.casefold()}": TRIES, network: TRIES_OF_ADDRESS}


def _find_browser(request: HttpRequest, name: str) -> str:
    """Return the browser's cookie if this person has logged in with it before, else ""."""
    cookie = request.get_signed_cookie(
        COOKIE, default="", salt=_SALT, max_age=COOKIE_SECONDS
    )
    whose, _, _ = str(cookie).partition(":")
    return str(cookie) if cookie and whose == _hash_name(name) else ""


def _hash_name(name: str) -> str:
    return salted_hmac(_SALT, name.casefold()).hexdigest()[:32]
