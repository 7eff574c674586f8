"""Servers and workers of the application with critical notifications, and what its channel did."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flask_jwt_extended import create_access_token

from flask_realtime.store import Job, NotificationRecord
from tests.e2e.apps.critical_app import CriticalApp
from tests.e2e.servers import Server, gunicorn, poll, stopped_at_the_end

APP = "tests.e2e.apps.critical_app:create_app()"
CELERY_APP = "tests.e2e.apps.critical_celery_app"
SECONDS = 30.0
LEASE = 5.0
"""Seconds; longer than a channel waits in a test, and shorter than a test does."""


class Note(NamedTuple):
    """What the channel wrote down."""

    what: str
    pid: int
    job_id: str
    notification_id: str


class Critical:
    """A database, what the channel did, and the programs that share them.

    Args:
        database_url: The database, which is empty.
        folder: For what the channel writes down.
        config: Further settings.
    """

    def __init__(self, database_url: str, folder: Path, **config: Any) -> None:
        self._folder = folder
        self._config = {
            "SQLALCHEMY_DATABASE_URI": database_url,
            "NOTES_FOLDER": str(folder),
            "REALTIME_CRITICAL_TIMEOUT": 0.2,
            "REALTIME_JOBS_INTERVAL": 0.2,
            "REALTIME_JOBS_LEASE": LEASE,
            **config,
        }
        self.here = CriticalApp(self._config)
        with self.here.app.app_context():
            self.here.db.create_all()

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a program."""
        return {"CRITICAL_APP_CONFIG": json.dumps(self._config)}

    def close(self) -> None:
        """Close the database here."""
        with self.here.app.app_context():
            self.here.db.engine.dispose()

    def token(self, user_id: str) -> str:
        """An access token of a user."""
        with self.here.app.app_context():
            return str(create_access_token(user_id))

    def add(self) -> NotificationRecord:
        """Store a critical notification, by this process, which runs no jobs."""
        with self.here.app.app_context():
            return self.here.store.notifications.add("ann", "alarm", "Fire", "Leave the house", critical=True)

    def pending(self) -> list[Job]:
        """The jobs that are not done."""
        assert self.here.store.jobs is not None
        with self.here.app.app_context():
            return self.here.store.jobs.pending(100)

    def hold(self) -> None:
        """Let the channel wait from now on."""
        (self._folder / "hold").touch()

    def let_go(self) -> None:
        """Let the channel go on."""
        (self._folder / "hold").unlink()

    def notes(self, what: str) -> list[Note]:
        """What the channel wrote down of one kind."""
        file = self._folder / "notes"
        lines = [line.split() for line in file.read_text().split("\n")[:-1]] if file.exists() else []  # Whole lines alone.
        return [Note(line[0], int(line[1]), line[2], line[3]) for line in lines if line[0] == what]

    def wait_for(self, what: str, count: int = 1) -> list[Note]:
        """Wait until the channel has done something so often."""
        assert poll(lambda: len(self.notes(what)) >= count, SECONDS), f"{what}: {self.notes(what)} instead of {count}"
        return self.notes(what)

    def wait_until_done(self) -> None:
        """Wait until no job is left."""
        assert poll(lambda: self.pending() == [], SECONDS), self.pending()

    @contextmanager
    def serving(self, *options: str, ready: str | None = "/ready", application: str = APP, **variables: str) -> Iterator[Server]:
        """Serve the application with gunicorn."""
        with gunicorn(application, {**self.environment, **variables}, *options, ready=ready) as server:
            yield server

    @contextmanager
    def program(self, command: Sequence[str], **variables: str) -> Iterator[Server]:
        """Run a program of Python's, as ``python -m`` does."""
        server = Server([sys.executable, "-m", *command], {**self.environment, **variables})
        with stopped_at_the_end(server):
            yield server
