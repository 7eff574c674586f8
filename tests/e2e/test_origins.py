"""Refused origins in the server's log."""

import json
from collections.abc import Iterator

import pytest
import requests
import websocket

from tests.e2e.conftest import CONTRACT_APP
from tests.e2e.raw import RawSocket
from tests.e2e.servers import Server, flask_run, gunicorn

POLLING = "/socket.io/?EIO=4&transport=polling"
ALLOWED = "https://chat.example"


def settings(**config: object) -> dict[str, str]:
    return {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_CORS_ALLOWED_ORIGINS": [ALLOWED], **config})}


@pytest.fixture(params=["own engine", "stock engine", "threads"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of its own for each test, with the lines that it alone has logged."""
    if request.param == "threads":
        started = flask_run(CONTRACT_APP.removesuffix("()"), settings())
    else:
        started = gunicorn(CONTRACT_APP, settings(REALTIME_ENGINE="gevent" if request.param == "own engine" else "stock"))
    with started as server:
        yield server


def poll(server: Server, origin: str) -> int:
    return requests.get(server.url + POLLING, headers={"Origin": origin}, timeout=10).status_code


def open_websocket(server: Server, origin: str) -> None:
    with pytest.raises((websocket.WebSocketBadStatusException, websocket.WebSocketConnectionClosedException, ConnectionError)):
        RawSocket(server.url, origin=origin).close()


def refusals(server: Server) -> list[str]:
    return [line for line in server.lines if "origin" in line]


def test_a_refused_origin_is_named_once_with_what_to_do(server: Server) -> None:
    for _ in range(3):
        assert poll(server, "https://other.example") in {400, 403}
        open_websocket(server, "https://other.example")
    open_websocket(server, "https://third.example")
    assert poll(server, ALLOWED) == 200
    server.wait_for_line("'https://third.example'")
    assert [line.partition("refused: ")[2] for line in refusals(server)] == [
        f"origin '{origin}' may not connect. If it is a page of yours, add '{origin}' to REALTIME_CORS_ALLOWED_ORIGINS."
        for origin in ("https://other.example", "https://third.example")
    ]


def test_an_origin_cannot_forge_a_line_of_the_log(server: Server) -> None:
    assert poll(server, "https://a.example\x1b[2J") == 400, "the engine's reader takes no such header; others may"
    assert poll(server, "https://a.example\x85refused: \x9b") in {400, 403}
    server.wait_for_line(r"origin 'https://a\.example\\x85refused: \\x9b' may not connect")
    assert not [line for line in server.lines if "a.example" in line and not line.strip().isprintable()]


def test_made_up_origins_do_not_fill_the_log(server: Server) -> None:
    with requests.Session() as session:
        for number in range(300):
            session.get(server.url + POLLING, headers={"Origin": f"https://{number}.example"}, timeout=10)
    assert poll(server, ALLOWED) == 200
    assert 1 <= len(refusals(server)) <= 101
