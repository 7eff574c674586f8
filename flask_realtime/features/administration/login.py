"""Log-ins of administrators: passwords, and the sessions that stand for them afterwards."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import AbstractContextManager
from secrets import compare_digest, token_urlsafe
from typing import Any, Final

from werkzeug.security import check_password_hash

from flask_realtime.allowances import FailedLoginLimiter, retry_after
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.errors import ConnectionRefused
from flask_realtime.feature.values import Record
from flask_realtime.features.administration.events import INVALID_CREDENTIALS, LogIn
from flask_realtime.features.administration.settings import AdminSettings
from flask_realtime.logs import get_logger
from flask_realtime.rates import parse_rate

logger = get_logger(__name__)

SESSION_SECONDS: Final = 12 * 3600.0
"""Seconds for which a log-in is remembered."""

_FAILURES: Final = parse_rate("6/minute, burst 10")
"""Failed log-ins of one address."""

_MAX_CHECKS: Final = 4
"""Passwords that are checked at once: each takes a thread, and tens of MiB for a moment."""

_BUSY_SECONDS: Final = 1.0


class LogIns:
    """Decides who is an administrator.

    Args:
        settings: The log-in.
        sessions: The sessions of all servers.
        compute: Calls a function without blocking other connections.
        lock: Guards what is counted; nothing waits while it is held.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        settings: AdminSettings,
        sessions: Record,
        compute: Callable[..., Any],
        lock: AbstractContextManager[Any],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._compute = compute
        self._lock = lock
        self._clock = clock
        self._failures = FailedLoginLimiter(_FAILURES)
        self._checking: list[str] = []

    def authenticate(self, log_in: LogIn, address: str) -> str | None:
        """Check a log-in, and return the id of a new session; None if it has one, or none could be kept.

        Raises:
            ConnectionRefused: It is wrong, or its address has to wait.
        """
        if wait := self._failures.wait(address, self._clock()):
            raise _too_many(wait)
        if log_in.session_id is not None and self._is_known(log_in.session_id):
            return None
        if log_in.username is not None and log_in.password is not None and self._is_right(log_in, address):
            logger.info("administration: log-in address=%s", address)
            return self._new_session()
        with self._lock:
            self._failures.note(address, self._clock())
        logger.warning("administration: log-in refused address=%s", address)
        raise ConnectionRefused(INVALID_CREDENTIALS)

    def _is_right(self, log_in: LogIn, address: str) -> bool:
        with self._lock:
            # One at a time for each address, so that nobody tries many before the first has failed.
            if address in self._checking or len(self._checking) >= _MAX_CHECKS:
                raise _too_many(_BUSY_SECONDS)
            self._checking.append(address)
        try:
            # The password is checked even if the name is wrong, so that the time taken does not reveal it.
            matches = self._compute(check_password_hash, self._settings.password_hash, log_in.password)
        finally:
            with self._lock:
                self._checking.remove(address)
        is_name = compare_digest(str(log_in.username).encode(), self._settings.username.encode())
        return bool(matches) and is_name

    def _proof(self, session_id: str) -> tuple[str, str]:
        """Return a session's key in the record, and what is kept there; another password has other ones."""
        digest = hmac.new(self._settings.password_hash.encode(), session_id.encode(), "sha256").hexdigest()
        return digest[:32], digest[32:]

    def _is_known(self, session_id: str) -> bool:
        key, proof = self._proof(session_id)
        try:
            kept = self._sessions.get(key).value
        except BackendUnavailable:
            return False
        return isinstance(kept, str) and compare_digest(kept, proof)

    def _new_session(self) -> str | None:
        session_id = token_urlsafe(24)
        key, proof = self._proof(session_id)
        try:
            self._sessions.put(key, proof, expected=0)
        except BackendUnavailable:
            return None  # The page asks for the password again after a reload.
        return session_id


def _too_many(wait: float) -> ConnectionRefused:
    msg = "Too many attempts to log in; try again later"
    return ConnectionRefused(msg, code="rate_limited", retry_after=retry_after(wait))
