"""Whose address counts, of those that a request names."""

import pytest
from django.test import RequestFactory

from integration_project.caller import find_network_of_caller


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer", "network"),
    [
        (0, "203.0.113.7", "10.0.0.1", "10.0.0.1"),
        (1, "203.0.113.7", "10.0.0.1", "203.0.113.7"),
        (1, "192.0.2.1, 203.0.113.7", "10.0.0.1", "203.0.113.7"),
        (2, "192.0.2.1, 203.0.113.7, 10.0.0.2", "10.0.0.1", "203.0.113.7"),
        # Fewer hops than proxies: nobody of ours has added one.
        (1, "", "198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.7", "198.51.100.1", "198.51.100.1"),
        # Azure and some others add ports.
        (1, "203.0.113.7:51234", "10.0.0.1", "203.0.113.7"),
        (1, "[2001:db8:1:2::7]:51234", "10.0.0.1", "2001:db8:1:2::/64"),
        (1, "2001:db8:1:2:3:4:5:6", "10.0.0.1", "2001:db8:1:2::/64"),
        (1, "fe80::1%eth0", "10.0.0.1", "fe80::/64"),
        (1, "::ffff:203.0.113.7", "10.0.0.1", "203.0.113.7"),
        (1, "unknown", "10.0.0.1", "10.0.0.1"),
        (1, "a, , ", "10.0.0.1", "10.0.0.1"),
        (0, "", "", ""),
        (0, "", "unix:", "unix:"),
    ],
)
def test_the_hop_that_our_outermost_proxy_added_counts(
    settings, proxies, forwarded, peer, network
):
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get(
        "/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded
    )

    assert find_network_of_caller(request) == network
