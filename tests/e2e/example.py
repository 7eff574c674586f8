"""The example application as the tests run it, and its users."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import requests
from werkzeug.security import generate_password_hash

SECONDS = 30.0
KEY = "a secret of at least 32 characters"


class User:
    """A user who is logged in.

    Args:
        url: The server's address.
        name: The user's name; the password is the demo's.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self.token = self.conversation = ""
        session = self.call("POST", "/api/auth/login", {"username": name, "password": "demo"})
        self.token, self.id = session["accessToken"], session["user"]["id"]

    def moved_to(self, url: str) -> None:
        """Go on with the same token on another server."""
        self._url = url

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API, which must succeed, and return the JSON of the answer."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = requests.request(method, self._url + path, json=body, headers=headers, timeout=SECONDS)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


def add_users(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Insert users straight into the database, more than may register at once; their password is the demo's.

    Returns:
        The ids of all users by name.
    """
    alice = "FROM users WHERE username = 'alice'"
    query = f"INSERT INTO users (username, password_hash, is_administrator) SELECT ?, password_hash, 0 {alice}"
    address = environment(folder)["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(address)) as database, database:
        database.executemany(query, [(name,) for name in names])
        return {name: str(user_id) for name, user_id in database.execute("SELECT username, id FROM users")}


def environment(folder: Path) -> dict[str, str]:
    """The example's variables, and its database in a folder as its first start leaves it."""
    database = folder / "example.sqlite3"
    if not database.exists():
        database.write_bytes(_first_start())
    return {
        "DATABASE_URL": f"sqlite:///{database}",
        "DEMO_MESSAGES": "false",
        "JWT_SECRET_KEY": KEY,
        "REALTIME_RECOVERY_FOLDER": str(folder / "recovery"),
    }


@cache
def _first_start() -> bytes:
    """The database after the example's first start, whose passwords are quickly checked; made once for all servers."""
    from example_app import create_app  # noqa: PLC0415 - not every user of this module has it

    quick = partial(generate_password_hash, method="pbkdf2:sha256:1")
    with TemporaryDirectory() as folder, patch("example_app.database.hash_password", quick):
        database = Path(folder) / "example.sqlite3"
        settings = {"SQLALCHEMY_DATABASE_URI": f"sqlite:///{database}", "JWT_SECRET_KEY": KEY, "DEMO_MESSAGES": False}
        create_app(settings, instance_path=folder)
        return database.read_bytes()
