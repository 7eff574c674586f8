"""What tests rely on where they share a PostgreSQL server."""

import psycopg
import pytest
from sqlalchemy import create_engine, inspect

from tests.postgresql_server import PostgresqlServer


def test_a_database_that_is_lent_again_is_empty_whatever_the_last_one_left_open() -> None:
    with PostgresqlServer() as server:
        with server.new_database() as first:
            left = psycopg.connect(first.replace("+psycopg", ""))
            left.execute("CREATE TABLE kept (id INTEGER)")
            left.commit()
            left.execute("LOCK TABLE kept")
        left.close()
        with server.new_database() as second:
            engine = create_engine(second)
            assert inspect(engine).get_table_names() == []
            engine.dispose()
            with pytest.raises(psycopg.OperationalError, match="does not exist"):
                psycopg.connect(first.replace("+psycopg", ""))


def test_a_connection_that_was_in_use_when_its_pool_was_disposed_of_is_closed_with_its_database() -> None:
    with PostgresqlServer() as server:
        with server.new_database() as address:
            engine = create_engine(address)
            with engine.connect() as connection:
                left = connection.connection.driver_connection
                engine.dispose()
            assert isinstance(left, psycopg.Connection)
            assert not left.closed
        assert left.closed
