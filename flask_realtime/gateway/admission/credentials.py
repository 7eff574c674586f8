"""Credentials of clients: kept of the handshake, verified at CONNECT, reduced once the client is admitted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, Final, Protocol

from flask_realtime.feature.serving import ServedNamespace
from flask_realtime.gateway.admission.handshake import for_application, for_authentication
from flask_realtime.gateway.connection import Session
from flask_realtime.gateway.limits.connect_limiter import ConnectLimiter
from flask_realtime.identity import Identity

_ANONYMOUS: Final[tuple[Identity, Mapping[str, Any]]] = (Identity("", {}), {})
"""The identity in an open namespace."""


class AuthenticationState(Protocol):
    """Authenticates connection attempts."""

    @property
    def asks_application(self) -> bool:
        """Return whether the application authenticates connections itself, for which it may need any header."""

    def authenticate(self, auth: object, environ: Mapping[str, Any]) -> tuple[Identity, Mapping[str, Any]]:
        """Return the identity behind a connection attempt, and the header of the token; or raise `ConnectionRefused`."""


class Origins(Protocol):
    """The pages that may connect."""

    @property
    def allows_any_origin(self) -> bool:
        """Return whether any web page may connect."""


class Credentials:
    """Verifies credentials, and limits the attempts of each address and the connects of each user.

    Args:
        authentication: Authenticates connection attempts.
        limiter: Counts attempts and connects.
        origins: The pages that may connect.
        open_namespaces: The namespaces that need no credentials.
        served: The namespaces of features, which authenticate their clients.
    """

    def __init__(
        self,
        authentication: AuthenticationState,
        limiter: ConnectLimiter,
        origins: Origins,
        open_namespaces: Collection[str],
        served: Mapping[str, ServedNamespace],
    ) -> None:
        self._served = served
        self._authentication = authentication
        self._limiter = limiter
        self._origins = origins
        self._open_namespaces = open_namespaces

    @cached_property
    def _asks_application(self) -> bool:
        # Cached at the first session, after which no hook can be registered.
        return self._authentication.asks_application

    def kept_of(self, environ: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the part of a handshake's environment that is kept to authenticate its client."""
        if self._asks_application:
            return for_application(environ, any_origin=self._origins.allows_any_origin)
        return for_authentication(environ)

    def identify(self, session: Session, namespace: str, auth: object) -> tuple[Identity, Mapping[str, Any]]:
        """Return the identity of a client that connects to a namespace, and the header of its token.

        Raises:
            ConnectionRefused: Its credentials are not valid, or its address has tried too often.
        """
        if namespace in self._served:
            return self._served[namespace].authenticate(auth, session.address), {}
        if namespace in self._open_namespaces:
            return _ANONYMOUS
        with self._limiter.attempt(session.address):
            identity, token_header = self._authentication.authenticate(auth, session.environ)
        return identity, token_header

    def check_rate(self, identity: Identity) -> None:
        """Check that a user may connect once more.

        Raises:
            ConnectionRefused: The user has connected too often.
        """
        if identity.user_id:
            self._limiter.check(identity.user_id)

    def admitted(self, session: Session, user_id: str, *, is_counted: bool = True) -> None:
        """Count an admitted client, unless it came back, and reduce what is kept of its handshake."""
        if not self._asks_application:
            session.keep_essentials()
        if user_id and is_counted:
            self._limiter.connected(user_id)
