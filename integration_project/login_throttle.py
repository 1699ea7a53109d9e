"""Logging in, slowed down for whoever guesses.

Failures are counted per process, in memory: a guesser with many processes to ask gets
that many times the tries, which is still far too few, and nothing has to be stored about
anybody. A restart forgets.
"""

import threading
import time
from collections import deque
from typing import Any, Final

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

WINDOW_SECONDS: Final = 300.0
#: Wrong passwords for one user name from one address, and for one address in all.
TRIES: Final = 5
TRIES_OF_ADDRESS: Final = 20
_MOST_KEPT: Final = 10_000


class Throttle:
    """Counts failures by key within the window. Bounded, and safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, deque[float]] = {}

    def wait(self, key: str, tries: int, now: float) -> float:
        """Return the seconds until `key` may try again; 0 where it may now."""
        with self._lock:
            recent = self._recent(key, now)
            if len(recent) < tries:
                return 0.0
            return recent[-tries] + WINDOW_SECONDS - now

    def fail(self, key: str, now: float) -> None:
        """Count one failure."""
        with self._lock:
            if key not in self._failures and len(self._failures) >= _MOST_KEPT:
                self._failures.pop(next(iter(self._failures)))
            recent = self._recent(key, now)
            recent.append(now)
            self._failures[key] = recent

    def forget(self, key: str | None = None) -> None:
        """Forget the failures of `key`, or all of them."""
        with self._lock:
            if key is None:
                self._failures.clear()
            else:
                self._failures.pop(key, None)

    def _recent(self, key: str, now: float) -> deque[float]:
        recent = self._failures.get(key, deque(maxlen=TRIES_OF_ADDRESS))
        while recent and recent[0] <= now - WINDOW_SECONDS:
            recent.popleft()
        return recent


throttle = Throttle()


class ThrottledLoginForm(AdminAuthenticationForm):
    """The admin's login, which answers a guesser with a pause."""

    def clean(self) -> dict[str, Any]:
        """Check the password, unless it was wrong too often lately."""
        address = self._address()
        name = f"{address} {str(self.cleaned_data.get('username', '')).casefold()}"
        now = time.monotonic()
        wait = max(
            throttle.wait(name, TRIES, now),
            throttle.wait(address, TRIES_OF_ADDRESS, now),
        )
        if wait > 0:
            minutes = max(1, round(wait / 60))
            message = (
                "Too many wrong passwords. Wait about %(minutes)d min, then try again."
            )
            raise ValidationError(
                message, code="throttled", params={"minutes": minutes}
            )
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            throttle.fail(name, now)
            throttle.fail(address, now)
            raise
        throttle.forget(name)
        return cleaned

    def _address(self) -> str:
        """Return whom we talk to: the proxy's word for it only where a proxy is trusted."""
        meta = self.request.META if self.request else {}
        if settings.SECURE_PROXY:
            forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", ""))
            return forwarded.rpartition(",")[2].strip()
        return str(meta.get("REMOTE_ADDR", ""))
