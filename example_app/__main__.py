"""Development server of the example, under gevent: `python -m example_app`."""

# ruff: noqa: E402, T201 - gevent patches the standard library before anything uses it; the banner is for a person.
from gevent import monkey

monkey.patch_all()

import sys

from flask import Flask
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from example_app.address import AddressError, read_address, url_of
from example_app.database import DEMO_PASSWORD, DEMO_USERS
from example_app.extensions import realtime
from example_app.factory import create_app
from example_app.settings import database_url
from flask_realtime.errors import ConfigError

BANNER = """\
Open {url} in two browser windows, and log in as two of the users to chat.
Users: {users}; the password is {password!r}. {administrator} is an administrator.
Without a browser:

  curl -X POST {url}/api/auth/login -H 'Content-Type: application/json' \\
    -d '{{"username": "{administrator}", "password": "{password}"}}'
"""


def main() -> None:
    """Serve on `HOST` and `PORT`, by default http://127.0.0.1:3000."""
    try:
        host, port = read_address()
    except AddressError as error:
        sys.exit(str(error))
    app = _make_app()
    print(
        BANNER.format(
            url=url_of(host, port),
            users=", ".join(DEMO_USERS),
            administrator=DEMO_USERS[0],
            password=DEMO_PASSWORD,
        ),
        flush=True,
    )
    realtime.run(app, host=host, port=port)


def _make_app() -> Flask:
    """Make the application, or exit with one line that names the setting of the environment that cannot work."""
    try:
        return create_app()
    except ConfigError as error:
        sys.exit(_one_line(error))
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        sys.exit(
            f"The database {_database()} cannot be used: {_one_line(reason)}. Set DATABASE_URL to another, such as "
            "sqlite:////folder/you/can/write/to/example.sqlite3 or postgresql://user:password@host/name."
        )


def _database() -> str:
    """Return the database's address without its password."""
    try:
        return make_url(database_url()).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        return "in DATABASE_URL"


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split()).rstrip(".")


if __name__ == "__main__":
    main()
