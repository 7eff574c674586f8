"""A request that goes to the process that has its session: what goes along, what is left behind, and what stays here."""

from __future__ import annotations

import os
import re
import shutil
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.event import AsyncResult
from gevent.pool import Pool

from flask_realtime.engine.handoff import handoff as module
from flask_realtime.engine.handoff import links
from flask_realtime.engine.handoff.handoff import Handoff
from flask_realtime.engine.handoff.progress import progress_of

SECONDS = 10.0
HEAD = b"GET /x?sid=one HTTP/1.1\r\nHost: caf\xe9\r\nX: y\r\n\r\n"
BEHIND = b"behind the head"


class Server:
    """A WSGI server that answers what it is handed.

    Args:
        address: Its address.
    """

    def __init__(self, address: Any = ("0.0.0.0", 80)) -> None:  # noqa: S104 - nobody listens there
        self.address = address
        self.pool = Pool(10)
        self.environ: dict[str, Any] = {}
        self.taken: AsyncResult[Any] = AsyncResult()

    def handle(self, sock: Any, address: Any) -> None:
        """Read a request, and answer it."""
        reader = sock.makefile("rb")
        received = reader.read(len(HEAD + BEHIND))
        sock.sendall(b"answer")
        self.taken.set((received, address, sock.is_answered, sock.session_id, reader.readline()))
        reader.close()
        sock.close()


class TlsSocket(ssl.SSLSocket):
    """A connection that passes for one over TLS.

    Args:
        inner: The connection.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        for name in ("settimeout", "gettimeout", "recv", "sendall"):
            setattr(self, name, getattr(inner, name))

    def fileno(self) -> int:
        """Return the inner connection's descriptor."""
        number: int = self.inner.fileno()
        return number

    def close(self) -> None:
        """Leave it to whoever made it."""


class Resumed(gevent.socket.socket):
    """A connection that another process has handed over."""

    session_id = "another"


class Body(SimpleNamespace):
    """What a request's body is before anything of it has been read."""

    def __init__(self) -> None:
        super().__init__(position=0, chunk_length=-1, content_length=5, chunked_input=True)


@pytest.fixture
def ends() -> Iterator[Any]:
    """The client's end of a connection, and the server's."""
    client, server = gevent.socket.socketpair()
    client.settimeout(SECONDS)
    yield client, server
    client.close()
    server.close()


def handler_of(sock: Any, server: Any, **more: Any) -> Any:
    """The handler of a request whose head has been read."""
    reader = (sock.inner if isinstance(sock, TlsSocket) else sock).makefile("rb")
    headers = SimpleNamespace(headers=["Host: caf\xe9\r\n", "X: y\r\n"])
    return SimpleNamespace(
        socket=sock, rfile=reader, server=server, wsgi_input=Body(), requestline="GET /x?sid=one HTTP/1.1", headers=headers,
        client_address=("192.0.2.1", 1234), headers_sent=False, close_connection=False, log_request=None, **more,
    )  # fmt: skip


@pytest.fixture
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Handoff, Server]]:
    """The process that has the session, and its server."""
    neighbours, server = Handoff(tmp_path_factory.mktemp("n")), Server()
    neighbours.start(server)
    yield neighbours, server
    neighbours.stop()


@pytest.fixture
def other(owner: tuple[Handoff, Server]) -> Handoff:
    """The process that the request came to."""
    return Handoff(parent_of(owner[0]))


def parent_of(neighbours: Handoff) -> Path:
    folder = neighbours._folder
    assert folder is not None
    return folder.path.parent


def read_ahead(handler: Any, client: Any) -> None:
    """Have the handler's reader hold what is behind the head."""
    client.sendall(BEHIND)
    handler.rfile.peek()


def test_a_request_goes_to_its_owner_with_all_that_was_read(owner: Any, other: Handoff, ends: Any) -> None:
    client, sock = ends
    handler = handler_of(sock, Server())
    read_ahead(handler, client)
    session_id = owner[0].new_session_id()
    assert other.hand_over(handler, session_id) is True
    client.sendall(b"and more\n")
    assert client.recv(100) == b"answer"
    assert owner[1].taken.get(timeout=SECONDS) == (HEAD + BEHIND, ("192.0.2.1", 1234), False, session_id, b"and more\n")
    handler.rfile.close()
    assert client.recv(100) == b"", "nobody else keeps the connection"
    assert (handler.socket, handler.close_connection) == (None, True)
    assert (handler.wsgi_input.content_length, handler.wsgi_input.chunked_input) == (0, False)
    assert handler.log_request() is None


def test_what_gevent_websocket_opened_is_not_closed_by_it(owner: Any, other: Handoff, ends: Any) -> None:
    client, sock = ends
    websocket = SimpleNamespace(closed=False, stream="a stream")
    handler = handler_of(sock, Server(), websocket=websocket)
    handler.headers_sent = True
    read_ahead(handler, client)
    assert other.hand_over(handler, owner[0].new_session_id())
    assert (websocket.closed, websocket.stream) == (True, None)
    client.sendall(b"\n")
    assert owner[1].taken.get(timeout=SECONDS)[2] is True
    handler.rfile.close()


def test_over_tls_the_bytes_go_through_here(owner: Any, other: Handoff, ends: Any) -> None:
    client, sock = ends
    tls: Any = TlsSocket(sock)
    handler = handler_of(tls, Server())
    read_ahead(handler, client)
    handing = gevent.spawn(other.hand_over, handler, owner[0].new_session_id())
    assert client.recv(100) == b"answer"
    assert len(other.ends_of_relays()) == 1
    client.sendall(b"and more\n")
    assert owner[1].taken.get(timeout=SECONDS)[::4] == (HEAD + BEHIND, b"and more\n")
    assert handing.get(timeout=SECONDS) is True
    assert (handler.socket, handler.close_connection, other.ends_of_relays()) == (tls, True, [])
    handler.rfile.close()


def test_a_relayed_connection_ends_with_its_process(owner: Any, other: Handoff, ends: Any) -> None:
    client, sock = ends
    handler = handler_of(TlsSocket(sock), Server())
    read_ahead(handler, client)
    handing = gevent.spawn(other.hand_over, handler, owner[0].new_session_id())
    assert client.recv(100) == b"answer"
    other.stop()
    assert handing.get(timeout=SECONDS) is True
    handler.rfile.close()


def stays_here(neighbours: Handoff, handler: Any, session_id: str) -> bool:
    """Say whether a request was left as it was."""
    sock = handler.socket
    is_handed = neighbours.hand_over(handler, session_id)
    handler.rfile.close()
    body = handler.wsgi_input
    return (is_handed, handler.socket, handler.close_connection, body.content_length) == (False, sock, False, 5)


@pytest.mark.parametrize(
    "change",
    [
        lambda handler, _id: setattr(handler.wsgi_input, "position", 1),
        lambda handler, _id: setattr(handler.wsgi_input, "chunk_length", 0),
        lambda handler, session_id: setattr(
            handler, "socket", SimpleNamespace(session_id=session_id, fileno=handler.socket.fileno)
        ),
        lambda handler, _id: setattr(handler.server, "address", "another"),
    ],
    ids=["a body that is being read", "chunks that are being read", "what came from another process", "another address"],
)
def test_what_cannot_be_handed_over_stays(owner: Any, other: Handoff, ends: Any, change: Callable[[Any, str], None]) -> None:
    handler, session_id = handler_of(ends[1], Server()), owner[0].new_session_id()
    change(handler, session_id)
    assert stays_here(other, handler, session_id)


def test_what_came_from_another_process_for_another_session_may_go_on(owner: Any, other: Handoff, ends: Any) -> None:
    client, sock = ends[0], Resumed(fileno=ends[1].detach())
    handler = handler_of(sock, Server())
    read_ahead(handler, client)
    client.sendall(b"\n")
    assert other.hand_over(handler, owner[0].new_session_id())
    assert owner[1].taken.get(timeout=SECONDS)
    handler.rfile.close()


@pytest.mark.parametrize("session_id", ["", "abcdef", "x" * 26, "../../../abcdef", "é" * 26, "own"])
def test_sessions_that_nobody_else_has_stay(other: Handoff, ends: Any, session_id: str) -> None:
    known = other.new_session_id() if session_id == "own" else session_id
    assert stays_here(other, handler_of(ends[1], Server()), known)


def test_where_the_owner_listens_no_more_a_request_stays(owner: Any, other: Handoff, ends: Any) -> None:
    session_id = owner[0].new_session_id()
    owner[0].stop()
    owner[0].stop()
    assert stays_here(other, handler_of(ends[1], Server()), session_id)
    assert list(parent_of(owner[0]).glob("*/*")) == []


def test_where_others_may_enter_the_folder_a_request_stays(owner: Any, other: Handoff, ends: Any) -> None:
    for folder in parent_of(owner[0]).iterdir():
        folder.chmod(0o755)
    assert stays_here(other, handler_of(ends[1], Server()), owner[0].new_session_id())


def test_each_server_of_a_process_has_one_listener() -> None:
    # Not `tmp_path`: the path of a socket may have 107 bytes, and pytest's names are long.
    with TemporaryDirectory() as name:
        folder = Path(name)
        neighbours = Handoff(folder)
        servers = [Server(), Server(("0.0.0.0", 81))]  # noqa: S104 - nobody listens there
        for server in (*servers, servers[0]):
            neighbours.start(server)
        assert len(list(folder.glob("*/*"))) == 2
        neighbours.stop()
        assert list(folder.glob("*/*")) == []


@pytest.mark.parametrize("is_one_of_several", [True, False])
def test_a_process_that_cannot_listen_says_so_where_there_are_others(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    is_one_of_several: bool,  # noqa: FBT001 - a case
) -> None:
    neighbours, server = Handoff(tmp_path), Server()
    server.environ["wsgi.multiprocess"] = is_one_of_several
    (tmp_path / f"flask_realtime-{os.geteuid()}").touch()
    neighbours.start(server)
    neighbours.start(server)
    neighbours.stop()
    assert caplog.text.count("cannot hand over") == is_one_of_several


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait in a greenlet until something is so."""
    with gevent.Timeout(SECONDS):
        while not condition():
            gevent.sleep(0.001)


@pytest.fixture
def often_kept(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Handoff, Server, Path]]:
    """A process that looks after its socket all the time, its server, and the socket."""
    monkeypatch.setattr(links, "KEEP_INTERVAL", 0.001)
    folder = tmp_path_factory.mktemp("k")
    neighbours, server = Handoff(folder), Server()
    neighbours.start(server)
    (path,) = folder.glob("*/*")
    yield neighbours, server, path
    neighbours.stop()


def test_a_socket_never_becomes_old(often_kept: tuple[Handoff, Server, Path]) -> None:
    _, _, path = often_kept
    os.utime(path, (0, 0))
    wait_until(lambda: path.stat().st_mtime > 0)


@pytest.mark.parametrize("remove", [Path.unlink, lambda path: shutil.rmtree(path.parent)])
def test_a_socket_that_somebody_removes_is_made_anew(
    often_kept: tuple[Handoff, Server, Path], ends: Any, remove: Callable[[Path], None]
) -> None:
    neighbours, server, path = often_kept
    for _ in range(2):
        remove(path)
        wait_until(path.exists)
    client, sock = ends
    handler = handler_of(sock, Server())
    read_ahead(handler, client)
    assert Handoff(parent_of(neighbours)).hand_over(handler, neighbours.new_session_id())
    client.sendall(b"\n")
    taken: Any = server.taken.get(timeout=SECONDS)
    assert taken[0] == HEAD + BEHIND
    handler.rfile.close()
    neighbours.stop()
    gevent.sleep(0.01)
    assert not path.exists()


def test_an_id_is_long_random_and_ends_with_the_tag_of_its_process(tmp_path: Path) -> None:
    neighbours = Handoff(tmp_path)
    ids = {neighbours.new_session_id() for _ in range(100)}
    assert len(ids) == 100
    assert len({session_id[-6:] for session_id in ids}) == 1
    assert all(re.fullmatch(r"[\w-]{26}", session_id, re.ASCII) for session_id in ids)
    assert module.Handoff(tmp_path).new_session_id()[-6:] not in {session_id[-6:] for session_id in ids}


def is_watched(number: int) -> bool:
    """Say whether the event loop gets the events of a descriptor."""
    watched = Path(f"/proc/self/fdinfo/{gevent.get_hub().loop.fileno()}").read_text()
    return re.search(rf"tfd: +{number} ", watched) is not None


def test_no_event_of_a_connection_that_went_comes_here_any_more(owner: Any, other: Handoff, ends: Any) -> None:
    client, sock = ends
    reading = gevent.spawn(sock.recv, 100)
    gevent.sleep(0.005)
    reading.kill()
    number, handler = sock.fileno(), handler_of(sock, Server())
    client.sendall(BEHIND)
    assert is_watched(number)
    assert other.hand_over(handler, owner[0].new_session_id())
    assert not is_watched(number)
    client.sendall(b"\n")
    assert owner[1].taken.get(timeout=SECONDS)
    handler.rfile.close()


# What a process tells of a connection --------------------------------------------------------------------


def test_what_has_not_been_read_is_read_without_waiting(ends: Any) -> None:
    client, sock = ends
    handler = handler_of(sock, Server())
    sock.settimeout(7.0)
    assert progress_of(handler, "one") == (HEAD, ("192.0.2.1", 1234), False, "one")
    client.sendall(BEHIND)
    assert progress_of(handler, "one").received == HEAD + BEHIND
    assert progress_of(handler, "one").received == HEAD + BEHIND, "it can be read again"
    assert sock.gettimeout() == 7.0
    handler.rfile.close()
