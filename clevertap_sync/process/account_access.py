"""How this process reaches an integration's account: credentials and open connections."""

import threading

from django.conf import settings

from clevertap_sync.clevertap.client import Client
from clevertap_sync.clevertap.connection_check import Credentials
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.models import Integration

_CLIENTS_PER_THREAD = 8

_local = threading.local()


def read_credentials(integration: Integration) -> Credentials:
    """Return the integration's credentials, with the passcode still encrypted."""
    account = integration.account
    return Credentials(
        Location(account.location),
        account.account_id,
        integration.passcode,
        settings.CLEVERTAP_BASE_URL,
    )


def open_client(integration: Integration) -> Client:
    """Return this thread's client of the account; it keeps the connection open."""
    credentials = read_credentials(integration)
    clients: dict[Credentials, Client] = _local.__dict__.setdefault("clients", {})
    if credentials not in clients:
        if len(clients) >= _CLIENTS_PER_THREAD:
            clients.pop(next(iter(clients))).close()
        clients[credentials] = credentials.make_client(settings.REQUEST_SECONDS)
    return clients[credentials]
