"""Batches of rows that several processes work on at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select


def batch(query: Select[Any]) -> Select[Any]:
    """Return the ids of a batch, for `IN`, without the rows that others have just locked.

    PostgreSQL may run a subquery again for each row, and would find other rows each time; a common table expression it runs once.

    Args:
        query: Finds the ids, in order and with a limit.
    """
    return select(*query.with_for_update(skip_locked=True).cte("batch").c)
