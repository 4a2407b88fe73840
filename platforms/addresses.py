"""Which addresses a store may live at: the one place that tells a public host from one inside our own network."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 6052: the well-known prefix under which NAT64 reaches an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 6761 and RFC 8375, and what clouds and home routers use in the same sense.
_LOCAL_NAMES = frozenset({"localhost", "local", "internal", "arpa"})


class AddressRefused(ValueError):
    """A base URL the gateway will not talk to. The message names the host, never a path, query or credentials."""


def is_public(address: str) -> bool:
    """True for an address of the public internet; false for private, loopback, link-local, multicast and reserved
    ones, for IPv6 addresses that carry such an IPv4 address inside, and for what is not an address at all."""
    try:
        parsed: IPAddress = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed in _NAT64:
        return _is_global(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    return all(_is_global(one) for one in (parsed, *_embedded(parsed)))


def _is_global(address: IPAddress) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: IPAddress) -> tuple[IPAddress, ...]:
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    return ()


def check_base_url(url: str, *, allow_private: bool = False) -> SplitResult:
    """The parts of a store's base URL, if it is one we may use: https, or http where `allow_private`; no user, query
    or fragment; a literal address or local name only where `allow_private`. Raises `AddressRefused`. A name is checked
    again each time it is resolved."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError:
        raise AddressRefused("the store's address is not a URL") from None
    if not host or any(c.isspace() or not c.isprintable() or c == "\\" for c in url):
        raise AddressRefused("the store's address is not a URL with a host")
    if parts.scheme not in ({"https", "http"} if allow_private else {"https"}):
        raise AddressRefused(f"{host}: the store's address must start with https://")
    if "@" in parts.netloc:
        raise AddressRefused(f"{host}: credentials do not belong in the store's address")
    if parts.query or parts.fragment:
        raise AddressRefused(f"{host}: the store's address may not have a query or a fragment")
    if _is_odd_number(host):
        raise AddressRefused(f"{host}: write an IPv4 address as four decimal numbers")
    if not allow_private and _is_literal(host) and not is_public(host):
        raise AddressRefused(f"{host} is not a public address")
    if not allow_private and host.rstrip(".").rpartition(".")[2] in _LOCAL_NAMES:
        raise AddressRefused(f"{host} is a name of the local network")
    return parts


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_odd_number(host: str) -> bool:
    """127.1, 0x7f000001, 2130706433 and their kind, which the operating system would read as an address."""
    try:
        socket.inet_aton(host)
    except (OSError, UnicodeError):
        return False
    return not _is_literal(host)
