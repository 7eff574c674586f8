"""Revocation: ends connections whose tokens the application has revoked after they were opened."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import gevent
from flask_jwt_extended import JWTManager

from flask_realtime.contract.effects import Emit
from flask_realtime.feature.connections import Connection
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.authentication.hooks import AUTHENTICATE, REVOKED_TOKENS, RevokedTokens
from flask_realtime.features.authentication.tokens import EXTENSION
from flask_realtime.identity import Identity

TOKEN_REVOKED: Final = "token revoked"  # noqa: S105 - no password
"""The reason for the `on_disconnect` hooks and the log."""

_BATCH: Final = 100
"""Connections whose tokens are checked in one application context, before yielding to others."""

_LOADER: Final = "_token_in_blocklist_callback"
"""Attribute in which Flask-JWT-Extended keeps the blocklist loader; it has no public one."""

_NO_LOADER: Final = getattr(JWTManager(), _LOADER, None)

Loader = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]
Held = tuple[Connection, Identity]


class RevocationCheck:
    """Periodically checks which tokens are revoked: by the `revoked_tokens` hook, else by Flask-JWT-Extended's blocklist loader.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self._context = context
        self._clock = context.clock
        self._interval: float | None = context.config.revocation_interval
        self._next: float | None = None
        self._timer = context.timer(self._next_round, self._round)

    def watch(self) -> None:
        """Start checking, now that there is a connection."""
        if self._interval is not None and (self._context.is_registered(REVOKED_TOKENS) or self._loader() is not None):
            self._timer.wake()

    def _loader(self) -> Loader | None:
        if self._context.is_registered(AUTHENTICATE):
            return None  # There are no tokens of Flask-JWT-Extended's to ask it about.
        loader: Loader | None = getattr(self._context.app.extensions.get(EXTENSION), _LOADER, None)
        return None if loader is _NO_LOADER else loader

    def _next_round(self) -> float | None:
        if self._interval is None or not self._context.has_connections():
            self._next = None
        elif self._next is None:
            self._next = self._clock() + self._interval
        return self._next

    def _round(self) -> Iterable[Emit]:
        everyone = [(connection, connection.identity) for connection in self._context.connections() if connection.user_id]
        reported = False
        try:
            for start in range(0, len(everyone), _BATCH):
                reported = self._check(everyone[start : start + _BATCH], reported=reported)
                self._context.let_others_run()
        finally:
            self._next = None  # The next one is an interval after the end of this one.
        return ()

    def _check(self, batch: list[Held], *, reported: bool) -> bool:
        """End the connections of a batch whose tokens are revoked, and return whether a failure has been reported."""
        waiting = deque(batch)
        left = len(batch) + 1
        while 0 < len(waiting) < left:  # Each time some must have been asked about, or it will not come to it.
            left = len(waiting)
            revoked: list[Held] = []
            try:
                self._context.in_app_context(self._ask, waiting, revoked)
            except (Exception, gevent.Timeout) as error:  # noqa: BLE001 - the other connections are still to be asked about
                if not reported:
                    self._context.report(error)
                reported = True
            for connection, identity in revoked:
                if connection.identity is identity:  # It may have got another token meanwhile.
                    self._context.disconnect(connection, TOKEN_REVOKED)
        return reported

    def _ask(self, waiting: deque[Held], revoked: list[Held]) -> None:
        hooks, loader = self._context.functions(REVOKED_TOKENS), self._loader()
        if hooks:
            batch = list(waiting)
            waiting.clear()
            revoked += _ask_hook(hooks[0], batch)
            return
        while waiting:
            # Taken out first: whatever fails is not asked about a second time, and the rest in a context without its traces.
            connection, identity = held = waiting.popleft()
            if loader is not None and loader(dict(connection.token_header), dict(identity.claims)):
                revoked.append(held)


def _ask_hook(hook: RevokedTokens, batch: Iterable[Held]) -> list[Held]:
    by_token: dict[str, list[Held]] = {}
    for held in batch:
        token_id = held[1].claims.get("jti")
        if isinstance(token_id, str):
            by_token.setdefault(token_id, []).append(held)
    answer = hook(list(by_token)) if by_token else ()
    if isinstance(answer, str):
        msg = "revoked_tokens must return the ids of tokens, not a string"
        raise TypeError(msg)
    return [held for token_id in set(answer) for held in by_token.get(token_id, ())]
