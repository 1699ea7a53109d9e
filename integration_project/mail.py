"""How alerts leave: the settings of Django's e-mail, from one address."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from integration_project.environment import UnusableUrlError


def mail(url: str) -> dict[str, Any]:
    """Return Django's `EMAIL_…` settings for `smtp+tls://user:password@host:587`."""
    try:
        settings: dict[str, Any] = environ.Env.email_url_config(url)
    except (ImproperlyConfigured, ValueError) as error:
        raise UnusableUrlError from error
    return settings
