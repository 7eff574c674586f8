"""Recovery of lost connections after a restart of the only server, which shares nothing with anybody."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import requests

from tests.e2e.api import Api
from tests.e2e.conftest import CONTRACT_APP, NewId, Open
from tests.e2e.network import Network
from tests.e2e.servers import Server, flask_run, gunicorn, poll
from tests.e2e.test_many_servers import may_be_killed
from tests.e2e.test_recovery import QUICK, told
from tests.e2e.test_recovery_servers import port_of
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
    return {"REALTIME_RECOVERY_FOLDER": str(tmp_path / "kept"), "REALTIME_DRAIN_TIME": 1}


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
        first, *again = client.recoveries
        # Now and then a client is back before the old worker has closed its socket, and then once more.
        assert (first, all(again), len(again) >= RESTARTS) == (False, True, True)
    assert [client.sid for client in clients] == sids


def send_all_the_time(api: Api, conversation: str, numbers: Iterator[int], sent: list[int], is_dead: threading.Event) -> None:
    """Send numbers one after the other, and note those that the server said it has sent, until it is dead."""
    with suppress(requests.RequestException):
        while not is_dead.is_set():  # A kill between two requests makes none fail.
            number = next(numbers)
            api.emit("send_to_conversation", conversation, "said", number)
            sent.append(number)


def test_what_is_sent_while_the_server_is_killed_reaches_all_of_its_clients_or_none(
    alone: Alone, open_client: Open, new_id: NewId
) -> None:
    api, conversation, numbers = alone.api, new_id("conversation"), count()
    clients = [open_client(api.url, api, new_id("user")) for _ in range(5)]
    for client in clients:
        client.call("join:conversation", conversation)
    sent: list[int] = []
    for times in range(1, 4):
        old, before = alone.workers(), len(sent)
        is_dead = threading.Event()
        sender = threading.Thread(target=send_all_the_time, args=(api, conversation, numbers, sent, is_dead))
        sender.start()
        assert poll(lambda before=before: len(sent) >= before + 20, SECONDS)  # type: ignore[misc]
        kill(alone)
        is_dead.set()
        sender.join()
        assert poll(partial(has_restarted, alone, old), SECONDS)
        for client in clients:
            client.wait_until_back(times)
    api.emit("send_to_conversation", conversation, "said", "last")
    heard = []
    for client in clients:
        client.wait_for("said", lambda data: data == "last")
        heard.append(told(client, "said"))
    assert all(numbers == heard[0] for numbers in heard)
    assert heard[0] == sorted(set(heard[0]))
    assert set(sent) <= set(heard[0])
    assert all(client.recoveries == [False, True, True, True] for client in clients)


def test_a_client_of_a_development_server_that_was_killed_loses_nothing(
    settings: dict[str, object], open_client: Open, new_id: NewId
) -> None:
    environment, user = {"CONTRACT_APP_CONFIG": json.dumps({**settings, **QUICK})}, new_id("ann")
    with ExitStack() as stack:
        first = stack.enter_context(may_be_killed(flask_run(CONTRACT_APP, environment)))
        network = stack.enter_context(Network(port_of(Api(first.url))))
        client = open_client(network.url, Api(first.url), user)
        sid = client.sid
        Api(first.url).emit("send_to_user", user, "told", 1)
        client.wait_for_number("told", 1)
        network.shut()
        network.lose("strand")
        Api(first.url).emit("send_to_user", user, "told", 2)
        first.kill()
        second = stack.enter_context(flask_run(CONTRACT_APP, environment))
        Api(second.url).emit("send_to_user", user, "told", 3)
        network.lead_to(port_of(Api(second.url)))
        network.open()
        client.wait_until_back(1)
        client.wait_for_number("told", 3)
        client.settle()
        assert told(client, "told") == [1, 2, 3]
        assert (client.sid, client.recoveries) == (sid, [False, True])
