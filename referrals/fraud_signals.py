"""IP addresses, device IDs and advertising IDs, in the form in which they are compared.

Pure. `None` means that a signal says nothing about fraud and is not kept: many people
share a private address, and a device that limits tracking has an all-zero advertising ID.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Network = IPv4Network | IPv6Network

# An IPv6 household or device owns a /64 and changes the rest of its address at will.
# Reference: https://www.rfc-editor.org/rfc/rfc8981
IPV6_PREFIX_BITS = 64

# Private, carrier-grade NAT, loopback, link-local, unspecified. Written down because
# `is_global` also excludes the documentation ranges, and its verdicts change with Python.
# Reference: https://www.iana.org/assignments/iana-ipv4-special-registry
SHARED_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::/128",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks that `text` lists, one a line; a bare address is one too.

    Raises `ValueError`, which names the line.
    """
    return tuple(ip_network(line, strict=False) for line in text.split())


def is_address(text: str) -> bool:
    """Return whether `text` is an IPv4 or IPv6 address."""
    return _parse_address(text) is not None


def normalise_address(text: str, ignored: Sequence[Network] = ()) -> str | None:
    """Return the IP address as it is compared, unless strangers share it."""
    parsed = _parse_address(text)
    if parsed is None or _is_shared(parsed):
        return None
    if any(parsed in network for network in ignored):
        return None
    return _format_compared(parsed)


def find_network(text: str) -> str | None:
    """Return any IP address as it is compared, or None where `text` is none."""
    parsed = _parse_address(text)
    return None if parsed is None else _format_compared(parsed)


def normalise_device(text: str) -> str | None:
    """Return a device or advertising ID as it is compared: case does not count."""
    folded = text.strip().casefold()
    # An all-zero ID is no ID.
    return folded if folded.strip("0-") else None


def _format_compared(parsed: IPv4Address | IPv6Address) -> str:
    """Return IPv4 whole, IPv6 by its /64."""
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), IPV6_PREFIX_BITS), strict=False))
    return str(parsed)


# An address comes back event after event: an office, a carrier, one user's session.
@lru_cache(maxsize=4096)
def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped
    return parsed


@lru_cache(maxsize=4096)
def _is_shared(parsed: IPv4Address | IPv6Address) -> bool:
    return any(parsed in network for network in SHARED_NETWORKS)
