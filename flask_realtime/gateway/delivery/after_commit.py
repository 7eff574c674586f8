"""Events that wait for the commit of the application's `db.session`, by SQLAlchemy's events of sessions.

Each waits with the innermost savepoint that is open when it is called, or with the transaction itself::

    begin          emit a                  a
    begin_nested   emit b                  a │ b
      release                              a, b
    begin_nested   emit c                  a, b │ c
      rollback                             a, b
    commit         a and b are sent

A savepoint's events go to what it is in when it ends, unless it was rolled back. The transaction's are sent when it has ended,
since SQLAlchemy allows no queries between the commit and that. What an event needs of the database first is done right before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from flask import Flask, has_app_context

from flask_realtime.errors import ConfigError
from flask_realtime.feature.context import BeforeCommit
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_INFO_KEY: Final = "flask_realtime.after_commit"


class Transaction(Protocol):
    """A transaction or a savepoint: SQLAlchemy's `SessionTransaction`."""

    @property
    def parent(self) -> Transaction | None:
        """The transaction that it is in."""

    @property
    def nested(self) -> bool:
        """Return whether it is a savepoint."""


class Session(Protocol):
    """A session of SQLAlchemy."""

    info: dict[Any, Any]

    def get_transaction(self) -> Transaction | None:
        """Return the outermost transaction, or None if none has begun."""

    def get_nested_transaction(self) -> Transaction | None:
        """Return the innermost savepoint, or None if there is none."""


class WaitingEvent(NamedTuple):
    """An event that waits for a commit.

    Args:
        name: The event's name, for the log.
        send: Sends it.
        before: What there is to do before, or None.
    """

    name: str
    send: Callable[[], object]
    before: BeforeCommit | None = None


class WaitingEvents:
    """The events that wait for the commit of one session.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        from sqlalchemy import event  # noqa: PLC0415 - an application without a database loads no SQLAlchemy

        self._by_transaction: dict[Transaction, deque[WaitingEvent]] = {}
        self._is_committed = False
        event.listen(session, "before_commit", self._committing)
        event.listen(session, "after_commit", self._committed)
        event.listen(session, "after_rollback", self._rolled_back)
        event.listen(session, "after_transaction_end", self._ended)

    def add(self, transaction: Transaction, waiting: WaitingEvent) -> None:
        """Add an event that waits for the commit of a transaction."""
        self._by_transaction.setdefault(transaction, deque()).append(waiting)

    def _committing(self, session: Session) -> None:
        transaction = session.get_transaction()
        if transaction is None or session.get_nested_transaction() is not None:
            return
        subjects: dict[Callable[[list[Any]], object], list[Any]] = {}
        for waiting in self._by_transaction.get(transaction, ()):
            if waiting.before is not None:
                subjects.setdefault(waiting.before.function, []).append(waiting.before.subject)
        for function, found in subjects.items():
            function(found)

    def _committed(self, session: Session) -> None:
        self._is_committed = session.get_nested_transaction() is None

    def _rolled_back(self, session: Session) -> None:
        transaction = _innermost(session)
        if transaction is not None:
            # It is open until the application ends it, and keeps nothing that is called until then.
            self._by_transaction[transaction] = deque(maxlen=0)

    def _ended(self, _session: Session, transaction: Transaction) -> None:
        waiting = self._by_transaction.pop(transaction, None)
        if transaction.parent is not None:
            if waiting:
                self._by_transaction.setdefault(_enclosing(transaction.parent), deque()).extend(waiting)
            return
        is_committed, self._is_committed = self._is_committed, False
        if waiting:
            (_send if is_committed else _warn)(waiting)


def _innermost(session: Session) -> Transaction | None:
    return session.get_nested_transaction() or session.get_transaction()


def _enclosing(transaction: Transaction) -> Transaction:
    """Return a transaction, or the one around it if it is only that of a flush."""
    while not transaction.nested and transaction.parent is not None:
        transaction = transaction.parent
    return transaction


def _send(events: deque[WaitingEvent]) -> None:
    for waiting in events:
        try:
            waiting.send()
        except Exception:  # The transaction is committed: the caller of `commit` must not take it for failed.
            logger.exception("The event %s could not be sent after the commit", waiting.name)


def _warn(events: deque[WaitingEvent]) -> None:
    names = ", ".join(dict.fromkeys(waiting.name for waiting in events))
    logger.warning(
        "Not sent, because db.session was closed without a commit: %s. Reading begins a transaction too; commit it, "
        "or emit with after_commit=False.",
        names,
    )


class AfterCommit:
    """Finds the transaction that an event has to wait for.

    Args:
        app: The application.
        by_default: Whether calls wait that do not say whether they do.
    """

    def __init__(self, app: Flask, *, by_default: bool) -> None:
        self._app = app
        self.by_default: Final = by_default

    def wait(self, name: str, prepare: Callable[[], Callable[[], object]], before: BeforeCommit | None = None) -> bool:
        """Let an event wait for the commit of the current transaction of `db.session`.

        Args:
            name: The event's name.
            prepare: Returns what sends the event; called only if it waits.
            before: What there is to do before the commit, or None.

        Returns:
            Whether it waits; if not, there is no transaction.

        Raises:
            ConfigError: The application has no Flask-SQLAlchemy.
        """
        session = self._current_session()
        transaction = None if session is None else _innermost(session)
        if session is None or transaction is None:
            return False
        send = prepare()
        events = session.info.get(_INFO_KEY)
        if events is None:
            events = session.info[_INFO_KEY] = WaitingEvents(session)
        events.add(transaction, WaitingEvent(name, send, before))
        return True

    def _current_session(self) -> Session | None:
        extension = self._app.extensions.get("sqlalchemy")
        if extension is None:
            msg = (
                f"after_commit needs Flask-SQLAlchemy, and it is not set up on the application {self._app.name!r}. Did you forget "
                "to call 'db.init_app'? Without a database, emit with after_commit=False, and leave REALTIME_AFTER_COMMIT unset."
            )
            raise ConfigError(msg)
        session: Session | None = extension.session() if has_app_context() else None
        return session
