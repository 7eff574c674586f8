"""Recovery of lost connections after a restart of the only server, which shares nothing with anybody."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.api import Api
from tests.e2e.conftest import CONTRACT_APP, NewId, Open
from tests.e2e.servers import Server, gunicorn, poll
from tests.e2e.test_recovery import QUICK, told
from tests.e2e.workers import Workers

CLIENTS = 50
RESTARTS = 2
"""Restarts in a row: with that many clients, a hundred recoveries."""

SECONDS = 60.0


class Alone:
    """A server with one worker.

    Args:
        server: Its gunicorn.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.api = Api(server.url)

    def workers(self) -> list[int]:
        """The process ids of all workers so far."""
        return Workers.booted(self)  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    return {**QUICK, "REALTIME_RECOVERY_FOLDER": str(tmp_path / "kept"), "REALTIME_DRAIN_TIME": 1}


@pytest.fixture
def alone(settings: dict[str, object], tmp_path: Path) -> Iterator[Alone]:
    notes = tmp_path / "notes"
    notes.touch()
    environment = {"CONTRACT_APP_CONFIG": json.dumps(settings), "CONTRACT_APP_NOTES": str(notes)}
    with gunicorn(CONTRACT_APP, environment) as server:
        yield Alone(server)


def kill(alone: Alone) -> None:
    os.kill(alone.workers()[-1], signal.SIGKILL)


def terminate(alone: Alone) -> None:
    os.kill(alone.workers()[-1], signal.SIGTERM)


def reload(alone: Alone) -> None:
    os.kill(alone.server.pid, signal.SIGHUP)


def has_restarted(alone: Alone, old: list[int]) -> bool:
    """Return whether there is one worker more, and no other."""
    return len(alone.workers()) == len(old) + 1 and not any(Path(f"/proc/{pid}").exists() for pid in old)


@pytest.mark.parametrize("restart", [kill, terminate, reload])
def test_clients_of_a_server_that_restarts_again_and_again_lose_nothing(
    alone: Alone, open_client: Open, new_id: NewId, restart: Callable[[Alone], None]
) -> None:
    api, conversation = alone.api, new_id("conversation")
    clients = [open_client(api.url, api, new_id("user")) for _ in range(CLIENTS)]
    sids = [client.sid for client in clients]
    for client in clients:
        client.call("join:conversation", conversation)
    sent = 0
    for times in range(1, RESTARTS + 1):
        for _ in range(5):
            api.emit("send_to_conversation", conversation, "said", sent)
            sent += 1
        old = alone.workers()
        restart(alone)
        assert poll(partial(has_restarted, alone, old), SECONDS)
        for client in clients:
            client.wait_until_back(times)
        api.emit("send_to_conversation", conversation, "said", sent)
        sent += 1
        for client in clients:
            client.wait_for_number("said", sent, SECONDS)
    for client in clients:
        client.settle()
        assert told(client, "said") == list(range(sent))
        assert client.recoveries == [False] + [True] * RESTARTS
    assert [client.sid for client in clients] == sids
