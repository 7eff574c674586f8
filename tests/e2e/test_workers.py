"""Several gunicorn workers on one address: whichever of them gets a request, its session's own worker answers it."""

import json
import os
import re
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from http.client import NotConnected
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.e2e.clients import Client, JSDriver
from tests.e2e.conftest import ClientFactory, NewId
from tests.e2e.servers import poll
from tests.e2e.test_tls import write_certificate
from tests.e2e.wire import TEXT, Wire, masked_frame, upgrade_request
from tests.e2e.workers import (
    POLLING,
    SECONDS,
    UNKNOWN_SESSION,
    AdoptedWire,
    Answer,
    Connection,
    PollingSession,
    Workers,
    event,
    running_workers,
)
from tests.redis_server import RedisServer

TWO_APPS = "tests.e2e.apps.workers_app:create_two_apps()"
WATCHED_APP = "tests.e2e.apps.workers_app:create_watched_app()"

NewFolder = Callable[[], Path]


@contextmanager
def workers_with_tls(folder: Path) -> Iterator[Workers]:
    """Workers that end TLS themselves."""
    authority, bundle = trustme.CA(), folder / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        with running_workers(folder, *write_certificate(authority, folder), scheme="https") as workers:
            yield workers


@contextmanager
def workers_with_queue(folder: Path) -> Iterator[Workers]:
    """Workers that share a Redis."""
    with RedisServer() as redis, running_workers(folder, REALTIME_MESSAGE_QUEUE=redis.url) as workers:
        yield workers


STARTED: dict[str, Callable[[Path], AbstractContextManager[Workers]]] = {
    "plain": running_workers,
    "preloaded": lambda folder: running_workers(folder, "--preload"),
    "queue": workers_with_queue,
    "tls": workers_with_tls,
    "watched": lambda folder: running_workers(folder, application=WATCHED_APP),
}


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> NewFolder:
    """Makes folders for temporary files; their names are short, as those of Unix sockets have to be."""
    return lambda: tmp_path_factory.mktemp("w")


@pytest.fixture(scope="module", params=STARTED)
def workers(request: pytest.FixtureRequest, new_folder: NewFolder) -> Iterator[Workers]:
    """Workers of each kind."""
    with STARTED[request.param](new_folder()) as workers:
        yield workers


@pytest.fixture(scope="module")
def plain_workers(new_folder: NewFolder) -> Iterator[Workers]:
    """Workers, for what does not depend on their kind."""
    with running_workers(new_folder()) as workers:
        yield workers


def elsewhere(workers: Workers) -> tuple[PollingSession, Connection]:
    """A session, and a connection to a worker that does not have it."""
    owner, other, *_ = workers.pids
    return workers.session(owner), workers.connection(other)


def refused(answer: Answer) -> bool:
    """Whether a session is said to be unknown."""
    return answer.status == 400 and json.loads(answer.text) == UNKNOWN_SESSION


# One request at a time -------------------------------------------------------------------------------------------------


def test_every_worker_passes_requests_to_every_other(workers: Workers) -> None:
    sessions = {owner: workers.session(owner) for owner in workers.pids}
    assert len({session.tag for session in sessions.values()}) == len(workers.pids)
    for owner, session in sessions.items():
        for other in workers.pids:
            connection = workers.connection(other)
            assert connection.ask(session.path, event("app:worker")) == (200, "ok")
            assert connection.ask(session.path) == (200, f"431[{owner}]")


def test_what_follows_on_the_connection_goes_to_the_same_worker(workers: Workers) -> None:
    session, connection = elsewhere(workers)
    assert connection.worker() != session.home.worker()
    assert connection.ask(session.path, "3") == (200, "ok")
    assert connection.worker() == session.home.worker()
    third = workers.session(workers.pids[2])
    assert connection.ask(third.path, "3") == (200, "ok")
    assert connection.worker() == third.home.worker()


def test_a_poll_that_waits_is_answered_when_there_is_something(workers: Workers) -> None:
    session, connection = elsewhere(workers)
    connection.send(session.path)
    assert session.home.ask(session.path, event("app:echo", "x" * 60_000)) == (200, "ok")
    assert connection.answer() == (200, f'431[{{"echo":"{"x" * 60_000}"}}]')


def test_a_poll_that_is_cancelled_ends_the_session(workers: Workers) -> None:
    session, connection = elsewhere(workers)
    connection.send(session.path)
    connection.close()
    assert poll(lambda: is_over(workers, session), SECONDS)


def is_over(workers: Workers, session: PollingSession) -> bool:
    """Whether a session is unknown, whichever worker is asked."""
    with closing(Connection(workers.url)) as connection:
        try:
            return refused(connection.ask(session.path, "3"))
        except ConnectionError:  # A session that ends cuts off a request that is still being read.
            return False


@pytest.mark.parametrize("together", [0, 1, 10_000, 60_000, 100_000])
def test_a_body_may_come_slowly(workers: Workers, together: int) -> None:
    session, connection = elsewhere(workers)
    body = event("app:echo", "x" * 60_000).encode()
    connection.http.putrequest("POST", session.path)
    connection.http.putheader("Content-Length", str(len(body)))
    connection.http.endheaders(body[:together])
    # Answered by both workers, which have had what came before.
    assert session.home.ask("/ready").status == workers.connection(workers.pids[1]).ask("/ready").status == 200
    connection.tcp.sendall(body[together:])
    assert connection.answer() == (200, "ok")
    assert session.home.ask(session.path).text == f'431[{{"echo":"{"x" * 60_000}"}}]'


def test_a_body_that_waits_to_be_asked_for_is_asked_for(workers: Workers) -> None:
    session, connection = elsewhere(workers)
    connection.http.putrequest("POST", session.path)
    connection.http.putheader("Expect", "100-continue")
    connection.http.putheader("Content-Length", "1")
    connection.http.endheaders()
    assert connection.tcp.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.tcp.sendall(b"3")
    assert connection.answer() == (200, "ok")


def test_a_request_behind_another_is_answered_behind_it(workers: Workers) -> None:
    session, connection = elsewhere(workers)
    owner = session.home.worker()
    first = f"POST {session.path} HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\n3"
    second = "GET /process HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    connection.tcp.sendall((first + second).encode())
    received = read_all(connection.tcp)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert f'"pid":{owner}' in received.decode()


def read_all(tcp: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    received = b""
    while data := tcp.recv(65_536):
        received += data
    return received


@pytest.mark.parametrize("together", [True, False])
def test_a_session_is_upgraded(workers: Workers, together: bool) -> None:  # noqa: FBT001 - a parameter's value
    session, connection = elsewhere(workers)
    wire = upgraded(connection.tcp, workers.url, session, together=together)
    assert wire.call(2, "app:worker") == session.home.worker()
    assert wire.call(3, "app:echo", "x" * 60_000) == {"echo": "x" * 60_000}


def upgraded(tcp: socket.socket, url: str, session: PollingSession, *, together: bool) -> Wire:
    """Upgrade a session on a connection, with the first frame behind the handshake or later."""
    request, probe = upgrade_request(url, session.websocket_query()), masked_frame(TEXT, b"2probe")
    wire = AdoptedWire(tcp, request + probe if together else request)
    assert wire.status == 101
    if not together:
        wire.send_bytes(probe)
    assert wire.packet() == "3probe"
    wire.send("5")
    return wire


def test_requests_of_views_stay_where_they_are(workers: Workers) -> None:
    session, connection = elsewhere(workers)
    worker = connection.worker()
    assert json.loads(connection.ask(f"/process?transport=polling&sid={session.id}").text)["pid"] == worker
    assert connection.ask("/gates/nobody?sid=" + session.id, "").status == 200
    assert connection.worker() == worker


@pytest.mark.parametrize("change", [lambda sid: sid[:-6] + "nobody", lambda sid: "A" * 20 + sid[-6:], lambda sid: "../" + sid])
def test_a_session_that_nobody_has_is_unknown(workers: Workers, change: Callable[[str], str]) -> None:
    session, connection = elsewhere(workers)
    assert refused(connection.ask(f"{POLLING}&sid={change(session.id)}", "3"))
    assert connection.ask(session.path, "3") == (200, "ok")


@pytest.mark.parametrize("question", ["EIO=4&transport=polling", "EIO=3&transport=polling", "EIO=4&transport=tcp"])
def test_what_is_wrong_with_a_request_is_said_wherever_it_comes(workers: Workers, question: str) -> None:
    session, connection = elsewhere(workers)
    if question == "EIO=4&transport=polling":
        connection.http.request("GET", session.path, headers={"Origin": "https://elsewhere.example"})
        assert connection.answer() == (403, '{"code":4,"message":"Forbidden"}')
    else:
        assert connection.ask(f"/socket.io/?{question}&sid={session.id}").status == 400
    assert connection.ask(session.path, "3") == (200, "ok")


def test_applications_in_one_process_do_not_pass_requests_to_and_fro(new_folder: NewFolder) -> None:
    with running_workers(new_folder(), application=TWO_APPS) as workers:
        owner, other, *_ = workers.pids
        session = PollingSession(workers.connection(owner), workers.api.token("someone"), "/other")
        for pid in (owner, other):
            connection = workers.connection(pid)
            assert refused(connection.ask(f"{POLLING}&sid={session.id}", "3"))
            assert connection.ask(session.path, "3") == (200, "ok")


# Many clients ------------------------------------------------------------------------------------------------------


def connect_all(factory: ClientFactory, workers: Workers, count: int, new_id: NewId, **options: Any) -> None:
    """Connect that many clients, many of them at a time, and see that all are served, and by several workers."""
    clients = connect_some(factory, count // 2, new_id, **options)
    # Which worker accepts a connection is chance: one of them does not, from here on.
    with workers.stopped(clients[0].call("app:worker")):
        clients += connect_some(factory, count - count // 2, new_id, **options)
    assert {client.transport for client in clients} == {factory.final_transport}
    owners = {client.call("app:worker") for client in clients}
    assert owners <= set(workers.pids)
    assert len(owners) > 1


def connect_some(factory: ClientFactory, count: int, new_id: NewId, **options: Any) -> list[Client]:
    """Connect clients, many of them at a time."""
    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(lambda _: factory(new_id("ann"), **options), range(count)))


@pytest.mark.parametrize(("kind", "count"), [("js-polling", 40), ("py-upgrade", 100), ("py-polling", 100)])
def test_unmodified_clients_connect(plain_workers: Workers, driver: JSDriver, kind: str, count: int, new_id: NewId) -> None:
    with closing(ClientFactory(kind, driver, plain_workers.api)) as factory:
        connect_all(factory, plain_workers, count, new_id)


def test_unmodified_clients_connect_and_upgrade(workers: Workers, driver: JSDriver, new_id: NewId) -> None:
    with closing(ClientFactory("js-upgrade", driver, workers.api)) as factory:
        connect_all(factory, workers, 40, new_id, rejectUnauthorized=False)


@pytest.mark.parametrize(("count", "warnings"), [(1, 0), (2, 2)])
def test_each_of_several_workers_without_a_message_queue_says_so_once(new_folder: NewFolder, count: int, warnings: int) -> None:
    with running_workers(new_folder(), count=count) as workers:
        for _ in range(2):
            sessions = [workers.session(pid) for pid in workers.pids]
        assert poll(lambda: len(lines_about_the_queue(workers)) >= warnings, SECONDS)
        assert all(session.home.ask(session.path, "3") == (200, "ok") for session in sessions)
        assert len(lines_about_the_queue(workers)) == warnings


def test_workers_with_a_message_queue_have_nothing_to_say(new_folder: NewFolder) -> None:
    with workers_with_queue(new_folder()) as workers:
        sessions = [workers.session(pid) for pid in workers.pids]
        assert all(session.home.ask(session.path, "3") == (200, "ok") for session in sessions)
        assert lines_about_the_queue(workers) == []


@pytest.mark.parametrize("options", [(), ("--preload",)])
def test_workers_with_a_message_queue_know_each_others_clients(new_folder: NewFolder, options: tuple[str, ...]) -> None:
    with RedisServer() as redis, running_workers(new_folder(), *options, count=2, REALTIME_MESSAGE_QUEUE=redis.url) as workers:
        sessions = [workers.session(pid, user) for pid, user in zip(workers.pids, ("ann", "ben"), strict=True)]
        for session in sessions:
            assert answered(session, "join:conversation", "7") == {"ok": True}
        for session in sessions:
            assert sorted(answered(session, "conversation:get-online-users", "7")) == ["ann", "ben"]


def answered(session: PollingSession, name: str, *args: Any) -> Any:
    """What the callback of an event gets, of a session that is sent nothing else."""
    assert session.home.ask(session.path, event(name, *args)) == (200, "ok")
    (answer,) = json.loads(session.home.ask(session.path).text.removeprefix("431"))
    return answer


def lines_about_the_queue(workers: Workers) -> list[str]:
    """The lines of the log that miss a message queue."""
    return [line for line in workers.server.lines if "no REALTIME_MESSAGE_QUEUE" in line]


# Workers that fail -------------------------------------------------------------------------------------------------


@pytest.fixture
def own_workers(new_folder: NewFolder) -> Iterator[Workers]:
    """Workers that a test may do harm to."""
    with running_workers(new_folder()) as workers:
        yield workers


def test_what_a_killed_worker_had_is_unknown_to_the_others(own_workers: Workers) -> None:
    session, connection = elsewhere(own_workers)
    os.kill(own_workers.pids[0], signal.SIGKILL)
    assert poll(lambda: is_cut(session.home), SECONDS)
    assert refused(connection.ask(session.path, "3"))
    assert refused(connection.ask(session.path))


def is_cut(connection: Connection) -> bool:
    """Whether nobody has the other end of a connection any more."""
    try:
        connection.ask("/ready")
    except (ConnectionError, NotConnected):
        return True
    return False


@pytest.mark.parametrize("kind", ["js-polling", "js-upgrade"])
def test_a_killed_workers_clients_come_back(own_workers: Workers, driver: JSDriver, kind: str, new_id: NewId) -> None:
    with closing(ClientFactory(kind, driver, own_workers.api)) as factory:
        client = factory(new_id("ann"), reconnection=True, reconnectionDelay=50)
        first, worker = client.sid, client.call("app:worker")
        os.kill(worker, signal.SIGKILL)
        client.wait_for_disconnect()
        assert poll(lambda: client.sid != first, SECONDS)
        assert client.call("app:worker") != worker


def test_a_worker_that_hangs_holds_nobody_else_up(own_workers: Workers) -> None:
    owner, other, third, *_ = own_workers.pids
    session, connection = elsewhere(own_workers)
    lively, beside, home = own_workers.session(third), own_workers.connection(other), own_workers.connection(other)
    with own_workers.stopped(owner):
        connection.send(session.path, event("app:number", 1))
        # While that waits, the same worker goes on: for itself, and between those that do not hang.
        assert home.worker() == other
        assert beside.ask(lively.path, event("app:worker")) == (200, "ok")
        assert lively.home.ask(lively.path) == (200, f"431[{third}]")
        assert not select.select([connection.tcp], [], [], 0)[0]
        assert refused(connection.answer())
        assert connection.worker() == other
    assert connection.ask(session.path, event("app:numbers")) == (200, "ok")
    assert session.home.ask(session.path) == (200, '431[{"count":0,"ordered":true}]')


def test_more_requests_than_can_wait_for_a_worker_that_hangs_are_refused(own_workers: Workers) -> None:
    session, connection = elsewhere(own_workers)
    others = [own_workers.connection(own_workers.pids[1]) for _ in range(20)]
    with own_workers.stopped(own_workers.pids[0]):
        for other in others:
            other.send(session.path, "3")
        assert all(refused(other.answer()) for other in others)
    assert connection.ask(session.path, "3") == (200, "ok")


def test_a_worker_that_ends_ends_what_it_relays(new_folder: NewFolder) -> None:
    with workers_with_tls(new_folder()) as workers:
        session, connection = elsewhere(workers)
        wire = upgraded(connection.tcp, workers.url, session, together=True)
        assert wire.call(2, "app:worker") == workers.pids[0]
        os.kill(workers.pids[1], signal.SIGTERM)
        wire.wait_until_closed()
        workers.server.wait_for_line(rf"Worker exiting \(pid: {workers.pids[1]}\)")
        assert poll(lambda: is_over(workers, session), SECONDS)


def test_a_worker_that_is_drained_ends_what_it_relays_bit_by_bit(new_folder: NewFolder) -> None:
    with workers_with_tls(new_folder()) as workers:
        owner, relaying, *_ = workers.pids
        sessions = [workers.session(owner, f"user-{number}") for number in range(60)]
        wires = [upgraded(workers.connection(relaying).tcp, workers.url, session, together=True) for session in sessions]

        def time_of_end(wire: AdoptedWire) -> float:
            wire.wait_until_closed()
            return time.monotonic()

        with ThreadPoolExecutor(len(wires)) as threads:
            ends = threads.map(time_of_end, wires)
            os.kill(relaying, signal.SIGTERM)
            first, *_, last = sorted(ends)
        assert last - first > 0.3, "twelve batches, and their clients do not all come back in the same moment"


def test_sessions_on_long_polling_end_with_their_worker(own_workers: Workers) -> None:
    session, connection = elsewhere(own_workers)
    connection.send(session.path)
    os.kill(own_workers.pids[0], signal.SIGTERM)
    own_workers.server.wait_for_line("gone: someone, server shutting down")
    answer = connection.answer()
    assert answer == (200, "1") or refused(answer)  # It may have come too late to be told.


def test_a_worker_can_be_reached_by_one_that_has_had_no_request(own_workers: Workers) -> None:
    owner, *others, _ = own_workers.pids
    connections = [own_workers.unused(other) for other in others]
    session = own_workers.session(owner)
    assert session.home.ask(session.path, event("app:worker")) == (200, "ok")
    connections[0].sendall(f"GET {session.path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
    assert read_all(connections[0]).endswith(f"431[{owner}]".encode())
    assert upgraded(connections[1], own_workers.url, session, together=True).call(2, "app:worker") == owner


# What is left behind -----------------------------------------------------------------------------------------------


def sockets_in(folder: Path) -> set[str]:
    """The Unix sockets in the workers' folder."""
    return {path.name for path in (folder / f"flask_realtime-{os.geteuid()}").iterdir()}


def test_workers_remove_their_sockets_at_the_end(new_folder: NewFolder) -> None:
    folder = new_folder()
    with running_workers(folder, REALTIME_DRAIN_TIME=0) as workers:
        tags = {workers.session(pid).tag for pid in workers.pids}
        assert {name[-6:] for name in sockets_in(folder)} == tags
        assert (folder / f"flask_realtime-{os.geteuid()}").stat().st_mode & 0o777 == 0o700
        workers.server.terminate()
        workers.server.wait()
        assert sockets_in(folder) == set()


def test_what_a_killed_worker_left_is_removed_by_a_later_one(new_folder: NewFolder) -> None:
    folder = new_folder()
    with running_workers(folder) as workers:
        first, second, *_ = workers.pids
        session = workers.session(first)
        (left,) = sockets_in(folder)
        os.utime(folder / f"flask_realtime-{os.geteuid()}" / left, (0, 0))
        os.kill(first, signal.SIGKILL)
        assert poll(lambda: is_cut(session.home), SECONDS)
        other = workers.session(second)
        assert {name[-6:] for name in sockets_in(folder)} == {other.tag}


def test_connections_handed_over_leave_nothing_behind(own_workers: Workers) -> None:
    owner, other, *_ = own_workers.pids
    session = own_workers.session(owner)
    connections = [own_workers.connection(other) for _ in range(20)]
    opened = open_sockets(other)
    for connection in connections:
        assert connection.ask(session.path, "3") == (200, "ok")
    assert poll(lambda: open_sockets(other) == opened - len(connections), SECONDS)
    assert watched_and_closed(other) == []


def open_sockets(pid: int) -> int:
    """The sockets that a process has open."""
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # It was closed after it was listed.
            count += str(descriptor.readlink()).startswith("socket:")
    return count


def watched_and_closed(pid: int) -> list[str]:
    """The descriptors that the kernel tells a process's event loop about although the process has closed them."""
    process = Path(f"/proc/{pid}")
    watched = [number for info in (process / "fdinfo").iterdir() for number in re.findall(r"tfd:\s+(\d+)", info.read_text())]
    return [number for number in watched if not os.path.lexists(process / "fd" / number)]


@pytest.mark.parametrize("kind", ["a link", "open to others"])
def test_a_folder_that_others_may_write_to_is_not_used(new_folder: NewFolder, kind: str) -> None:
    temporary, elsewhere_ = new_folder(), new_folder()
    folder = temporary / f"flask_realtime-{os.geteuid()}"
    if kind == "a link":
        folder.symlink_to(elsewhere_)
    else:
        folder.mkdir()
        folder.chmod(0o755)
    with running_workers(temporary) as workers:
        session, connection = elsewhere(workers)
        assert session.home.ask(session.path, "3") == (200, "ok")
        workers.server.wait_for_line("Other workers cannot hand over the requests")
        assert refused(connection.ask(session.path, "3"))
    assert list(folder.iterdir()) == list(elsewhere_.iterdir()) == []


def test_a_folder_that_others_may_write_to_later_is_not_used(new_folder: NewFolder) -> None:
    temporary = new_folder()
    with running_workers(temporary) as workers:
        session, connection = elsewhere(workers)
        (temporary / f"flask_realtime-{os.geteuid()}").chmod(0o777)
        assert refused(connection.ask(session.path, "3"))
        (temporary / f"flask_realtime-{os.geteuid()}").chmod(0o700)
        assert connection.ask(session.path, "3") == (200, "ok")
