"""How alerts leave: the settings of Django's e-mail, from one address."""

from typing import Any, Final

from integration_project.addresses import read_address
from integration_project.environment import UnusableError

_BACKENDS: Final = {
    **dict.fromkeys(("smtp", "smtps", "smtp+tls", "smtp+ssl"), "smtp"),
    "consolemail": "console",
    "filemail": "filebased",
    "memorymail": "locmem",
    "dummymail": "dummy",
}


def read_mail_url(url: str) -> dict[str, Any]:
    """Return Django's `EMAIL_…` settings for `smtp+tls://user:password@host:587`.

    Raises `UnusableError`, which names the fault.
    """
    address = read_address(url, schemes=tuple(_BACKENDS))
    backend = _BACKENDS[address.scheme]
    if backend == "smtp" and not address.host:
        raise UnusableError(because="it names no host")
    if address.query:
        raise UnusableError(because="it has a query, and nothing there is read")
    return {
        "EMAIL_BACKEND": f"django.core.mail.backends.{backend}.EmailBackend",
        "EMAIL_HOST": address.host,
        "EMAIL_PORT": int(address.port) if address.port else None,
        "EMAIL_HOST_USER": address.user,
        "EMAIL_HOST_PASSWORD": address.password,
        "EMAIL_USE_TLS": address.scheme in {"smtps", "smtp+tls"},
        "EMAIL_USE_SSL": address.scheme == "smtp+ssl",
        "EMAIL_FILE_PATH": address.path.removeprefix("/"),
    }
