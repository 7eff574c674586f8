"""INSERT statements that may meet rows that are there already."""

from __future__ import annotations

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects import postgresql, sqlite

from flask_realtime.database.base import RealtimeModelMixin


def insert_into(db: SQLAlchemy, model: type[RealtimeModelMixin]) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT in the database's own dialect, which has ON CONFLICT."""
    is_postgresql = db.session.get_bind(model).dialect.name == "postgresql"
    return postgresql.insert(model) if is_postgresql else sqlite.insert(model)
