"""The database that a command reads: what is wrong with it is the failure of the command, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask_realtime.errors import ConfigError
from flask_realtime.terminal import CommandFailed


@contextmanager
def database_needed() -> Iterator[None]:
    """Turn a missing store, a missing table and an outage of the database into the failure of a command."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - most commands need no database

    try:
        yield
    except ConfigError as error:
        raise CommandFailed(str(error)) from None
    except SQLAlchemyError as error:
        reason = str(error).partition("\n")[0]
        msg = f"The database cannot be used: {reason}. Check that it runs, and that its tables are those of the models."
        raise CommandFailed(msg) from None
