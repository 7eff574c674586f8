"""Lists: the rows of a query as one value of another query's row."""

from __future__ import annotations

from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, ScalarSelect, Select, func, select


def as_list(db: SQLAlchemy, query: Select[Any]) -> ScalarSelect[list[Any] | None]:
    """Return a query's only column as a list, in the query's order; it may be NULL instead of empty.

    A query inside another is run for each row of that one, and its limit holds for each: there is nothing else of which no database
    reads more than it has to.

    Args:
        db: The application's Flask-SQLAlchemy object.
        query: The query, which names with `correlate` what it takes from the surrounding one.
    """
    rows = query.subquery("listed")
    (column,) = rows.c
    is_postgresql = db.session.get_bind().dialect.name == "postgresql"
    gathered = func.json_agg(column, type_=JSON) if is_postgresql else func.json_group_array(column, type_=JSON)
    return select(gathered).scalar_subquery()
