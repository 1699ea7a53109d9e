"""The form in which addresses and devices are compared, and which never count."""

from ipaddress import ip_network

import pytest

from referrals import fraud_signals


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7\n", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    ],
)
def test_an_address_is_compared_whole_or_by_its_household(text, compared):
    assert fraud_signals.normalise_address(text) == compared


@pytest.mark.parametrize(
    "text",
    ["", "unknown", "203.0.113.7:8080", "0.0.0.1", "10.1.2.3", "100.64.0.1", "100.127.255.255",
     "127.0.0.1", "169.254.1.1", "172.31.0.1", "192.168.1.1", "::", "::1", "fd00::1", "fe80::1",
     "::ffff:10.0.0.1"],
)  # fmt: skip
def test_an_address_that_strangers_share_never_counts(text):
    assert fraud_signals.normalise_address(text) is None


@pytest.mark.parametrize(
    "text", ["100.63.255.255", "100.128.0.0", "172.32.0.1", "11.0.0.1"]
)
def test_the_neighbours_of_shared_networks_count(text):
    assert fraud_signals.normalise_address(text) == text


def test_an_ignored_network_never_counts():
    office = fraud_signals.parse_networks("203.0.113.0/24\n2001:db8::/32\n198.51.100.7")

    assert fraud_signals.normalise_address("203.0.113.7", office) is None
    assert fraud_signals.normalise_address("2001:db8:1::1", office) is None
    assert fraud_signals.normalise_address("198.51.100.7", office) is None
    assert fraud_signals.normalise_address("198.51.100.8", office) == "198.51.100.8"


def test_networks_are_written_one_a_line():
    assert fraud_signals.parse_networks("") == ()
    assert fraud_signals.parse_networks("192.0.2.1/24\n\n") == (
        ip_network("192.0.2.0/24"),
    )
    with pytest.raises(ValueError, match="office"):
        fraud_signals.parse_networks("192.0.2.0/24\noffice")


def test_a_device_is_compared_without_case():
    assert fraud_signals.normalise_device(" 7F3A-Bc ") == "7f3a-bc"


@pytest.mark.parametrize("text", ["", " ", "0", "00000000-0000-0000-0000-000000000000"])
def test_an_all_zero_id_never_counts(text):
    assert fraud_signals.normalise_device(text) is None
