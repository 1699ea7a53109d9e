"""Which addresses are public, so that a request to a typed-in host may go there. Pure.

Python's `is_global` follows the registries of IANA, and its answers change from release
to release. It judges an IPv6 address alone, although some of them carry an IPv4 address
to which a gateway forwards the request.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

#: Ranges that we refuse beside those that are not global: Python's releases judge them
#: differently, or they lead into our own network.
#: References: https://www.iana.org/assignments/iana-ipv4-special-registry and
#: https://www.iana.org/assignments/iana-ipv6-special-registry
_RESERVED: Final = tuple(
    ip_network(text)
    for text in (
        *("192.0.0.0/24", "192.88.99.0/24", "::/8", "64:ff9b:1::/48", "100::/8"),
        *("2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10"),
    )
)
#: Where the last 32 bits are an IPv4 address (RFC 6052).
_NAT64: Final = ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Return whether an IP address, with or without a zone, is public."""
    return all(
        ip.is_global
        and not ip.is_multicast
        and not any(ip in network for network in _RESERVED)
        for ip in _with_inner(address)
    )


def _with_inner(address: str) -> Iterator[IPv4Address | IPv6Address]:
    """Yield the address, and the IPv4 address that it carries, if any."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        yield ip
    elif ip.ipv4_mapped:
        yield ip.ipv4_mapped
    elif ip in _NAT64:
        yield IPv4Address(int(ip) & 0xFFFFFFFF)
    else:
        yield ip
        if ip.sixtofour:
            yield ip.sixtofour
