"""Suitability of a web server: the application's mode on it, or why it cannot serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from flask_realtime.gateway.serving.web_server import WebServer

GEVENT: Final = "gevent"
THREADING: Final = "threading"

STOCK: Final = "stock"
"""The setting `REALTIME_ENGINE` that leaves the engine out."""

_BY_STOCK: Final = f"REALTIME_ENGINE = {STOCK!r}"

_FEWEST_PLACES: Final = 2
"""Minimum number of concurrent requests: a long-polling client has one that waits, and sends with others."""


class Choice(NamedTuple):
    """A requested mode.

    Args:
        mode: The async mode.
        asked_by: The setting that requested it, for the log.
    """

    mode: str
    asked_by: str


@dataclass(frozen=True)
class Judgement:
    """The judgement of a web server.

    Args:
        mode: The async mode.
        reason: Why it cannot serve clients, as the end of a sentence that begins with the server; None if it can.
        remark: A warning for the developer although it works, or None.
        has_websockets: Whether clients can use a WebSocket.
        capacity: Maximum number of concurrent clients, or None if the server does not limit it.
    """

    mode: str
    reason: str | None = None
    remark: str | None = None
    has_websockets: bool = True
    capacity: int | None = None


def judge(server: WebServer, choice: Choice | None, *, has_polling: bool, is_patched: bool, is_stock: bool) -> Judgement:
    """Judge a web server.

    Args:
        server: The web server.
        choice: The requested mode, or None.
        has_polling: Whether clients may use long polling.
        is_patched: Whether gevent has patched threads.
        is_stock: Whether `REALTIME_ENGINE` leaves the engine out.
    """
    mode = choice.mode if choice is not None else GEVENT if server.is_pywsgi else THREADING
    if mode not in {GEVENT, THREADING}:
        return Judgement(mode)  # A mode for a server that only python-engineio knows.
    if not server.is_pywsgi:
        return _judge_threads(server, mode, choice, has_polling=has_polling, is_patched=is_patched)
    if choice is not None and choice.mode != GEVENT:
        return _judge_pywsgi(server, choice, has_polling=has_polling, is_patched=is_patched)
    return _judge_stock(server, mode, has_polling=has_polling) if is_stock else Judgement(mode)


def _judge_stock(server: WebServer, mode: str, *, has_polling: bool) -> Judgement:
    if server.hands_out_socket:
        return Judgement(mode)
    if not has_polling:
        return Judgement(mode, reason=f"has no WebSocket for {_BY_STOCK}, and the transports allow nothing else")
    remark = f"{_BY_STOCK} leaves clients long polling alone on {server.name}: its WebSockets need gunicorn's GeventWebSocketWorker"
    return Judgement(mode, remark=remark, has_websockets=False)


def _judge_pywsgi(server: WebServer, choice: Choice, *, has_polling: bool, is_patched: bool) -> Judgement:
    mode = choice.mode
    if not is_patched:
        return Judgement(mode, reason=f"handles everything in one thread, which {_asked(choice)} would hold up")
    if not has_polling:
        return Judgement(mode, reason=f"has no WebSocket for {_asked(choice)}, and the transports allow nothing else")
    remark = f"{_asked(choice)} leaves clients long polling alone on {server.name}, and sets the engine for it aside"
    return Judgement(mode, remark=remark, has_websockets=False)


def _judge_threads(server: WebServer, mode: str, choice: Choice | None, *, has_polling: bool, is_patched: bool) -> Judgement:
    reason = _why_not(server, mode, choice, has_polling=has_polling, is_patched=is_patched)
    if reason is not None:
        return Judgement(mode, reason=reason)
    has_websockets = server.hands_out_socket and mode == THREADING
    if not has_websockets and not has_polling:
        return Judgement(mode, reason="has no WebSocket, and the transports allow nothing else")
    remark = None
    if mode == GEVENT and choice is not None:
        remark = f"{_asked(choice)} leaves clients long polling alone on {server.name}"
    # Keep one place free for short requests.
    return Judgement(mode, None, remark, has_websockets, None if server.places is None else server.places - 1)


def _why_not(server: WebServer, mode: str, choice: Choice | None, *, has_polling: bool, is_patched: bool) -> str | None:
    if server.is_bridge:
        return "hands on no WebSocket, and clients that wait would take its few threads"
    if server.places is not None and server.places < _FEWEST_PLACES:
        return "handles one request at a time, and a client that waits for messages would hold up all others"
    if server.has_processes and has_polling:
        return "serves from several processes, and the requests of one client on long polling come to any of them"
    if mode == GEVENT and choice is not None and not is_patched:
        return f"serves with threads, and {_asked(choice)} needs gevent"
    return None


def _asked(choice: Choice) -> str:
    return f"{choice.asked_by} = {choice.mode!r}"
