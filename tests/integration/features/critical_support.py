"""An application with critical notifications, whose channels note what they get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flask_realtime import CriticalNotification, Realtime, tracing
from flask_realtime.store import Job, NotificationRecord, Store, define_models
from flask_realtime.testing import run_due_jobs
from tests.integration.conftest import KEY

ANN = "ann"


class CriticalApp:
    """The application: its channels are in `channels`, and what they get in `heard`.

    Args:
        database_url: The address of its database, which is empty.
        channels: The names of its channels.
        is_traced: Whether what happens is in `spans`.
        config: Its settings; a critical notification is due at once, unless they say otherwise.
    """

    def __init__(self, database_url: str, *channels: str, is_traced: bool = False, **config: Any) -> None:
        self.app = Flask(__name__)
        self.app.config.update(
            {"JWT_SECRET_KEY": KEY, "SQLALCHEMY_DATABASE_URI": database_url, "REALTIME_CRITICAL_TIMEOUT": 0, **config}
        )
        JWTManager(self.app)
        self.db = SQLAlchemy(self.app)
        self.realtime = Realtime()
        self.spans = InMemorySpanExporter()
        if is_traced:
            provider = TracerProvider()
            provider.add_span_processor(SimpleSpanProcessor(self.spans))
            self.tracer = provider.get_tracer("test")
            tracing.instrument(self.realtime, provider)
        self.heard: list[tuple[str, CriticalNotification]] = []
        self.broken: dict[str, Callable[[CriticalNotification], object]] = {}
        self.errors: list[Exception] = []
        for name in channels:
            self._add_channel(name)

        @self.realtime.on_error
        def note(error: Exception, _event: str | None, _identity: object) -> None:
            self.errors.append(error)

        self.store = Store(self.db, define_models(self.db))
        self.store.register(self.realtime)
        self.realtime.init_app(self.app)
        assert self.store.jobs is not None
        self.jobs = self.store.jobs

    def _add_channel(self, name: str) -> None:
        @self.realtime.notification_channel(name)
        def hear(notification: CriticalNotification) -> None:
            self.heard.append((name, notification))
            if name in self.broken:
                self.broken[name](notification)

    def names(self) -> list[str]:
        """The channels that were called."""
        return [name for name, _ in self.heard]

    def add(self, *, user_id: str = ANN, critical: bool = True) -> NotificationRecord:
        """Store a notification."""
        with self.app.app_context():
            return self.store.notifications.add(user_id, "alarm", "Fire", "Leave the house", critical=critical)

    def run(self) -> int:
        """Run what is due."""
        return run_due_jobs(self.app)

    def pending(self) -> list[Job]:
        """The jobs that are tried."""
        with self.app.app_context():
            return self.jobs.pending(100)

    def dead(self) -> list[Job]:
        """The dead letters."""
        with self.app.app_context():
            return self.jobs.dead_letters(100)

    def make_due(self) -> None:
        """Let the time go by until the jobs are tried again."""
        with self.app.app_context():
            for job in self.jobs.pending(100):
                row = self.db.session.get_one(self.store.models.job, int(job.id))  # type: ignore[arg-type]
                row.due_at = job.created_at
            self.db.session.commit()


@contextmanager
def critical_app(database_url: str, *channels: str, is_traced: bool = False, **config: Any) -> Iterator[CriticalApp]:
    """The application on a new database."""
    made = CriticalApp(database_url, *channels, is_traced=is_traced, **config)
    with made.app.app_context():
        made.db.create_all()
    try:
        yield made
    finally:
        with made.app.app_context():
            made.db.engine.dispose()
