"""The example application, which is killed when it has stored a message of the text `LAST_WORDS`, before it answers."""

# ruff: noqa: E402 - gevent patches the standard library before anything uses it.
from gevent import monkey

monkey.patch_all()

import os
import signal
from threading import local
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from example_app.__main__ import main

LAST_WORDS = os.environ["LAST_WORDS"]

_stored = local()


def notice(_connection: Any, _cursor: Any, _statement: str, parameters: Any, *_more: Any) -> None:
    """Notice that the message is about to be stored in this request's transaction."""
    if LAST_WORDS in map(str, parameters):
        _stored.is_last = True


def die(_session: Session) -> None:
    """End at once if the message is committed."""
    if getattr(_stored, "is_last", False):
        os.kill(os.getpid(), signal.SIGKILL)


event.listen(Engine, "before_cursor_execute", notice)
event.listen(Session, "after_commit", die)

if __name__ == "__main__":
    main()
