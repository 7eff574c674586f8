"""Requests to push services, whose addresses come from clients: to public addresses alone, over TLS, and in bounded time.

The name is resolved once, and the connection is made to an address that was checked, so that a name cannot point elsewhere by then.
Redirects are not followed, proxies not used, and nothing is read of the answer but its status.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import Final
from urllib.parse import SplitResult, urlsplit

from flask_realtime.errors import BadRequest

TIMEOUT: Final = 10.0
"""Seconds for one message, from the connection to the status of the answer."""

_MAX_STATUS_LINE: Final = 512
_PORTS: Final = {"https": 443, "http": 80}
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""Where a gateway from IPv6 to IPv4 puts the addresses of IPv4."""


class PushFailed(Exception):
    """A push service could not be reached, or refused a message."""


class PushService:
    """Posts messages to push services.

    Args:
        allowed: Origins of the only services to use, whatever their addresses; None for all public ones with HTTPS.
        timeout: Seconds for one message.
    """

    def __init__(self, allowed: Sequence[str] | None, *, timeout: float = TIMEOUT) -> None:
        self._allowed = None if allowed is None else frozenset(allowed)
        self._timeout = timeout

    def check(self, endpoint: str) -> None:
        """Check that messages may be sent to an endpoint, as far as its text says.

        Raises:
            BadRequest: They may not.
        """
        try:
            url = urlsplit(endpoint)
            is_complete = bool(url.hostname) and url.port != 0 and url.username is None
        except ValueError:
            is_complete = False
        if not is_complete or not self._may_use(url):
            msg = "endpoint: expected the HTTPS URL of a push service that this server may use"
            raise BadRequest(msg)

    def _may_use(self, url: SplitResult) -> bool:
        if self._allowed is not None:
            return origin_of(url) in self._allowed
        return url.scheme == "https" and not _is_private_literal(str(url.hostname))

    def post(self, endpoint: str, headers: Mapping[str, str], body: bytes) -> int:
        """Post a message, and return the status of the answer.

        Args:
            endpoint: The URL.
            headers: Further headers.
            body: The message.

        Raises:
            PushFailed: There is no answer in time, or the address may not be used.
        """
        url = urlsplit(endpoint)
        target = url._replace(scheme="", netloc="", fragment="").geturl() or "/"
        lines = [f"POST {target} HTTP/1.1", f"Host: {url.netloc}", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join([*lines, "", ""]).encode("ascii") + body
        try:
            self.check(endpoint)
            return self._exchange(url, request, monotonic() + self._timeout)
        except (OSError, ValueError, BadRequest) as error:
            msg = f"the push service {url.hostname} cannot be used: {error}"
            raise PushFailed(msg) from error

    def _exchange(self, url: SplitResult, request: bytes, deadline: float) -> int:
        connection = _connect(self._addresses(url), deadline)
        try:
            if url.scheme == "https":
                connection = ssl.create_default_context().wrap_socket(connection, server_hostname=url.hostname)
            connection.settimeout(_left(deadline))
            connection.sendall(request)
            return _status(_read_line(connection, deadline))
        finally:
            connection.close()

    def _addresses(self, url: SplitResult) -> list[tuple[int, tuple[str, int]]]:
        port = url.port or _PORTS[url.scheme]
        found = socket.getaddrinfo(url.hostname, port, type=socket.SOCK_STREAM)
        if self._allowed is None and not all(is_public(str(address[0])) for *_, address in found):
            msg = "its name points to an address that is not public"
            raise ValueError(msg)
        return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


def origin_of(url: SplitResult) -> str:
    """Return the origin of a URL, as `REALTIME_PUSH_SERVICES` and the audience of a VAPID token have it."""
    return f"{url.scheme}://{url.netloc}"


def is_public(address: str) -> bool:
    """Return whether an address is one of the public internet, which no address of a private network hides in."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inside = ip.ipv4_mapped or (ip_address(int(ip) % 2**32) if ip in _NAT64 else None)
        if inside is not None:
            return is_public(str(inside))
        if ip.sixtofour or ip.teredo:
            return False
    return ip.is_global and not ip.is_multicast


def _is_private_literal(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return False  # A name, which is resolved when a message is sent.


def _connect(addresses: Sequence[tuple[int, tuple[str, int]]], deadline: float) -> socket.socket:
    problem: OSError = OSError("it has no address")
    for family, address in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(_left(deadline))
            connection.connect(address)
        except OSError as error:
            connection.close()
            problem = error
        else:
            connection.settimeout(_left(deadline))
            return connection
    raise problem


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        msg = "it did not answer in time"
        raise TimeoutError(msg)
    return left


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    line = b""
    while b"\r\n" not in line and len(line) < _MAX_STATUS_LINE:
        connection.settimeout(_left(deadline))
        received = connection.recv(_MAX_STATUS_LINE)
        if not received:
            break
        line += received
    return line.partition(b"\r\n")[0]


def _status(line: bytes) -> int:
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        msg = "it did not answer in HTTP"
        raise ValueError(msg)
    return int(rest[:3])
