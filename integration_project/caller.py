"""Who is calling: the address that guesses are counted by.

What stands in X-Forwarded-For is the caller's own word, but for the hops that proxies of
ours have added at its end.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

#: One person may have all addresses of such a network.
#: Reference: https://www.rfc-editor.org/rfc/rfc6177
IPV6_PREFIX = 64


def network_of_caller(request: HttpRequest) -> str:
    """Return the caller's IPv4 address, or the network of its IPv6 address.

    That is the hop that the outermost of `TRUSTED_PROXIES` has added; where there are
    fewer hops, or that is no address, whoever is connected to us.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    hops = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    proxies = settings.TRUSTED_PROXIES
    hop = hops[-proxies] if 0 < proxies <= len(hops) else ""
    return _network(hop) or _network(peer) or peer


def _network(text: str) -> str:
    address = _address(text.strip())
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Network((int(address), IPV6_PREFIX), strict=False))
    return str(address or "")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in `203.0.113.7`, `203.0.113.7:1234` or `[2001:db8::7]:1234`."""
    inside, bracket, _ = text.removeprefix("[").partition("]")
    host, colon, _ = text.partition(":")
    for one in (text, inside if bracket else "", host if colon else ""):
        try:
            return ip_address(one.partition("%")[0])
        except ValueError:
            continue
    return None
