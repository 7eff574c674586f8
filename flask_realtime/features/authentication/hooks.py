"""The hook of authentication."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator

REVOKED_TOKENS: Final = Hook("revoked_tokens", ("token_ids",), is_single=True)

RevokedTokens = Callable[[Sequence[str]], Iterable[str]]
RevokedTokensT = TypeVar("RevokedTokensT", bound=RevokedTokens)


class AuthenticationHooks(HookDecorators):
    """The decorator of the hook of authentication."""

    @hook_decorator
    def revoked_tokens(self, hook: RevokedTokensT) -> RevokedTokensT:
        """Register the hook that says which of some access tokens have been revoked. There can be one.

        It gets their ids, the `jti` claims of at most 100 connections, and returns those that are revoked; their connections
        end. It is asked every `REALTIME_REVOCATION_INTERVAL` seconds, in place of Flask-JWT-Extended's blocklist loader, which
        takes one token at a time. If it fails, no connection ends. When a client connects, the loader alone is asked.
        """
        return self.hook(REVOKED_TOKENS)(hook)
