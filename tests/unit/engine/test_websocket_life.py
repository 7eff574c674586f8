"""One WebSocket connection, from the first byte to the last, with a socket pair in the place of a client."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import pytest

from flask_realtime.counts import Counts
from flask_realtime.engine import websocket as module
from flask_realtime.engine.frames import Opcode, encode_close, encode_frame
from flask_realtime.engine.outbox import MOST, Outbox
from flask_realtime.engine.tls import TlsWebSocket
from flask_realtime.engine.websocket import WebSocket, write_to_all

SECONDS = 10.0
LIMIT = 1_000_000
TEXT, BINARY, CLOSE, PING, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE, Opcode.PING, Opcode.PONG


class Receiver:
    """Notes what comes.

    Args:
        on_message: Called with each message too.
    """

    def __init__(self, on_message: Callable[[Any], object] = bool) -> None:
        self.got: list[Any] = []
        self.lost: list[str] = []
        self.on_message = on_message

    def on_text(self, data: str) -> None:
        """Note a text."""
        self.got.append(data)
        self.on_message(data)

    def on_binary(self, data: bytes) -> None:
        """Note bytes."""
        self.got.append(bytes(data))
        self.on_message(data)

    def on_lost(self, reason: str) -> None:
        """Note the end."""
        self.lost.append(reason)


class Peer:
    """A client, and the server's end of its connection.

    Args:
        kind: The server's class.
        max_backlog: As the class has it.
        max_message_size: As the class has it.
    """

    def __init__(self, kind: type[WebSocket], max_backlog: int = LIMIT, max_message_size: int = LIMIT) -> None:
        self.client, server = gevent.socket.socketpair()
        self.client.settimeout(SECONDS)
        self.receiver = Receiver()
        self.counts = Counts()
        self.options = (self.receiver, max_message_size, max_backlog, self.counts)
        self.websocket = TlsWebSocket(server, *self.options) if kind is TlsWebSocket else WebSocket(server.detach(), *self.options)

    def begin(self, received: bytes = b"") -> None:
        """Have the server read."""
        if isinstance(self.websocket, TlsWebSocket):
            gevent.spawn(self.websocket.run, received)
            gevent.sleep(0)
        else:
            self.websocket.run(received)

    def read(self, size: int) -> bytes:
        """Read exactly so many bytes, or fewer where the end comes."""
        data = b""
        while len(data) < size and (piece := self.client.recv(size - len(data))):
            data += piece
        return data

    def rest(self) -> bytes:
        """Read all until the end."""
        return self.read(10 * LIMIT)

    def fill(self) -> bytes:
        """Write until the kernel takes no more, and return what was written."""
        written = b""
        while not self.websocket.has_backlog:
            piece = os.urandom(1000)
            written += piece
            self.websocket.write(piece)
        return written


Connect = Callable[..., Peer]


def until(is_so: Callable[[], object]) -> None:
    """Let the event loop turn until something is so."""
    with gevent.Timeout(SECONDS):
        while not is_so():
            gevent.sleep(0.001)


def has(peer: Peer, count: int) -> bool:
    """Say whether so many messages have come."""
    return len(peer.receiver.got) == count


def masked(opcode: int, payload: bytes, first: int = 0x80) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    else:
        length = b"\xfe" + struct.pack("!H", size) if size < 65_536 else b"\xff" + struct.pack("!Q", size)
    return bytes([first | opcode]) + length + bytes(4) + payload


@pytest.fixture(params=[WebSocket, TlsWebSocket])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def connect() -> Iterator[Callable[..., Peer]]:
    """Make connections, and close them after the test."""
    peers: list[Peer] = []

    def connect(*arguments: Any) -> Peer:
        peers.append(Peer(*arguments))
        return peers[-1]

    yield connect
    for peer in peers:
        peer.websocket.abort()
        peer.client.close()


@pytest.fixture
def peer(kind: type[WebSocket], connect: Connect) -> Peer:
    return connect(kind)


def is_gone(peer: Peer) -> bool:
    """Say whether the server's end of a connection is closed."""
    try:
        peer.client.sendall(b"x")
    except OSError:
        return True
    return False


# What comes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 477, 478, 8192, 300_000])
def test_messages_arrive_whole_and_in_order(peer: Peer, size: int) -> None:
    peer.begin()
    frames = [masked(TEXT, b"first"), masked(BINARY, bytes(size)), masked(TEXT, b"x" * size), masked(TEXT, b"last")]
    gevent.spawn(peer.client.sendall, b"".join(frames))
    until(lambda: "last" in peer.receiver.got)
    assert peer.receiver.got == ["first", bytes(size), "x" * size, "last"]


def test_what_somebody_else_read_comes_first(peer: Peer) -> None:
    peer.client.sendall(masked(TEXT, b"second"))
    peer.begin(masked(TEXT, b"first"))
    until(lambda: len(peer.receiver.got) == 2)
    assert peer.receiver.got == ["first", "second"]


def test_single_texts_arrive_one_by_one(peer: Peer) -> None:
    peer.begin()
    for number in range(3):
        peer.client.sendall(masked(TEXT, b"%d" % number))
        until(partial(has, peer, number + 1))
    assert (peer.receiver.got, peer.receiver.lost) == (["0", "1", "2"], [])


def test_a_ping_is_answered_with_what_it_holds(peer: Peer) -> None:
    peer.begin()
    peer.client.sendall(masked(PING, b"here") + masked(PONG, b"no answer to this") + masked(PING, b""))
    assert peer.read(8) == encode_frame(PONG, b"here") + encode_frame(PONG, b"")
    assert (peer.receiver.got, peer.receiver.lost) == ([], [])


@pytest.mark.parametrize("payload", [b"", struct.pack("!H", 1001), struct.pack("!H", 3000) + b"good-bye"])
def test_a_close_frame_is_answered_with_its_code_and_nothing_behind_it_counts(peer: Peer, payload: bytes) -> None:
    peer.begin()
    peer.client.sendall(masked(TEXT, b"before") + masked(CLOSE, payload) + masked(TEXT, b"behind"))
    assert peer.rest() == encode_frame(CLOSE, payload[:2])
    assert (peer.receiver.got, peer.receiver.lost) == (["before"], ["transport close"])
    peer.client.close()
    gevent.sleep(0.01)
    assert peer.receiver.lost == ["transport close"]


def test_what_breaks_the_protocol_ends_the_connection_behind_what_came_before(peer: Peer) -> None:
    peer.begin()
    peer.client.sendall(masked(TEXT, b"before") + masked(TEXT, b"bad", first=0xF0) + masked(TEXT, b"behind"))
    assert peer.rest() == encode_close(1002)
    with suppress(OSError):  # Over TLS, that is the end of it.
        peer.client.sendall(masked(TEXT, b"behind"))
    gevent.sleep(0.01)
    assert (peer.receiver.got, peer.receiver.lost) == (["before"], ["parse error"])


def test_what_breaks_the_protocol_behind_a_close_frame_is_not_looked_at(peer: Peer) -> None:
    peer.begin()
    peer.client.sendall(masked(CLOSE, b"") + masked(TEXT, b"bad", first=0xF0))
    assert peer.rest() == encode_frame(CLOSE, b"")
    assert peer.receiver.lost == ["transport close"]


@pytest.mark.parametrize("allowed", [10, 11])
def test_how_large_a_message_may_be_can_change(connect: Connect, kind: type[WebSocket], allowed: int) -> None:
    peer = connect(kind, LIMIT, 5)
    peer.begin()
    peer.websocket.allow(allowed)
    peer.client.sendall(masked(TEXT, b"x" * 11))
    if allowed == 10:
        assert peer.rest() == encode_close(1009)
        assert peer.receiver.lost == ["parse error"]
    else:
        until(lambda: peer.receiver.got == ["x" * 11])


def test_a_peer_that_ends_the_connection_is_noticed_once(peer: Peer) -> None:
    peer.begin()
    peer.client.sendall(masked(TEXT, b"last"))
    peer.client.close()
    until(lambda: peer.receiver.lost)
    peer.websocket.write(b"x")
    peer.websocket.close()
    assert (peer.receiver.got, peer.receiver.lost) == (["last"], ["transport close"])
    assert not peer.websocket.has_backlog


def test_a_reset_connection_is_noticed_once() -> None:
    with closing(gevent.socket.socket()) as listener, closing(gevent.socket.socket()) as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    receiver = Receiver()
    websocket = WebSocket(server.detach(), receiver, LIMIT, LIMIT, Counts())
    websocket.run()
    until(lambda: receiver.lost)
    assert receiver.lost == ["transport error"]


# What goes -----------------------------------------------------------------------------------------------


def test_what_the_kernel_does_not_take_follows_in_order(connect: Connect, kind: type[WebSocket]) -> None:
    peer = connect(kind)
    peer.begin()
    written = peer.fill()
    for number in range(50):
        piece = b"%d" % number * 5000
        written += piece
        peer.websocket.write(piece)
    assert peer.websocket.has_backlog
    assert peer.read(len(written)) == written
    until(lambda: not peer.websocket.has_backlog)
    peer.websocket.write(b"behind")
    assert peer.read(6) == b"behind"
    assert peer.receiver.lost == []


def test_a_peer_that_reads_again_has_all_of_its_allowance_again(connect: Connect) -> None:
    peer = connect(WebSocket, 200_000)
    peer.begin()
    for _ in range(5):
        written = peer.fill()
        written += (piece := bytes(150_000))
        peer.websocket.write(piece)
        assert peer.read(len(written)) == written
        until(lambda: not peer.websocket.has_backlog)
    assert peer.receiver.lost == []


def full(connect: Connect, max_backlog: int) -> Peer:
    """A connection whose peer reads nothing, and on which nothing waits yet."""
    peer = connect(WebSocket, max_backlog)
    peer.begin()
    peer.websocket.put_off(b"")
    return peer


def test_as_much_may_wait_as_is_allowed_and_not_a_byte_more(connect: Connect) -> None:
    peer = full(connect, 1000)
    peer.websocket.write(bytes(1000))
    assert peer.receiver.lost == []
    peer.websocket.write(b"x")
    assert peer.receiver.lost == ["transport error"]
    assert not peer.websocket.has_backlog
    assert peer.rest() == b""
    assert (peer.counts.cut, peer.counts.dropped) == (1, 0)


def test_what_is_volatile_is_dropped_where_more_than_half_waits(connect: Connect) -> None:
    peer = full(connect, 1000)
    peer.websocket.write(b"a" * 500, volatile=True)
    peer.websocket.write(b"b", volatile=True)
    peer.websocket.write(b"c", volatile=True)
    peer.websocket.write(b"d" * 400)
    assert peer.read(901) == b"a" * 500 + b"b" + b"d" * 400
    assert (peer.counts.cut, peer.counts.dropped) == (0, 1)


def test_one_who_is_gone_does_not_keep_a_message_from_the_others(connect: Connect) -> None:
    peers = [connect(WebSocket) for _ in range(4)]
    for peer in peers:
        peer.begin()
    peers[0].client.close()
    peers[1].fill()
    peers[2].websocket.close()
    write_to_all([peer.websocket for peer in peers], b"message")
    assert peers[0].receiver.lost == ["transport error"]
    assert peers[2].rest() == encode_close(1000)
    assert peers[3].read(7) == b"message"
    write_to_all([peers[3].websocket], b"next", volatile=True)
    assert peers[3].read(4) == b"next"
    peers[1].websocket.close()
    assert peers[1].rest().endswith(b"message" + encode_close(1000))


def test_a_peer_that_goes_while_bytes_wait_for_it_is_noticed_once(connect: Connect, kind: type[WebSocket]) -> None:
    peer = connect(kind)
    peer.fill()  # Nothing is read yet, so that the writer alone can notice.
    peer.client.close()
    until(lambda: peer.receiver.lost)
    assert peer.receiver.lost == ["transport error"]
    assert not peer.websocket.has_backlog


# Reading pauses ------------------------------------------------------------------------------------------


def test_nothing_is_read_during_a_pause(peer: Peer) -> None:
    peer.receiver.on_message = lambda text: peer.websocket.pause() if text == "0" else None
    peer.begin()
    peer.client.sendall(b"".join(masked(TEXT, b"%d" % number) for number in range(3)))
    until(lambda: peer.receiver.got)
    peer.client.sendall(masked(TEXT, b"3"))
    gevent.sleep(0.01)
    assert peer.websocket.is_paused
    assert peer.receiver.got == ["0"]
    peer.websocket.resume()
    assert not peer.websocket.is_paused
    until(lambda: len(peer.receiver.got) == 4)
    assert peer.receiver.got == ["0", "1", "2", "3"]
    peer.websocket.resume()


def test_a_pause_may_follow_a_pause(peer: Peer) -> None:
    peer.receiver.on_message = lambda _text: peer.websocket.pause()
    peer.begin()
    peer.client.sendall(b"".join(masked(TEXT, b"%d" % number) for number in range(4)))
    for number in range(3):
        until(lambda: peer.receiver.got)
        gevent.sleep(0.005)
        assert peer.receiver.got == [f"{earlier}" for earlier in range(number + 1)]
        assert peer.websocket.is_paused
        peer.websocket.resume()


def test_a_pause_does_not_keep_a_connection_from_its_end(peer: Peer) -> None:
    peer.receiver.on_message = lambda _text: peer.websocket.pause()
    peer.begin()
    peer.client.sendall(masked(TEXT, b"first") + masked(TEXT, b"second"))
    until(lambda: peer.websocket.is_paused)
    peer.websocket.close()
    assert not peer.websocket.is_paused
    assert peer.read(4) == encode_close(1000)
    with suppress(OSError):  # Over TLS, that is the end of it.
        peer.client.sendall(masked(TEXT, b"third"))
    peer.websocket.resume()
    peer.websocket.pause()
    assert not peer.websocket.is_paused
    peer.client.close()
    until(lambda: peer.websocket.has_backlog is False and peer.websocket._state is module.State.CLOSED)
    assert (peer.receiver.got, peer.receiver.lost) == (["first"], [])


# What is gathered ----------------------------------------------------------------------------------------


def test_what_is_gathered_is_sent_in_one_piece_and_in_order(connect: Connect) -> None:
    peer = connect(WebSocket)
    peer.begin()
    assert peer.websocket.gather(b"first")
    assert not peer.websocket.gather(b"second")
    peer.websocket.write(b"third")
    write_to_all([peer.websocket], b"fourth")
    peer.client.settimeout(0)
    with pytest.raises(BlockingIOError):
        peer.client.recv(1)
    peer.websocket.send_gathered()
    assert peer.client.recv(LIMIT) == b"firstsecondthirdfourth"
    peer.websocket.write(b"fifth")
    peer.websocket.send_gathered()
    assert peer.client.recv(LIMIT) == b"fifth"
    assert peer.websocket.gather(b"sixth")


def test_no_more_than_so_many_frames_are_gathered(connect: Connect) -> None:
    peer = connect(WebSocket)
    peer.begin()
    peer.websocket.gather(b"x")
    for _ in range(module.MAX_GATHERED - 2):
        peer.websocket.write(b"x")
    peer.client.settimeout(0)
    with pytest.raises(BlockingIOError):
        peer.client.recv(1)
    peer.websocket.write(b"x")
    assert peer.client.recv(LIMIT) == b"x" * module.MAX_GATHERED
    peer.websocket.write(b"behind")
    assert peer.client.recv(LIMIT) == b"behind"


def test_nothing_is_gathered_behind_what_waits_for_the_kernel(connect: Connect, kind: type[WebSocket]) -> None:
    peer = connect(kind)
    peer.begin()
    written = peer.fill()
    assert not peer.websocket.gather(b"last")
    assert peer.read(len(written) + 4) == written + b"last"


def test_what_the_kernel_does_not_take_of_what_was_gathered_follows(connect: Connect) -> None:
    peer = connect(WebSocket, 10 * LIMIT)
    peer.begin()
    piece = os.urandom(4 * LIMIT)
    peer.websocket.gather(piece)
    peer.websocket.write(b"last")
    peer.websocket.send_gathered()
    assert peer.websocket.has_backlog
    assert peer.read(4 * LIMIT + 4) == piece + b"last"


@pytest.mark.parametrize("frames", [[], [b"second"]])
def test_what_was_gathered_is_sent_before_the_end(connect: Connect, frames: list[bytes]) -> None:
    peer = connect(WebSocket)
    peer.begin()
    for frame in [b"first", *frames]:
        peer.websocket.gather(frame)
    peer.websocket.close()
    peer.websocket.send_gathered()
    assert peer.rest() == b"".join([b"first", *frames, encode_close(1000)])
    assert not peer.websocket.gather(b"behind")


def test_what_was_gathered_is_sent_before_the_answer_to_a_close_frame(connect: Connect) -> None:
    peer = connect(WebSocket)
    peer.receiver.on_message = lambda _data: peer.websocket.gather(b"answer")
    peer.begin()
    peer.client.sendall(masked(TEXT, b"question") + masked(CLOSE, b"\x03\xe8"))
    assert peer.rest() == b"answer" + encode_close(1000)
    assert peer.receiver.lost == ["transport close"]


def test_what_was_gathered_is_discarded_with_the_connection(connect: Connect) -> None:
    peer = connect(WebSocket)
    peer.begin()
    peer.websocket.gather(b"never")
    peer.websocket.abort()
    peer.websocket.send_gathered()
    assert peer.rest() == b""


def test_a_peer_that_is_gone_when_what_was_gathered_is_sent_is_noticed_once(connect: Connect) -> None:
    peer = connect(WebSocket)
    peer.websocket.gather(b"x")
    peer.client.close()
    peer.websocket.close()
    peer.websocket.send_gathered()
    assert peer.receiver.lost == ["transport error"]


def test_an_outbox_sends_when_the_turn_of_the_event_loop_ends(connect: Connect) -> None:
    outbox, peers = Outbox(), [connect(WebSocket) for _ in range(2)]
    for text in (b"one", b"two"):
        for peer in peers:
            outbox.send(peer.websocket, text)
    for peer in peers:
        peer.client.settimeout(0)
        with pytest.raises(BlockingIOError):
            peer.client.recv(1)
    gevent.sleep(0)
    assert [peer.client.recv(LIMIT) for peer in peers] == [b"onetwo"] * 2
    outbox.send(peers[0].websocket, b"again")
    gevent.sleep(0)
    assert peers[0].client.recv(LIMIT) == b"again"


def test_an_outbox_sends_at_once_where_so_many_wait(connect: Connect) -> None:
    outbox, peers = Outbox(), [connect(WebSocket) for _ in range(MOST + 1)]
    for peer in peers:
        outbox.send(peer.websocket, b"x")
    assert [peer.client.recv(LIMIT) for peer in peers[:-1]] == [b"x"] * MOST
    peers[-1].client.settimeout(0)
    with pytest.raises(BlockingIOError):
        peers[-1].client.recv(1)
    gevent.sleep(0)
    assert peers[-1].client.recv(LIMIT) == b"x"


# The end -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "frame"), [(1000, encode_close(1000)), (1011, encode_close(1011)), (None, b"\x88\x00")])
def test_who_is_told_of_the_end_hears_nothing_else(peer: Peer, code: int | None, frame: bytes) -> None:
    peer.begin()
    peer.websocket.write(b"before")
    peer.websocket.close(code)
    peer.websocket.close(code)
    peer.websocket.write(b"behind")
    write_to_all([peer.websocket], b"behind")
    assert peer.rest() == b"before" + frame
    peer.client.close()
    gevent.sleep(0.01)
    assert peer.receiver.lost == []


def test_what_waits_is_sent_before_the_end(connect: Connect, kind: type[WebSocket]) -> None:
    peer = connect(kind)
    peer.begin()
    written = peer.fill()
    peer.websocket.write(b"last")
    peer.websocket.close()
    assert peer.rest() == written + b"last" + encode_close(1000)


def test_a_peer_that_never_answers_a_close_frame_is_cut_off(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER", 0.1)
    peer = connect(WebSocket)
    peer.begin()
    peer.websocket.close()
    assert peer.rest() == encode_close(1000)
    assert not is_gone(peer)
    until(lambda: is_gone(peer))
    assert peer.receiver.lost == []


def test_a_peer_that_answers_a_close_frame_leaves_nothing_behind(connect: Connect, kind: type[WebSocket]) -> None:
    peer = connect(kind)
    peer.begin()
    peer.websocket.close()
    peer.rest()
    peer.client.close()
    until(lambda: peer.websocket._state is module.State.CLOSED)
    assert module.LINGER == 2.0


def test_abort_sends_nothing_more(connect: Connect, kind: type[WebSocket]) -> None:
    peer = connect(kind)
    peer.begin()
    peer.websocket.write(b"before")
    assert peer.read(6) == b"before"
    peer.websocket.abort()
    peer.websocket.abort()
    peer.websocket.write(b"behind")
    peer.websocket.run(masked(TEXT, b"late"))
    assert peer.rest() == b""
    assert is_gone(peer)
    assert (peer.receiver.got, peer.receiver.lost) == ([], [])


def test_the_descriptor_of_a_connection_that_ended_is_free_again() -> None:
    client, server = gevent.socket.socketpair()
    number = server.detach()
    websocket = WebSocket(number, Receiver(), LIMIT, LIMIT, Counts())
    websocket.run()
    websocket.abort()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    client.close()


def test_over_tls_a_connection_ends_though_somebody_still_holds_its_reader() -> None:
    client, server = gevent.socket.socketpair()
    client.settimeout(SECONDS)
    with closing(client), server.makefile("rb"):
        TlsWebSocket(server, Receiver(), LIMIT, LIMIT, Counts()).abort()
        assert client.recv(1) == b""


def test_over_tls_what_cannot_be_decrypted_ends_the_connection() -> None:
    def fail(_size: int) -> bytes:
        raise OSError

    receiver = Receiver()
    sock = SimpleNamespace(recv=fail, shutdown=lambda _how: None, close=lambda: None)
    TlsWebSocket(sock, receiver, LIMIT, LIMIT, Counts()).run()
    assert receiver.lost == ["transport error"]


def test_a_kernel_that_is_only_busy_loses_nothing(connect: Connect) -> None:
    peer = connect(WebSocket)
    peer.begin()
    error = OSError(errno.EINTR, "interrupted")
    peer.websocket.write_failed(b"again", error)
    assert peer.read(5) == b"again"
    peer.websocket.abort()
