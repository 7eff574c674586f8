"""Grouped calls of scripts: what many callers ask at the same time goes to Redis together, over one connection.

Whoever comes first sends what everybody has asked until then, and reads all answers. Whoever comes meanwhile waits for a turn, and
then has an answer already, or is the one who sends. So a single caller waits for nobody, and among many a call costs little more
than its script; with a connection for each caller, most of its cost would be system calls and waiting for a connection.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.exceptions import NoScriptError, ResponseError

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.forks import after_fork
from flask_realtime.backends.redis.connections import OwnConnection
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.script import Script, refused

MAX_GROUP: Final = 64
"""Maximum calls in a group, so that the last of them is answered in time too."""


class _Call:
    __slots__ = ("args", "deadline", "error", "is_done", "reply", "script")

    def __init__(self, script: Script, deadline: Callable[[], int], args: Sequence[str | int]) -> None:
        self.script = script
        self.deadline = deadline
        self.args = [_bulk(arg) for arg in args]
        self.reply: Any = None
        self.error = ""
        self.is_done = False

    def command(self, base: bytes, name: str, script: str) -> bytes:
        head = (b"*%d\r\n" % (5 + len(self.args)), _bulk(name), _bulk(script), _bulk(1), base, _bulk(self.deadline()))
        return b"".join((*head, *self.args))

    def result(self) -> Any:
        if self.error:
            raise BackendUnavailable(self.error)
        if isinstance(self.reply, ResponseError):
            raise refused(self.reply) from self.reply
        return self.reply


class GroupedCalls:
    """Runs scripts for any number of threads or greenlets.

    Args:
        link: The link to Redis.
        base: The prefix of the keys, the scripts' only key.
    """

    def __init__(self, link: RedisLink, base: str) -> None:
        self._link = link
        self._base = _bulk(base)
        self._begin()
        after_fork(self._begin)

    def _begin(self) -> None:
        self._turn = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._connection: OwnConnection | None = None

    def run(self, script: Script, deadline: Callable[[], int], *args: str | int) -> Any:
        """Run a script, and return its answer.

        Args:
            script: The script.
            deadline: Returns its first argument when it is sent.
            args: The others.

        Raises:
            BackendUnavailable: Redis cannot be reached, which is raised at once while that is known; whether it did anything is
                unknown. Or it refuses to run the script.
        """
        call = _Call(script, deadline, args)
        self._waiting.append(call)
        while not call.is_done:
            with self._turn:
                if not call.is_done:
                    self._send_group()
        return call.result()

    def close(self) -> None:
        """Close the connection; another call would make one again."""
        with self._turn:
            self._disconnect()

    def _send_group(self) -> None:
        group: list[_Call] = []
        while self._waiting and len(group) < MAX_GROUP:
            group.append(self._waiting.popleft())
        error = "The call was interrupted"
        try:
            self._ask(group)
            error = ""
        except BackendUnavailable as unavailable:
            error = str(unavailable)
        finally:
            if error:
                self._disconnect()  # Answers that nobody has read may be on their way.
            for call in group:
                call.error = error
                call.is_done = True

    def _ask(self, group: Sequence[_Call]) -> None:
        connection = self._open()
        replies = connection.ask_packed(*[call.command(self._base, "EVALSHA", call.script.digest) for call in group])
        unknown = []
        for call, reply in zip(group, replies, strict=True):
            call.reply = reply
            if isinstance(reply, NoScriptError):
                unknown.append(call)
        if unknown:
            replies = connection.ask_packed(*[call.command(self._base, "EVAL", call.script.text) for call in unknown])
            for call, reply in zip(unknown, replies, strict=True):
                call.reply = reply

    def _open(self) -> OwnConnection:
        if self._connection is not None and not (self._link.is_up and self._connection.is_open):
            self._disconnect()
        if self._connection is None:
            self._connection = self._link.connect()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _bulk(part: str | int) -> bytes:
    """Return an argument in Redis's protocol."""
    data = part.encode() if isinstance(part, str) else b"%d" % part
    return b"$%d\r\n%b\r\n" % (len(data), data)
