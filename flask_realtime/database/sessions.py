"""Transactions of the store, on the application's `db.session`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import IntegrityError

from flask_realtime.errors import NotFound


@contextmanager
def committing(db: SQLAlchemy) -> Iterator[None]:
    """Commit what the block wrote, or roll it back if it failed.

    Raises:
        NotFound: A row that the block refers to, a conversation or a user, does not exist or has just gone.
    """
    try:
        yield
        db.session.commit()
    except IntegrityError as error:
        db.session.rollback()
        raise NotFound from error
    except BaseException:
        db.session.rollback()
        raise
