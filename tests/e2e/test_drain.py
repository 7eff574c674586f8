"""Restarts while clients are connected: nobody misses a message, and nobody seems to have left."""

import itertools
import json
import math
import os
import re
import selectors
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import requests
import trustme

from flask_realtime.engine.drain import BATCH_INTERVAL
from tests.e2e.api import Api
from tests.e2e.clients import TRANSPORTS, Client, JSClient, JSDriver
from tests.e2e.conftest import CONTRACT_APP, ENGINE_APP, NewId, OpenWire
from tests.e2e.raw import SEPARATOR
from tests.e2e.servers import Server, poll, python_module
from tests.e2e.test_tls import write_certificate
from tests.e2e.wire import Wire, upgrade_request
from tests.e2e.workers import POLLING, AdoptedWire, Answer, Connection, PollingSession, Workers, event, running_workers
from tests.redis_server import RedisServer

SECONDS = 30.0
LEASE = 12.0
"""Seconds: clients have to be back before it ends, on a slow machine too."""
ON_THE_WAY = 0.25
"""Seconds; between two servers, an event is on its way for a moment."""
CLIENTS_OF_A_KIND = 12
BACK_OFF = {"reconnection": True, "reconnectionDelay": 100, "reconnectionDelayMax": 1000}
GATE = "the-end"
MEBIBYTE = 1 << 20
LARGE_BACKLOG = {"REALTIME_MAX_BACKLOG_BYTES": 64 * MEBIBYTE}
SMALL_BUFFER = 4096
SCHEMES = pytest.mark.parametrize("scheme", ["http", "https"])
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
                if self._is_over.wait(0.05):
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
        restarted = time.time()
        restart(workers)
        assert poll(lambda: all(client.connected and client.sid != first[user] for user, client in crowd.clients.items()), SECONDS)
        assert poll(lambda: all(client.disconnect_reasons for client in crowd.clients.values()), SECONDS)
        poster.close()
        time_to_reap = time.monotonic() + LEASE + LEASE / 5 + 2
        assert poll(lambda: time.monotonic() > time_to_reap, SECONDS, 0.2)
        asking.close()
        # An error is what a request meets that was on its way when its session ended. With either a client comes back by itself.
        reasons = {reason for client in crowd.clients.values() for reason in client.disconnect_reasons}
        assert reasons <= {"transport close", "transport error"}
        assert crowd.seen_offline() == []
        assert workers.api.hooks("offline") == []
        assert [users for users in seen if users] == []
        for client in crowd.clients.values():
            client.settle()
            assert missed(client, poster, restarted) == []


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
        while not self._is_over.wait(0.1):
            try:
                answer = requests.post(url, json={"args": [], "kwargs": {}}, timeout=SECONDS)
            except requests.ConnectionError:
                continue
            self._missing.append(self._users - set(answer.json()["result"]))


def missed(client: Client, poster: Poster, restarted: float) -> list[tuple[int, float]]:
    """The messages that were posted while a client had a session, and was joined, and that it did not get.

    A client on long polling hears that its session has ended when a worker takes its next request, which may be long afterwards.
    So a session is known to have lasted until the restart, and until the last message that came through it.

    Each with the seconds from the client's joining to the post.
    """
    received = {event.data["id"] for event in client.received("message:new")}
    lost = []
    for start, end in client.joined_times():
        posted = [(number, began, ended) for number, began, ended in poster.posted if start < began and ended < end]
        heard = max((began for number, began, _ in posted if number in received), default=start)
        known = end if end == math.inf else max(heard, restarted) - ON_THE_WAY
        lost += [(number, began - start) for number, began, ended in posted if number not in received and ended < known]
    return lost


def test_a_request_in_progress_when_a_worker_stops_reaches_everybody_still(
    redis: RedisServer, start_worker: StartWorkers, new_id: NewId, tmp_path: Path
) -> None:
    workers = start_worker(count=2, REALTIME_MESSAGE_QUEUE=redis.url, REALTIME_DRAIN_TIME=1)
    leaving, staying = workers.pids
    ann, ben, opened = new_id("ann"), new_id("ben"), tmp_path / "opened"
    gone, here = entered_at(workers, leaving, ann), entered_at(workers, staying, ben)
    asking, emitting = workers.connection(leaving), workers.connection(leaving)
    for connection, helper, args in ((asking, "get_online_users", []), (emitting, "send_to_user", [ben, "said", 1])):
        body = json.dumps({"args": args, "kwargs": {}, "file": str(opened)})
        connection.http.request("POST", f"/emit-later/{helper}?via=method", body, {"Content-Type": "application/json"})
        workers.server.wait_for_line(f"^{helper} waits$")
    os.kill(leaving, signal.SIGTERM)
    assert gone.close_code() == 1000
    workers.server.wait_for_line(f"^gone: {ann}")
    time_to_stop = time.monotonic() + 2
    assert poll(lambda: time.monotonic() > time_to_stop, SECONDS)
    opened.touch()
    assert ben in json.loads(asking.answer().text)["result"]
    assert json.loads(emitting.answer().text) == {"result": True}
    assert here.receive_until('42["said"') == '42["said",1]'


def entered_at(workers: Workers, pid: int, user: str) -> Wire:
    """A WebSocket that one of the workers has let in."""
    token = workers.api.token(user)
    wire = AdoptedWire(workers.connection(pid).tcp, upgrade_request(workers.url))
    assert wire.enter(token).startswith("40{")
    return wire


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


# One worker that stops, step by step ------------------------------------------------------------------------------------------


@pytest.fixture
def start_worker() -> Iterator[StartWorkers]:
    """Starts the engine's application, with one worker unless the test says otherwise."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))

        def start(*more: str, patience: int = 20, scheme: str = "http", count: int = 1, **config: Any) -> Workers:
            options = ["--graceful-timeout", str(patience), *more]
            if scheme == "https":
                options += stack.enter_context(trusted_certificate(folder))
            return stack.enter_context(
                running_workers(folder, *options, application=ENGINE_APP, count=count, scheme=scheme, **config)
            )

        yield start


@contextmanager
def trusted_certificate(folder: Path) -> Iterator[list[str]]:
    """Options of gunicorn's for a certificate, which requests trusts."""
    authority, bundle = trustme.CA(), folder / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        yield write_certificate(authority, folder)


def entered(open_wire: OpenWire, api: Api, user: str, **options: Any) -> Wire:
    """A WebSocket that has been let in."""
    wire: Wire = open_wire(api.url, **options)
    assert wire.enter(api.token(user)).startswith("40{")
    return wire


def held(open_wire: OpenWire, server: Server, user: str) -> Wire:
    """A WebSocket whose handler runs until somebody opens the gate: so long it is not ended."""
    wire = entered(open_wire, Api(server.url), user)
    wire.send(f'42["app:say","{user} waits"]', f'42["app:wait","{GATE}"]', f'42["app:say","{user} is done"]')
    server.wait_for_line(f"^said: {user} waits$")
    return wire


def fill(api: Api, user: str) -> int:
    """Send more to a user's connection than the kernel takes where nobody reads, and return how many events that is."""
    for number in range(16):
        api.emit("send_to_user", user, "large", f"{number:02}" + "x" * (MEBIBYTE - 100))
    return 16


def wait_until_draining(spare: Connection) -> None:
    """Wait until a process has begun to stop: then it closes connections behind its answers, this one too."""

    def is_closed() -> bool:
        assert spare.ask("/ready") == (200, "ready")
        return spare.http.sock is None

    assert poll(is_closed, SECONDS)


def stop(workers: Workers) -> None:
    """Tell the worker to stop."""
    os.kill(workers.pids[0], signal.SIGTERM)


def wait_until_stopped(workers: Workers) -> None:
    """Wait until the worker is gone."""
    workers.server.wait_for_line(rf"Worker exiting \(pid: {workers.pids[0]}\)", 2 * SECONDS)


def token_for(workers: Workers, user: str) -> str:
    """A token, by a connection that is over then: for those that are kept gunicorn would wait too."""
    answer = requests.post(f"{workers.url}/token", json={"sub": user, "kind": "access"}, timeout=SECONDS)
    return str(answer.json()["token"])


def gone(server: Server) -> list[str]:
    """The users whose disconnect hooks were told that the server stops."""
    return sorted(line[6:].partition(",")[0] for line in server.lines if re.fullmatch("gone: .*, server shutting down", line))


@pytest.mark.parametrize("drain_time", [0, 8])
def test_who_comes_while_a_server_stops_is_turned_away(
    start_worker: StartWorkers, open_wire: OpenWire, new_id: NewId, drain_time: int
) -> None:
    workers, user, polled = start_worker(REALTIME_DRAIN_TIME=drain_time), new_id("ann"), new_id("ben")
    pid = workers.pids[0]
    # All of them were there before: nobody gets a new connection to a worker that stops.
    spare, polling, upgrading, gate = (workers.connection(pid) for _ in range(4))
    session, wire = workers.session(pid, polled), held(open_wire, workers.server, user)
    session.home.ask(session.path, event("app:wait", GATE))
    stop(workers)
    wait_until_draining(spare)
    if drain_time:  # Who is there already goes on, until it is told to go, which waits for what it still sends meanwhile.
        its_turn_to_leave = time.monotonic() + 3 * BATCH_INTERVAL
        assert poll(lambda: time.monotonic() > its_turn_to_leave, SECONDS)
        assert session.home.ask(session.path, event("app:echo", 7)) == (200, "ok")
        wire.send('421["app:echo",8]')
    assert polling.ask(POLLING) == (503, "The server is about to stop")
    assert AdoptedWire(upgrading.tcp, upgrade_request(workers.url)).status == 503
    newcomer = Connection(workers.url)
    newcomer.send("/process")
    if drain_time:
        session.home.send(session.path)  # Waits for the first answer, and takes it alone.
        assert gate.ask(f"/gates/{GATE}", "{}").status == 200
        packets = session.home.answer().text.split(SEPARATOR)
        while "1" not in packets:
            packets += session.home.ask(session.path).text.split(SEPARATOR)
        assert packets == ['431[{"ok":true}]', '431[{"echo":7}]', "1"]
        assert wire.receive_until("431") == '431[{"echo":8}]'
    else:
        assert gate.ask(f"/gates/{GATE}", "{}").status == 200
    assert wire.close_code() == 1000
    wait_until_stopped(workers)
    assert gone(workers.server) == sorted([user, polled])
    with closing(newcomer):
        # Without a drain the worker goes on listening until gunicorn makes it stop.
        assert json.loads(newcomer.answer().text)["pid"] != pid or not drain_time, "the worker that takes its place answers"


def test_a_repeated_signal_changes_nothing_under_gunicorn(start_worker: StartWorkers, open_wire: OpenWire, new_id: NewId) -> None:
    workers, user = start_worker(REALTIME_DRAIN_TIME=1), new_id("ann")
    spare, gate = (workers.connection(workers.pids[0]) for _ in range(2))
    session, wire = workers.session(workers.pids[0]), held(open_wire, workers.server, user)
    assert session.home.ask(session.path, event("app:wait", GATE)) == (200, "ok")
    stop(workers)
    wait_until_draining(spare)
    stop(workers)
    enough = time.monotonic() + 0.5
    assert poll(lambda: session.home.ask(session.path, "3") != (200, "ok") or time.monotonic() > enough, SECONDS)
    assert session.home.ask(session.path, "3") == (200, "ok")
    assert gate.ask(f"/gates/{GATE}", "{}").status == 200
    assert session.home.ask(session.path).text.split(SEPARATOR)[0] == '431[{"ok":true}]'
    assert wire.close_code() == 1000
    wait_until_stopped(workers)


@pytest.mark.parametrize("drain_time", [0, 1])
def test_a_worker_that_has_no_request_left_waits_for_handlers_and_hooks(
    start_worker: StartWorkers, open_wire: OpenWire, new_id: NewId, drain_time: int
) -> None:
    workers, user = start_worker(REALTIME_DRAIN_TIME=drain_time), new_id("ann")
    wire = open_wire(workers.url)
    assert wire.enter(token_for(workers, user)).startswith("40{")
    wire.send('42["app:pause",4]', '42["app:say","after the pause"]')
    workers.server.wait_for_line("^pausing$")
    stop(workers)
    wait_until_stopped(workers)
    told = [line for line in workers.server.lines if line.startswith(("said:", "gone:"))]
    assert told == ["said: after the pause", f"gone: {user}, server shutting down"]


def test_a_worker_with_no_place_left_waits_for_handlers_and_hooks(
    start_worker: StartWorkers, open_wire: OpenWire, new_id: NewId
) -> None:
    workers, user, other = start_worker("--worker-connections", "1", REALTIME_DRAIN_TIME=1), new_id("ann"), new_id("ben")
    first, second = (token_for(workers, name) for name in (user, other))
    wire = open_wire(workers.url)
    assert wire.enter(first).startswith("40{")
    wire.send('42["app:pause",4]', '42["app:say","after the pause"]')
    workers.server.wait_for_line("^pausing$")
    with closing(Connection(workers.url)) as home:
        session = PollingSession(home, second)
        home.send(session.path)  # It has the only place while it waits.
        stop(workers)
        assert home.answer() == (200, "1")
        wait_until_stopped(workers)
    assert "said: after the pause" in workers.server.lines
    assert gone(workers.server) == sorted([user, other])


def test_many_clients_are_not_ended_all_at_once(start_worker: StartWorkers, open_wire: OpenWire, new_id: NewId) -> None:
    workers, count = start_worker(REALTIME_DRAIN_TIME=20), 100
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            wire = entered(open_wire, workers.api, new_id("ann"))
            selector.register(wire.tcp, selectors.EVENT_READ)
        stop(workers)
        ended: list[float] = []
        while len(ended) < count:
            ready = selector.select(SECONDS)
            assert ready
            for key, _ in ready:
                selector.unregister(key.fileobj)
            ended += [time.monotonic()] * len(ready)
    # Five in every tenth of a second: two seconds, less what chance and a slow machine take off.
    assert ended[-1] - ended[0] > 1
    wait_until_stopped(workers)


@SCHEMES
def test_what_waits_for_a_long_polling_client_comes_before_its_end(
    start_worker: StartWorkers, open_wire: OpenWire, new_id: NewId, scheme: str
) -> None:
    workers, user = start_worker(scheme=scheme, REALTIME_DRAIN_TIME=1), new_id("ann")
    session, other = workers.session(workers.pids[0], user), entered(open_wire, workers.api, new_id("ben"))
    for number in range(3):
        workers.api.emit("send_to_user", user, "number", number)
    stop(workers)
    other.wait_until_gone()
    assert session.home.ask(session.path) == (200, SEPARATOR.join([*(f'42["number",{number}]' for number in range(3)), "1"]))
    wait_until_stopped(workers)
    assert user in gone(workers.server)
    # The connection of the session is kept, and nobody asks anything on it: that holds nothing up, and is nothing to log.
    assert not any("graceful timeout" in line or "Traceback" in line for line in workers.server.lines)


@SCHEMES
def test_what_waits_for_a_slow_reader_comes_before_its_end(
    start_worker: StartWorkers, open_wire: OpenWire, new_id: NewId, scheme: str
) -> None:
    workers, user, quick = start_worker(scheme=scheme, REALTIME_DRAIN_TIME=1, **LARGE_BACKLOG), new_id("ann"), new_id("ben")
    slow, other = entered(open_wire, workers.api, user, receive_buffer=SMALL_BUFFER), entered(open_wire, workers.api, quick)
    spare = workers.connection(workers.pids[0])
    count = fill(workers.api, user)
    stop(workers)
    other.wait_until_gone()  # They are of one batch.
    assert [user, "server shutting down"] not in json.loads(spare.ask("/hooks/disconnect").text)
    assert [slow.text()[:14] for _ in range(count)] == [f'42["large","{number:02}' for number in range(count)]
    assert slow.receive() == "1"
    assert slow.close_code() == 1000
    wait_until_stopped(workers)
    assert gone(workers.server) == sorted([user, quick])


@SCHEMES
def test_who_takes_nothing_does_not_hold_the_end_up(
    start_worker: StartWorkers, open_wire: OpenWire, new_id: NewId, scheme: str
) -> None:
    workers, stalled, absent = start_worker(scheme=scheme, REALTIME_DRAIN_TIME=1, **LARGE_BACKLOG), new_id("ann"), new_id("ben")
    entered(open_wire, workers.api, stalled, receive_buffer=SMALL_BUFFER)
    workers.session(workers.pids[0], absent)
    fill(workers.api, stalled)
    stop(workers)
    wait_until_stopped(workers)
    assert gone(workers.server) == sorted([stalled, absent])
    assert not any("graceful timeout" in line for line in workers.server.lines)


def test_a_handler_that_does_not_end_does_not_outlast_gunicorns_patience(
    start_worker: StartWorkers, open_wire: OpenWire, new_id: NewId
) -> None:
    workers, user = start_worker(patience=30, REALTIME_DRAIN_TIME=1), new_id("ann")
    wire = held(open_wire, workers.server, user)
    wire.tcp.settimeout(2 * SECONDS)
    stop(workers)
    assert wire.close_code() == 1000
    wait_until_stopped(workers)
    assert not any("graceful timeout" in line for line in workers.server.lines)


def test_clients_and_hooks_are_told_where_gunicorn_has_less_patience(
    start_worker: StartWorkers, open_wire: OpenWire, new_id: NewId
) -> None:
    workers, user, absent = start_worker(patience=1, REALTIME_DRAIN_TIME=20), new_id("ann"), new_id("ben")
    wire = held(open_wire, workers.server, user)
    workers.session(workers.pids[0], absent)
    stop(workers)
    assert wire.close_code() == 1000
    wait_until_stopped(workers)
    assert gone(workers.server) == [absent], "the other one's handler is still at work"
    assert any("graceful timeout" in line for line in workers.server.lines)


def test_a_second_signal_ends_at_once_what_is_left(open_wire: OpenWire, new_id: NewId) -> None:
    with ExitStack() as stack:
        environment = {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_DRAIN_TIME": 20})}
        server = stack.enter_context(python_module("tests.e2e.apps.patched_engine_app", environment))
        user = new_id("ann")
        spare, gate = (stack.enter_context(closing(Connection(server.url))) for _ in range(2))
        assert gate.ask("/ready") == spare.ask("/ready") == Answer(200, "ready")
        wire = held(open_wire, server, user)
        os.kill(server.pid, signal.SIGTERM)
        wait_until_draining(spare)
        assert requests.get(server.url + POLLING, timeout=SECONDS).status_code == 503, "it listens until its end"
        os.kill(server.pid, signal.SIGTERM)
        assert wire.close_code() == 1000
        assert gate.ask(f"/gates/{GATE}", "{}").status == 200
        assert server.wait(SECONDS) == -signal.SIGTERM
        lines = [line for line in server.lines if user in line and line.startswith(("said:", "gone:"))]
        assert lines[1:] == [f"said: {user} is done", f"gone: {user}, server shutting down"]
