"""Tables of a store, and what an application's database lacks of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import inspect

from flask_realtime.database.attached import attached_to
from flask_realtime.database.base import RealtimeModelMixin


class StoredTables:
    """The tables of a store's models.

    Args:
        db: The application's Flask-SQLAlchemy object.
        models: The models.
    """

    def __init__(self, db: SQLAlchemy, models: Iterable[type[RealtimeModelMixin]]) -> None:
        self._db = db
        self._models = tuple(models)

    def is_set_up(self, extensions: Mapping[str, object]) -> bool:
        """Return whether an application, by its extensions, is one that `db` is set up on."""
        return extensions.get("sqlalchemy") is self._db

    def missing(self) -> tuple[list[str], list[str], list[str]]:
        """Return the tables that the current application's database lacks, and the columns and parts that it lacks of the others.

        Raises:
            SQLAlchemyError: The database cannot be asked.
        """
        tables: list[str] = []
        columns: list[str] = []
        parts: list[str] = []
        for model in self._models:
            table = inspect(model).local_table
            database = inspect(self._db.session.get_bind(model))
            if not database.has_table(table.name, schema=table.schema):
                tables.append(table.fullname)
                continue
            there = {column["name"] for column in database.get_columns(table.name, schema=table.schema)}
            columns += [f"{table.fullname}.{column.name}" for column in table.columns if column.name not in there]
            connection = self._db.session.connection({"mapper": model})
            parts += [repr(part) for part in attached_to(table) if not part.is_complete(connection)]
        return tables, columns, parts
