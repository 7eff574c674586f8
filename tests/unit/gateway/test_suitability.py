"""Which servers can serve, and how."""

import pytest

from flask_realtime.gateway.serving.suitability import Choice, Judgement, judge
from flask_realtime.gateway.serving.web_server import WebServer

PYWSGI = WebServer("gevent's pywsgi server", is_pywsgi=True)
THREADS = WebServer("threads", hands_out_socket=True)
POOL = WebServer("a pool", places=8, hands_out_socket=True)
BY_SETTING = "REALTIME_ASYNC_MODE"
GEVENT = Choice("gevent", BY_SETTING)
THREADING = Choice("threading", BY_SETTING)


def verdict(
    server: WebServer,
    choice: Choice | None = None,
    *,
    has_polling: bool = True,
    is_patched: bool = False,
    is_stock: bool = False,
) -> Judgement:
    return judge(server, choice, has_polling=has_polling, is_patched=is_patched, is_stock=is_stock)


def test_the_server_decides_where_nobody_does() -> None:
    for is_patched in (False, True):
        assert verdict(PYWSGI, is_patched=is_patched) == Judgement("gevent")
        assert verdict(THREADS, is_patched=is_patched) == Judgement("threading")


def test_one_place_is_kept_free() -> None:
    assert verdict(POOL) == Judgement("threading", capacity=7)
    assert verdict(WebServer("two", places=2, hands_out_socket=True)).capacity == 1


def test_without_a_socket_there_is_long_polling_alone() -> None:
    server = WebServer("waitress", places=4)
    assert verdict(server) == Judgement("threading", has_websockets=False, capacity=3)
    assert verdict(server, has_polling=False).reason == "has no WebSocket, and the transports allow nothing else"


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (WebServer("sync", places=1, hands_out_socket=True), "one request at a time"),
        (WebServer("forking", has_processes=True, places=1), "one request at a time"),
        (WebServer("workers", has_processes=True, places=8, hands_out_socket=True), "several processes"),
        (WebServer("bridge", is_bridge=True, has_processes=True), "no WebSocket"),
    ],
    ids=["sync", "forking", "workers", "bridge"],
)
def test_a_server_that_cannot_serve_has_a_reason(server: WebServer, reason: str) -> None:
    assert reason in str(verdict(server).reason)
    assert reason in str(verdict(server, THREADING).reason)


def test_several_processes_serve_websockets() -> None:
    server = WebServer("workers", has_processes=True, places=8, hands_out_socket=True)
    assert verdict(server, has_polling=False) == Judgement("threading", capacity=7)


def test_several_processes_of_gevents_server_hand_requests_over() -> None:
    assert verdict(WebServer("pywsgi", is_pywsgi=True, has_processes=True)) == Judgement("gevent")


def test_gevent_asked_for_without_its_patches_is_refused_where_threads_serve() -> None:
    judgement = verdict(THREADS, GEVENT)
    assert judgement.mode == "gevent"
    assert judgement.reason == "serves with threads, and REALTIME_ASYNC_MODE = 'gevent' needs gevent"


def test_gevent_asked_for_with_its_patches_leaves_long_polling() -> None:
    judgement = verdict(POOL, GEVENT, is_patched=True)
    assert (judgement.mode, judgement.reason, judgement.has_websockets, judgement.capacity) == ("gevent", None, False, 7)
    assert judgement.remark == "REALTIME_ASYNC_MODE = 'gevent' leaves clients long polling alone on a pool"


def test_threads_asked_for_under_gevents_server() -> None:
    assert verdict(PYWSGI, THREADING).reason == (
        "handles everything in one thread, which REALTIME_ASYNC_MODE = 'threading' would hold up"
    )
    judgement = verdict(PYWSGI, THREADING, is_patched=True)
    assert (judgement.mode, judgement.reason, judgement.has_websockets) == ("threading", None, False)
    assert "REALTIME_ASYNC_MODE = 'threading' leaves clients long polling alone on gevent's pywsgi server" in str(judgement.remark)
    assert "nothing else" in str(verdict(PYWSGI, THREADING, has_polling=False, is_patched=True).reason)


def test_the_stock_engine_has_websockets_from_gevent_websocket_alone() -> None:
    with_websockets = WebServer("gevent's pywsgi server", is_pywsgi=True, hands_out_socket=True)
    for choice in (None, GEVENT):
        assert verdict(with_websockets, choice, is_stock=True) == Judgement("gevent")
        judgement = verdict(PYWSGI, choice, is_stock=True)
        assert (judgement.mode, judgement.reason, judgement.has_websockets, judgement.capacity) == ("gevent", None, False, None)
        assert judgement.remark == (
            "REALTIME_ENGINE = 'stock' leaves clients long polling alone on gevent's pywsgi server: "
            "its WebSockets need gunicorn's GeventWebSocketWorker"
        )
    alone = verdict(PYWSGI, has_polling=False, is_stock=True)
    assert alone.reason == "has no WebSocket for REALTIME_ENGINE = 'stock', and the transports allow nothing else"
    assert verdict(PYWSGI, THREADING, is_patched=True, is_stock=True) == verdict(PYWSGI, THREADING, is_patched=True)


@pytest.mark.parametrize("server", [PYWSGI, THREADS, WebServer("uWSGI", places=1)], ids=lambda server: server.name)
def test_what_an_adopted_object_asks_for_is_left_alone_where_only_it_knows(server: WebServer) -> None:
    assert verdict(server, Choice("gevent_uwsgi", "the adopted object")) == Judgement("gevent_uwsgi")
