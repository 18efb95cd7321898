"""Addresses that the server may call: public ones, resolved once and then held on to."""

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit


class Refused(ValueError):
    """The address may not be called; the message says why."""


@dataclass(frozen=True)
class Pinned:
    """An address to connect to, and the host that it was asked for (certificate, Host header)."""

    url: str
    host: str
    host_header: str


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    mapped = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    if mapped is not None:
        ip = mapped
    # 64:ff9b::/96 (RFC 6052) reaches IPv4 addresses through a translator: their last 32 bits count.
    if isinstance(ip, ipaddress.IPv6Address) and ip in ipaddress.ip_network("64:ff9b::/96"):
        ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.is_global and not ip.is_multicast


def check_url(url: str) -> None:
    """Raises Refused for what can't be an address to call: other schemes, a name and password, no host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused("not an address") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused("only http and https addresses can be called")
    if parts.username or parts.password:
        raise Refused("a name or password in the address isn't allowed")
    if port == 0:
        raise Refused("port 0")


def pin(url: str, *, private_hosts: Collection[str] = ()) -> Pinned:
    """Resolve the host once and put the address in its place, so that nobody can answer otherwise between the check
    and the call. Every address of the host must be public, unless the host is in `private_hosts`.

    Raises: Refused.
    """
    check_url(url)
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise Refused("the host has no address") from error
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not addresses:
        raise Refused("the host has no address")
    if host not in private_hosts and not all(_is_public(address) for address in addresses):
        raise Refused("the host has an address that isn't public")
    address = addresses[0]
    place = f"[{address}]" if ":" in address else address
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    shown = f"[{host}]" if ":" in host else host
    return Pinned(
        f"{parts.scheme}://{place}:{port}{path}", host, shown if parts.port is None else f"{shown}:{parts.port}"
    )
