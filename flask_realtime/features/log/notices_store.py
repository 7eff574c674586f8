"""Notices of PostgreSQL that events were written to the log: `NOTIFY`, on a channel that has the table's name.

They are sent after the commit, in a transaction of their own: PostgreSQL lets the transactions that notify commit one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, func, select

from flask_realtime.features.log.models import LogEntryMixin

WAIT_SECONDS: Final = 5.0
"""Seconds between two looks whether anybody still wants to hear."""


class Notices:
    """The notices of one log.

    Args:
        db: The application's Flask-SQLAlchemy object.
        entry: The model of the log.
    """

    def __init__(self, db: SQLAlchemy, entry: type[LogEntryMixin]) -> None:
        self._db = db
        self._entry = entry

    def send(self) -> None:
        """Send one, if the database has them."""
        engine = self._engine()
        if engine.dialect.name == "postgresql":
            with engine.begin() as connection:
                connection.execute(select(func.pg_notify(self._entry.__tablename__, "")))

    def listen(self, heard: Callable[[], None], wait: Callable[[int, float], bool], goes_on: Callable[[], bool]) -> bool:
        """Call a function for the notices that come, and return whether there can be any; see `Outbox.listen`."""
        engine = self._engine()
        if engine.dialect.driver != "psycopg":
            return False
        channel = engine.dialect.identifier_preparer.quote(self._entry.__tablename__)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            driver: Any = connection.connection.driver_connection
            libpq = driver.pgconn
            connection.detach()  # The pool is for those who give back what they take.
            connection.exec_driver_sql(f"LISTEN {channel}")
            heard()  # What was written before.
            while goes_on():
                if not wait(libpq.socket, WAIT_SECONDS):
                    continue
                libpq.consume_input()
                if list(iter(libpq.notifies, None)):
                    heard()
        return True

    def _engine(self) -> Engine:
        bind = self._db.session.get_bind(self._entry)
        return bind.engine
