"""Who is calling: the address that guesses are counted by.

What stands in X-Forwarded-For is the caller's own word, but for the hops that proxies of
ours have added at its end.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from referrals import fraud_signals


def find_network_of_caller(request: HttpRequest) -> str:
    """Return the caller's IPv4 address, or the network of its IPv6 address.

    That is the hop that the outermost of `TRUSTED_PROXIES` has added; where there are
    fewer hops, or that is no address, whoever is connected to us.
    """
    return find_network_in(request.META)


def find_network_in(environ: Mapping[str, Any]) -> str:
    """Return the same of a request of which WSGI's environment is known."""
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
