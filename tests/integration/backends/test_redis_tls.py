"""Redis behind TLS: whose certificate is accepted, and that everything works over it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import trustme

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.queue import connect
from flask_realtime.backends.redis.link import RedisLink
from tests.redis_server import RedisServer, wait_until
from tests.tls_proxy import TlsProxy

PATIENCE = 20.0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def authority_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def behind_tls(redis_server: RedisServer) -> Iterator[Callable[..., int]]:
    """Puts TLS with a certificate in front of Redis, and returns the port."""
    with ExitStack() as stack:
        yield lambda *args: stack.enter_context(TlsProxy(redis_server.port, *args)).port


def complaint(url: str) -> str:
    """The error that a call raises."""
    with closing(RedisLink(url, PATIENCE)) as link, pytest.raises(BackendUnavailable) as refused:
        link.call(lambda client: client.ping())
    return str(refused.value)


def is_reachable(backend: Backend) -> bool:
    """Whether a health check passes."""
    with suppress(BackendUnavailable):
        backend.check()
        return True
    return False


def test_servers_share_a_redis_behind_tls(authority: trustme.CA, authority_file: Path, behind_tls: Callable[..., int]) -> None:
    port = behind_tls(authority.issue_cert("localhost"))
    url, channel = f"rediss://localhost:{port}/0?ssl_ca_certs={authority_file}", uuid.uuid4().hex
    received: list[Envelope] = []
    backends: list[Backend] = [connect(url, channel=channel, retention=60.0) for _ in range(2)]
    for backend in backends:
        wait_until(lambda backend=backend: is_reachable(backend))  # type: ignore[misc]
        backend.start(received.append, lambda *_change: None)
    one, other = backends
    one.connected_users.add("ann", "c1")
    wait_until(lambda: other.connected_users.online(["ann"]) == {"ann"})
    wait_until(lambda: all(backend.bus is not None and backend.bus.is_connected for backend in backends))
    envelope = Envelope("send", {"n": 1}, ('2["n",1]',))
    one.publish(envelope)
    wait_until(lambda: received == [envelope])
    for backend in backends:
        backend.stop(PATIENCE)


def test_a_certificate_of_an_unknown_authority_is_refused(
    authority: trustme.CA, behind_tls: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    port = behind_tls(authority.issue_cert("localhost"))
    with caplog.at_level(logging.WARNING):
        text = complaint(f"rediss://localhost:{port}/0")
    assert text.startswith(f"Redis at rediss://localhost:{port}/0 cannot be reached: its certificate is not accepted: ")
    assert "ssl_ca_certs=" in text
    assert [record.getMessage() for record in caplog.records] == [text]


def test_a_certificate_of_another_host_is_refused(
    authority: trustme.CA, authority_file: Path, behind_tls: Callable[..., int]
) -> None:
    port = behind_tls(authority.issue_cert("redis.example.org"))
    text = complaint(f"rediss://localhost:{port}/0?ssl_ca_certs={authority_file}")
    assert "its certificate is not accepted: " in text
    assert "'localhost'" in text
    assert "ssl_check_hostname=no" in text
    with closing(RedisLink(f"rediss://localhost:{port}/0?ssl_ca_certs={authority_file}&ssl_check_hostname=no", PATIENCE)) as link:
        assert link.call(lambda client: client.ping())


def test_a_redis_that_wants_a_certificate_gets_the_one_of_the_url(
    authority: trustme.CA, authority_file: Path, behind_tls: Callable[..., int], tmp_path: Path
) -> None:
    port = behind_tls(authority.issue_cert("localhost"), authority)
    url = f"rediss://localhost:{port}/0?ssl_ca_certs={authority_file}"
    assert "cannot be reached" in complaint(url)
    client_file = tmp_path / "client.pem"
    authority.issue_cert("chat").private_key_and_cert_chain_pem.write_to_path(str(client_file))
    with closing(RedisLink(f"{url}&ssl_certfile={client_file}&ssl_keyfile={client_file}", PATIENCE)) as link:
        assert link.call(lambda client: client.ping())


def test_verification_can_be_switched_off(authority: trustme.CA, behind_tls: Callable[..., int]) -> None:
    port = behind_tls(authority.issue_cert("redis.example.org"))
    with closing(RedisLink(f"rediss://localhost:{port}/0?ssl_cert_reqs=none", PATIENCE)) as link:
        assert link.call(lambda client: client.ping())
