"""A client's connection that changes hands between two processes: who takes it, and who is left with it."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.event import AsyncResult
from gevent.pool import Pool

from flask_realtime.engine.handoff.handoff import Handoff
from flask_realtime.engine.handoff.links import PATIENCE, Arrival, Listener, offer
from flask_realtime.engine.handoff.progress import Progress
from flask_realtime.socket_folder import SETTLING_TIME, SocketFolder

SECONDS = 10.0
PROGRESS = Progress(b"GET / HTTP/1.1\r\n\r\n", ("192.0.2.1", 1234), is_answered=False, session_id="one")


class Owner:
    """A WSGI server, as far as a listener knows it: it keeps the one connection that it gets."""

    def __init__(self, size: int = 10) -> None:
        self.pool = Pool(size)
        self.taken: AsyncResult[tuple[Any, Any]] = AsyncResult()

    def got(self) -> tuple[Any, Any]:
        """What came on the connection, and the client's address."""
        got = self.taken.get(timeout=SECONDS)
        assert got is not None
        return got

    def handle(self, sock: Any, address: Any) -> None:
        """Note a connection."""
        copy = gevent.socket.socket(fileno=os.dup(sock.fileno()))
        self.taken.set((sock.makefile("rb").read(len(PROGRESS.received)), address))
        with closing(copy):
            copy.sendall(b"served")


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("l") / "place"


def new_listener(path: Path, owner: Owner) -> Listener:
    """Listens, whoever removes the socket."""
    return Listener(path, owner, lambda _listener: None)


@pytest.fixture
def listener(path: Path, owner: Owner) -> Iterator[Listener]:
    with closing(new_listener(path, owner)) as listener:
        yield listener


@pytest.fixture
def client() -> Iterator[Any]:
    """A client's end of a connection, and the server's."""
    ends = gevent.socket.socketpair()
    ends[0].settimeout(SECONDS)
    yield ends
    for end in ends:
        end.close()


@pytest.mark.usefixtures("listener")
def test_where_the_system_does_not_tell_who_connects_the_folder_decides(
    path: Path, owner: Owner, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "SO_PEERCRED")
    offer(path, PROGRESS, client[1].fileno()).close()
    assert owner.got() == (PROGRESS.received, PROGRESS.address)


@pytest.mark.usefixtures("listener")
def test_a_connection_goes_to_who_listens(path: Path, owner: Owner, client: Any) -> None:
    offer(path, PROGRESS, client[1].fileno()).close()
    client[1].close()
    assert owner.got() == (PROGRESS.received, PROGRESS.address)
    assert client[0].recv(100) == b"served"
    assert client[0].recv(100) == b""


@pytest.mark.usefixtures("listener")
def test_a_link_may_stand_for_the_connection(path: Path, owner: Owner) -> None:
    with closing(offer(path, PROGRESS, None)) as link:
        assert owner.got()[0] == PROGRESS.received
        link.settimeout(SECONDS)
        assert link.recv(100) == b"served"
        assert link.recv(100) == b""


@pytest.mark.usefixtures("listener")
@pytest.mark.parametrize("size", [0, 60_000, 1_000_000])
def test_what_was_received_comes_first_however_much_it_is(path: Path, owner: Owner, size: int) -> None:
    progress = PROGRESS._replace(received=PROGRESS.received + bytes(size))
    with closing(offer(path, progress, None)):
        assert owner.got()[0] == PROGRESS.received


@pytest.mark.usefixtures("listener")
def test_what_comes_in_pieces_is_taken_when_it_is_whole(path: Path, owner: Owner, client: Any) -> None:
    message = PROGRESS.encode()
    with closing(gevent.socket.socket(socket.AF_UNIX)) as link:
        link.connect(str(path))
        socket.send_fds(link, [message[:3]], [client[1].fileno()])
        for position in range(3, len(message)):
            gevent.sleep(0)
            assert not owner.taken.ready()
            link.sendall(message[position : position + 1])
        assert owner.got()[0] == PROGRESS.received


@pytest.mark.usefixtures("listener")
@pytest.mark.parametrize("size", [0, 3, 20])
def test_what_never_becomes_whole_is_given_up(path: Path, owner: Owner, client: Any, size: int) -> None:
    with closing(gevent.socket.socket(socket.AF_UNIX)) as link:
        link.connect(str(path))
        if size:
            socket.send_fds(link, [PROGRESS.encode()[:size]], [client[1].fileno()])
    client[1].close()
    if size:
        assert client[0].recv(100) == b""  # Nobody has the other end any more.
    offer(path, PROGRESS, None).close()
    assert owner.got()


def test_nobody_takes_what_was_taken_back(path: Path, client: Any) -> None:
    with closing(deaf_listener(path)) as deaf:
        with pytest.raises(TimeoutError):
            offer(path, PROGRESS, client[1].fileno())
        arrival = Arrival(gevent.socket.socket(fileno=deaf.accept()[0].detach()))
        with closing(arrival), pytest.raises(BrokenPipeError):
            arrival.take(0)


def deaf_listener(path: Path) -> Any:
    """A socket that others can connect to, and that nobody looks after."""
    deaf = socket.socket(socket.AF_UNIX)
    deaf.bind(str(path))
    deaf.listen(1)
    deaf.settimeout(0)
    return deaf


def test_where_too_many_wait_nobody_waits_longer(path: Path, client: Any) -> None:
    with closing(deaf_listener(path)):
        offers = [gevent.spawn(offer, path, PROGRESS, client[1].fileno()) for _ in range(5)]
        gevent.joinall(offers, timeout=SECONDS * PATIENCE)
        assert all(isinstance(item.exception, OSError) for item in offers)


def accepted(deaf: Any) -> Any:
    """The next connection to a socket, as soon as there is one."""
    with gevent.Timeout(SECONDS):
        while True:
            with suppress(BlockingIOError):
                return deaf.accept()[0]
            gevent.sleep(0.001)


def test_who_finds_too_many_waiting_tries_again(path: Path, client: Any) -> None:
    with closing(deaf_listener(path)) as deaf:
        waiting: list[Any] = []
        while not waiting or not waiting[-1].connect_ex(str(path)):
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].settimeout(0)
        offering = gevent.spawn(offer, path, PROGRESS, client[1].fileno())
        gevent.sleep(0)
        for link in waiting[:-1]:
            accepted(deaf).close()
            link.close()
        arrival = Arrival(gevent.socket.socket(fileno=accepted(deaf).detach()))
        sock, address = arrival.take(SECONDS)
        assert address == PROGRESS.address
        sock.close()
        offering.get(timeout=SECONDS).close()
        for link in waiting:
            link.close()


def test_a_full_pool_takes_nothing_until_there_is_a_place(path: Path, client: Any) -> None:
    owner = Owner(1)
    busy = gevent.event.Event()
    owner.pool.spawn(busy.wait)
    with closing(new_listener(path, owner)):
        with pytest.raises(TimeoutError):
            offer(path, PROGRESS, client[1].fileno())
        waiting = gevent.spawn(offer, path, PROGRESS, client[1].fileno())
        busy.set()
        waiting.get(timeout=SECONDS).close()
        assert owner.got()


def test_nobody_listens_after_the_end(path: Path, listener: Listener) -> None:
    listener.close()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        offer(path, PROGRESS, None)


def test_a_forked_child_has_sessions_of_its_own(tmp_path: Path) -> None:
    neighbours = Handoff(tmp_path)
    tag = neighbours.new_session_id()[-6:]
    outlet, inlet = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(inlet, neighbours.new_session_id()[-6:].encode())
        os._exit(0)
    os.close(inlet)
    with os.fdopen(outlet, "rb") as pipe:
        assert pipe.read().decode() not in {"", tag}
    os.waitpid(child, 0)
    assert neighbours.new_session_id()[-6:] == tag


# The folder ----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> SocketFolder:
    return SocketFolder(tmp_path_factory.mktemp("f"), os.geteuid())


def test_a_folder_is_for_its_user_alone(folder: SocketFolder) -> None:
    folder.make()
    folder.make()
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_another_users_folder_is_refused(folder: SocketFolder) -> None:
    stranger = SocketFolder(folder.path.parent, os.geteuid() + 1)
    stranger.path.mkdir(0o700)
    for look in (stranger.make, stranger.check):
        with pytest.raises(PermissionError, match="only this user"):
            look()


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o720])
def test_a_folder_that_others_may_enter_is_refused(folder: SocketFolder, mode: int) -> None:
    folder.path.mkdir()
    folder.path.chmod(mode)
    with pytest.raises(PermissionError):
        folder.make()


def test_what_is_no_folder_is_refused(folder: SocketFolder, tmp_path: Path) -> None:
    folder.path.symlink_to(tmp_path)
    with pytest.raises(PermissionError):
        folder.make()
    folder.path.unlink()
    folder.path.touch()
    with pytest.raises(PermissionError):
        folder.make()


def test_only_what_was_abandoned_is_removed(folder: SocketFolder) -> None:
    folder.make()
    with closing(deaf_listener(folder.path / "alive")) as alive:
        for name in ("dead", "new"):
            deaf_listener(folder.path / name).close()
        for name in ("alive", "dead"):
            os.utime(folder.path / name, (0, 0))
        folder.remove_abandoned()
        assert {path.name for path in folder.path.iterdir()} == {"alive", "new"}
        with suppress(BlockingIOError):
            alive.accept()[0].close()
    assert SETTLING_TIME > PATIENCE
