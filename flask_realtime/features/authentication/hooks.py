"""Hooks of authentication."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator
from flask_realtime.identity import Identity

AUTHENTICATE: Final = Hook("authenticate", ("auth", "environ"), is_single=True)

REVOKED_TOKENS: Final = Hook("revoked_tokens", ("token_ids",), is_single=True)

RevokedTokens = Callable[[Sequence[str]], Iterable[str]]
Authenticate = Callable[["Mapping[str, Any] | None", Mapping[str, Any]], "Identity | None"]
AuthenticateT = TypeVar("AuthenticateT", bound=Authenticate)
RevokedTokensT = TypeVar("RevokedTokensT", bound=RevokedTokens)


class AuthenticationHooks(HookDecorators):
    """The decorators of the hooks of authentication."""

    @hook_decorator
    def authenticate(self, hook: AuthenticateT) -> AuthenticateT:
        """Register the hook that identifies the user of a connection, in place of JSON Web Tokens. There can be one.

        It gets the client's `auth`, or None, and the WSGI environment of the handshake, with its headers. It is called
        in a request context made from that environment, so that `flask.request`, `flask.session` and Flask-Login's `current_user`
        work. It returns an `Identity`, whose `expires_at` is its expiry, or None to refuse; it may refuse by raising
        `ConnectionRefused` with plain words for the client. If it fails, the connection is refused.

        It is called for each namespace that is not open, and for each `auth:refresh`, with `{"token": token}` as `auth`. Cookies
        do not reach it if any origin may connect.
        """
        return self.hook(AUTHENTICATE)(hook)

    @hook_decorator
    def revoked_tokens(self, hook: RevokedTokensT) -> RevokedTokensT:
        """Register the hook that returns which of some access tokens have been revoked. There can be one.

        It gets their ids, the `jti` claims of at most 100 connections, and returns those that are revoked; their connections
        end. It is called every `REALTIME_REVOCATION_INTERVAL` seconds, in place of Flask-JWT-Extended's blocklist loader, which
        takes one token at a time. If it fails, no connection ends. When a client connects, only the loader is called.
        """
        return self.hook(REVOKED_TOKENS)(hook)
