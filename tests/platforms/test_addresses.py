"""Where a store may live."""

from __future__ import annotations

import pytest

from platforms.addresses import AddressRefused, check_base_url, is_public


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_these_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.51.100.7", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "2001:db8::1", "shop",
    ],
)  # fmt: skip
def test_these_addresses_are_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    ["https://acme.example", "https://acme.example:8443/shop", "https://93.184.216.34/", "https://[2606:4700::1111]"],
)
def test_these_base_urls_are_taken(url: str) -> None:
    assert check_base_url(url).geturl() == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://acme.example", "https://"),
        ("ftp://acme.example", "https://"),
        ("acme.example", "host"),
        ("https://", "host"),
        ("https://acme.example:port", "URL"),
        ("https://[::1", "URL"),
        ("https://acme.example/a b", "host"),
        ("https://acme.example\\@evil.example", "host"),
        ("https://key:s3cret@acme.example", "credentials"),
        ("https://acme.example/?token=s3cret", "query"),
        ("https://acme.example/#s3cret", "fragment"),
        ("https://127.0.0.1", "not a public address"),
        ("https://[::1]:8000", "not a public address"),
        ("https://169.254.169.254/latest", "not a public address"),
        ("https://127.1", "four decimal numbers"),
        ("https://2130706433", "four decimal numbers"),
        ("https://0x7f000001", "four decimal numbers"),
        ("https://localhost", "local network"),
        ("https://shop.localhost.", "local network"),
        ("https://metadata.google.internal", "local network"),
    ],
)
def test_these_base_urls_are_refused_without_repeating_a_secret(url: str, reason: str) -> None:
    with pytest.raises(AddressRefused, match=reason) as caught:
        check_base_url(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost", "https://10.0.0.5/shop", "http://[::1]:1"]
)
def test_a_sandbox_may_live_in_the_own_network(url: str) -> None:
    assert check_base_url(url, allow_private=True).geturl() == url


def test_even_a_sandbox_writes_its_numbers_plainly() -> None:
    with pytest.raises(AddressRefused, match="four decimal numbers"):
        check_base_url("http://127.1:8000", allow_private=True)
