"""Restarts while clients are connected: nobody misses a message, and nobody seems to have left."""

import itertools
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import requests

from tests.e2e.clients import TRANSPORTS, Client, JSClient, JSDriver
from tests.e2e.conftest import CONTRACT_APP, NewId
from tests.e2e.servers import poll
from tests.e2e.workers import Workers, running_workers
from tests.redis_server import RedisServer

SECONDS = 30.0
LEASE = 6.0
ON_THE_WAY = 0.25
"""Seconds; between two servers, an event is on its way for a moment."""
CLIENTS_OF_A_KIND = 12
BACK_OFF = {"reconnection": True, "reconnectionDelay": 100, "reconnectionDelayMax": 1000}
StartWorkers = Callable[..., Workers]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def start_workers(redis: RedisServer) -> Iterator[StartWorkers]:
    """Starts the contract application with some workers."""
    assert redis.url  # Workers that share it are stopped before it is.
    with ExitStack() as stack:
        # Not pytest's: the workers' sockets are in it, and the name of a socket has 107 bytes at most.
        folder = Path(stack.enter_context(TemporaryDirectory()))
        notes = folder / "notes"
        notes.touch()

        def start(count: int, **config: Any) -> Workers:
            options = ("--graceful-timeout", "30")
            environment = {"CONTRACT_APP_NOTES": str(notes)}
            return stack.enter_context(
                running_workers(folder, *options, application=CONTRACT_APP, count=count, environment=environment, **config)
            )

        yield start


class Crowd:
    """Clients of all transports in one conversation, that come back by themselves."""

    def __init__(self, stack: ExitStack, driver: JSDriver, workers: Workers, conversation: str, new_id: NewId) -> None:
        self.conversation = conversation
        self.clients: dict[str, Client] = {}
        for mode, _ in itertools.product(TRANSPORTS, range(CLIENTS_OF_A_KIND)):
            user = new_id(mode)
            options = {**BACK_OFF, "auth": {"token": workers.api.token(user)}, "transports": TRANSPORTS[mode]}
            client = self.clients[user] = JSClient(driver, workers.url, options, conversation)
            stack.callback(client.release)

    def seen_offline(self) -> list[str]:
        """The users that anybody was told have gone."""
        events = [event for client in self.clients.values() for event in client.received("user:status-changed")]
        return [event.data["userId"] for event in events if event.data["status"] == "offline"]


class Background(ABC):
    """Does something all the time, until it is closed."""

    def __init__(self) -> None:
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @abstractmethod
    def _run(self) -> None:
        """Go on until it is over."""

    def close(self) -> None:
        """Stop."""
        self._is_over.set()
        self._thread.join()


class Poster(Background):
    """Posts messages all the time, again where a connection was refused or cut."""

    def __init__(self, workers: Workers, conversation: str) -> None:
        self._url, self._conversation = f"{workers.url}/emit/emit_new_message?via=method", conversation
        self.posted: list[tuple[int, float, float]] = []
        super().__init__()

    def _run(self) -> None:
        with requests.Session() as session:
            for number in itertools.count():
                if self._is_over.wait(0.02):
                    return
                began = time.time()
                while not self._post(session, number):
                    began = time.time()
                self.posted.append((number, began, time.time()))

    def _post(self, session: requests.Session, number: int) -> bool:
        try:
            return session.post(self._url, json={"args": [self._conversation, {"id": number}], "kwargs": {}}, timeout=SECONDS).ok
        except requests.ConnectionError:
            return False


def hang_up(workers: Workers) -> None:
    """Reload, as an operator does, and wait until the old workers are gone."""
    old = workers.booted()[-len(workers.pids) :]
    os.kill(workers.server.pid, signal.SIGHUP)
    for pid in old:
        workers.server.wait_for_line(rf"Worker exiting \(pid: {pid}\)", SECONDS)


def one_by_one(workers: Workers) -> None:
    """Stop each worker when the one before has been replaced."""
    for pid in workers.pids:
        before = len(workers.booted())
        os.kill(pid, signal.SIGTERM)
        workers.server.wait_for_line(rf"Worker exiting \(pid: {pid}\)", SECONDS)
        assert poll(lambda count=before: len(workers.booted()) > count, SECONDS)  # type: ignore[misc]


@pytest.mark.parametrize("restart", [hang_up, one_by_one])
def test_a_rolling_restart_shows_nobody_offline_and_loses_nothing(
    start_workers: StartWorkers, redis: RedisServer, driver: JSDriver, new_id: NewId, restart: Callable[[Workers], None]
) -> None:
    with ExitStack() as stack:
        workers = start_workers(4, REALTIME_MESSAGE_QUEUE=redis.url, REALTIME_SERVER_LEASE=LEASE, REALTIME_DRAIN_TIME=2)
        crowd = Crowd(stack, driver, workers, new_id("conversation"), new_id)
        poster = stack.enter_context(closing(Poster(workers, crowd.conversation)))
        first = {user: client.sid for user, client in crowd.clients.items()}
        seen: list[set[str]] = []
        asking = stack.enter_context(closing(Asking(workers, set(crowd.clients), seen)))
        restart(workers)
        assert poll(lambda: all(client.connected and client.sid != first[user] for user, client in crowd.clients.items()), SECONDS)
        assert poll(lambda: all(client.disconnect_reasons for client in crowd.clients.values()), SECONDS)
        time_to_reap = time.monotonic() + LEASE + LEASE / 5 + 2
        assert poll(lambda: time.monotonic() > time_to_reap, SECONDS)
        poster.close()
        asking.close()
        assert {reason for client in crowd.clients.values() for reason in client.disconnect_reasons} == {"transport close"}
        assert crowd.seen_offline() == []
        assert workers.api.hooks("offline") == []
        assert [users for users in seen if users] == []
        for client in crowd.clients.values():
            client.settle()
            assert missed(client, poster) == []


class Asking(Background):
    """Asks all the time who is online.

    Args:
        workers: Whom it asks.
        users: Who is to be.
        missing: Where it notes who was not.
    """

    def __init__(self, workers: Workers, users: set[str], missing: list[set[str]]) -> None:
        self._workers, self._users, self._missing = workers, users, missing
        super().__init__()

    def _run(self) -> None:
        url = f"{self._workers.url}/emit/get_online_users?via=method"
        while not self._is_over.wait(0.05):
            try:
                answer = requests.post(url, json={"args": [], "kwargs": {}}, timeout=SECONDS)
            except requests.ConnectionError:
                continue
            self._missing.append(self._users - set(answer.json()["result"]))


def missed(client: Client, poster: Poster) -> list[tuple[int, float, float]]:
    """The messages that were posted while a client was connected, and joined, and that it did not get.

    Each with the seconds from the client's joining to the post, and from the post to the client's end.
    """
    received = {event.data["id"] for event in client.received("message:new")}
    return [
        (number, began - start, end - ended)
        for number, began, ended in poster.posted
        if number not in received
        for start, end in client.joined_times()
        if start < began and ended < end - ON_THE_WAY
    ]


def test_without_a_message_queue_clients_come_back_and_hooks_run_once(
    start_workers: StartWorkers, driver: JSDriver, new_id: NewId
) -> None:
    with ExitStack() as stack:
        workers = start_workers(1, REALTIME_DRAIN_TIME=1)
        crowd = Crowd(stack, driver, workers, new_id("conversation"), new_id)
        first = {user: client.sid for user, client in crowd.clients.items()}
        hang_up(workers)
        assert poll(lambda: all(client.connected and client.sid != first[user] for user, client in crowd.clients.items()), SECONDS)
        gone = [args for args in workers.api.hooks("disconnect") if args[0] in first]
        assert sorted(gone) == sorted([user, "server shutting down"] for user in first)
        assert sorted(user for (user,) in workers.api.hooks("offline")) == sorted(first)
        assert {tuple(client.disconnect_reasons) for client in crowd.clients.values()} == {("transport close",)}


def ask(client: Client, answers: list[object]) -> None:
    answers.append(client.call("app:echo", 7))


def test_what_was_sent_before_the_end_is_answered(start_workers: StartWorkers, driver: JSDriver, new_id: NewId) -> None:
    answers: list[list[object]] = []
    with ExitStack() as stack:
        workers = start_workers(1, REALTIME_DRAIN_TIME=1)
        user = new_id("ann")
        for mode in TRANSPORTS:
            options = {"auth": {"token": workers.api.token(user)}, "transports": TRANSPORTS[mode]}
            client = JSClient(driver, workers.url, options)
            stack.callback(client.release)
            client.emit("app:sleep", 2.0)
            done: list[object] = []
            asking = threading.Thread(target=ask, args=(client, done))
            asking.start()
            assert poll(lambda: bool(workers.api.hooks("connect", user)), SECONDS)
            stack.callback(answers.append, done)
            stack.callback(asking.join)
        os.kill(workers.pids[0], signal.SIGTERM)
        workers.server.wait_for_line(rf"Worker exiting \(pid: {workers.pids[0]}\)", SECONDS)
    assert answers == [[{"echo": 7}]] * len(TRANSPORTS)
