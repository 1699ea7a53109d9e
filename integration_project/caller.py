"""The caller's address, by which guesses at passwords and keys are counted.

A caller can write anything into X-Forwarded-For; only the hops that our own proxies
added at its end are certain.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from referrals import fraud_signals


def find_network_of_caller(request: HttpRequest) -> str:
    """Return the caller's IPv4 address, or the network of its IPv6 address.

    It is the hop that the outermost of `TRUSTED_PROXIES` added. Where there are fewer
    hops, or that hop is no address, it is the address of the connection.
    """
    return find_network_in(request.META)


def find_network_in(environ: Mapping[str, Any]) -> str:
    """Return the same from WSGI's environment of a request."""
    peer = str(environ.get("REMOTE_ADDR", ""))
    hops = str(environ.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    proxies = settings.TRUSTED_PROXIES
    hop = hops[-proxies] if 0 < proxies <= len(hops) else ""
    return _network(hop) or _network(peer) or peer


def _network(text: str) -> str | None:
    """Return it of `203.0.113.7`, `203.0.113.7:1234` or `[2001:db8::7]:1234`."""
    text = text.strip()
    inside, bracket, _ = text.removeprefix("[").partition("]")
    host, _, _ = text.partition(":")
    found = map(fraud_signals.find_network, (text, inside if bracket else "", host))
    return next(filter(None, found), None)
