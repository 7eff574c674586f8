"""Parts of a database that are made and dropped with a table, such as a trigger or an index that SQLAlchemy does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Table, event, inspect


class Attached(Protocol):
    """Part of a database that belongs to a table."""

    def create(self, connection: Connection) -> None:
        """Make it."""

    def drop(self, connection: Connection) -> None:
        """Drop it."""

    def is_complete(self, connection: Connection) -> bool:
        """Return whether it is there."""


_INFO: Final = "realtime_attached"


def attach(attached: Attached, model: type[Any]) -> None:
    """Have a part made after a model's table, and dropped before it, by `create_all` and `drop_all`.

    Args:
        attached: The part.
        model: The model.
    """

    def created(_table: Table, connection: Connection, **_options: Any) -> None:
        attached.create(connection)

    def dropped(_table: Table, connection: Connection, **_options: Any) -> None:
        attached.drop(connection)

    table = inspect(model).local_table
    event.listen(table, "after_create", created)
    event.listen(table, "before_drop", dropped)
    table.info.setdefault(_INFO, []).append(attached)


def attached_to(table: Table) -> Sequence[Attached]:
    """Return the parts that are made with a table."""
    parts: list[Attached] = table.info.get(_INFO, [])
    return parts
