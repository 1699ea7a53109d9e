"""Where alerts may go: to the public network, whatever an address is dressed as."""

import pytest

from clevertap_sync.clevertap.client.public_addresses import is_public


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "93.184.215.14",
        "2606:4700:4700::1111",
        "64:ff9b::1.1.1.1",
        "::ffff:1.1.1.1",
    ],
)
def test_what_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("192.0.0.8", "192.0.0.192", "192.88.99.1", "198.18.0.1", "203.0.113.7"),
        *("224.0.0.1", "255.255.255.255", "240.0.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff0e::1"),
        *("2001:db8::1", "3fff::1", "100::1", "5f00::1", "2001:20::1"),
        # An IPv4 address in it: mapped, compatible, by NAT64, 6to4, Teredo.
        *("::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::169.254.169.254"),
        *("64:ff9b:1::1.1.1.1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:1::1"),
    ],
)
def test_what_is_not(address):
    assert not is_public(address)
