"""An application with a large conversation, in which a message mentions everyone."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from secrets import token_hex
from typing import Any

from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, cast, event, literal, select, union_all, update

from flask_realtime import Identity, Realtime
from flask_realtime.features.messages.everyone_store import NOTIFIED_AT_ONCE
from flask_realtime.features.messages.sending import NewMessage
from flask_realtime.store import Store, define_models
from flask_realtime.testing import run_due_jobs
from tests.integration.conftest import KEY

OWNER = "owner"
KILLED = 9
PARTS = 3
MEMBERS = [f"user{number}" for number in range(PARTS * NOTIFIED_AT_ONCE - NOTIFIED_AT_ONCE // 2)]
"""Members beside the owner: as many as are notified with the message, by a part of the job, and by half of another one."""


class EveryoneApp:
    """The application; its store has a log.

    Args:
        database_url: The address of its database.
    """

    def __init__(self, database_url: str) -> None:
        self.app = Flask(__name__)
        self.app.config.update(JWT_SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI=database_url, REALTIME_ASYNC_MODE="threading")
        JWTManager(self.app)
        self.db = SQLAlchemy(self.app)
        self.store = Store(self.db, define_models(self.db, log=True))
        self.realtime = Realtime()
        self.store.register(self.realtime)
        self.realtime.init_app(self.app)

    def fill(self) -> str:
        """Make the tables and the conversation, and return its id."""
        self.db.create_all()
        return self.store.conversations.create([OWNER, *MEMBERS]).id

    def mention_everyone(self, conversation_id: str = "1", *others: str) -> str:
        """Send a message as the owner, and return its id."""
        message = NewMessage(conversation_id, token_hex(8), "look", mentions=("*", *others))
        shown: Mapping[str, Any] = self.store.messages._send_for(Identity(OWNER, {}), message).message
        return str(shown["id"])

    def run(self) -> int:
        """Run what is due."""
        self.db.session.rollback()
        return run_due_jobs(self.app)

    def forget_claims(self) -> None:
        """Let the time go by until the leases have run out."""
        job = self.store.models.job
        assert job is not None
        self.db.session.execute(update(job).values(due_at=job.created_at))
        self.db.session.commit()

    def notified(self) -> Counter[str]:
        """How many notifications each user has; the log tells of as many."""
        self.db.session.rollback()
        return self.notified_so_far()

    def notified_so_far(self) -> Counter[str]:
        """The same within the current transaction."""
        notification, entry = self.store.models.notification, self.store.models.log_entry
        assert entry is not None
        stored = select(literal("stored"), "user:" + notification.user_id)
        logged = select(literal("logged"), cast(entry.room, String)).where(entry.event == "notification:new")
        # In one statement: between two, a part of the job may be committed.
        found = Counter(map(tuple, self.db.session.execute(union_all(stored, logged))))
        counts = {kind: {room: times for (of, room), times in found.items() if of == kind} for kind in ("stored", "logged")}
        assert counts["stored"] == counts["logged"]
        return Counter({room.removeprefix("user:"): times for room, times in counts["stored"].items()})


@contextmanager
def everyone_app(database_url: str) -> Iterator[EveryoneApp]:
    """The application, with an open application context."""
    made = EveryoneApp(database_url)
    with made.app.app_context():
        yield made
        made.db.session.remove()
        made.db.engine.dispose()


def run_and_die(database_url: str, moment: str) -> None:
    """Run the job, and end the process without a word at the end of its first part.

    Args:
        database_url: The address of the database.
        moment: "before_commit" or "after_commit" of the part.
    """
    with everyone_app(database_url) as chat:
        commits = count()

        def die(_session: object) -> None:
            if next(commits) == 1:  # The first commit is that of the claim.
                os._exit(KILLED)

        event.listen(chat.db.session, moment, die)
        run_due_jobs(chat.app)


if __name__ == "__main__":
    run_and_die(*sys.argv[1:])
