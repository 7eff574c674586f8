"""What tests rely on where they share a PostgreSQL server."""

import psycopg
import pytest
from sqlalchemy import create_engine, inspect, make_url

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


def test_a_database_that_is_filled_as_another_one_was_is_a_copy_of_what_that_was_filled_with() -> None:
    made = 0
    found = []
    with PostgresqlServer() as server:
        for _ in range(3):
            with server.new_database() as address:

                def create(address: str = address) -> None:
                    nonlocal made
                    made += 1
                    with psycopg.connect(address.replace("+psycopg", "")) as connection:
                        connection.execute("CREATE TABLE filled (id INTEGER)")

                name = make_url(address).database
                assert name is not None
                server.fill(name, "a table", create)
                with psycopg.connect(address.replace("+psycopg", "")) as connection:
                    connection.execute("INSERT INTO filled VALUES (1)")
                    found += connection.execute("SELECT id FROM filled").fetchall()
    assert (made, found) == (1, [(1,)] * 3)


def test_a_database_that_is_filled_twice_keeps_what_is_in_it() -> None:
    with PostgresqlServer() as server:
        for contents in ("first", "second", "second"):
            with server.new_database() as address:
                name = make_url(address).database
                assert name is not None
                server.fill(name, "nothing", lambda: None)
                with psycopg.connect(address.replace("+psycopg", "")) as connection:
                    connection.execute("CREATE TABLE kept (id INTEGER)")
                server.fill(name, contents, lambda: None)
                with psycopg.connect(address.replace("+psycopg", "")) as connection:
                    assert connection.execute("SELECT id FROM kept").fetchall() == []
