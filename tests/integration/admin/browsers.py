"""The browsers of people who have logged in, for tests that are not about logging in."""

import time
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from django.utils.crypto import get_random_string

from integration_project.session_end import USED_AT


def a_browser_of(user: User) -> Client:
    """Return a browser with a session of the user's: `force_login` by one statement.

    Django's way writes a session, gives it another name, removes the first one and notes
    the login at the user: fifteen statements, which took a seventh of these tests' time.
    """
    key = get_random_string(32)
    store = SessionStore(key)
    end = timezone.now() + timedelta(hours=settings.SESSION_HOURS)
    Session.objects.create(
        session_key=key,
        session_data=store.encode(
            {
                SESSION_KEY: str(user.pk),
                BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
                HASH_SESSION_KEY: user.get_session_auth_hash(),
                USED_AT: int(time.time()),
                "_session_expiry": end.isoformat(),
            }
        ),
        expire_date=end,
    )
    browser = Client()
    browser.cookies[settings.SESSION_COOKIE_NAME] = key
    return browser
