"""What is wrong with an application is in the log of its server, from the first request on."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import requests

from tests.e2e.clients import JSClient, JSDriver
from tests.e2e.servers import Server, flask_run, gunicorn

APP = "tests.e2e.apps.unfinished_app:create_app"
START: dict[str, Callable[[dict[str, str]], AbstractContextManager[Server]]] = {
    "gunicorn": lambda environment: gunicorn(f"{APP}()", environment),
    "flask run": lambda environment: flask_run(APP, environment),
}


@pytest.fixture(params=START)
def start(request: pytest.FixtureRequest) -> Callable[[str], AbstractContextManager[Server]]:
    """Starts an application that lacks something."""
    return lambda forgotten: START[request.param]({"FORGOTTEN": forgotten})


def warnings(server: Server) -> list[str]:
    return [line for line in server.lines if "unfinished: " in line or "authorize_join" in line]


@pytest.mark.parametrize(
    ("forgotten", "told"),
    [
        (
            "manager",
            "Flask-JWT-Extended is not set up on this application, so that every connection is refused. Call JWTManager(app)",
        ),
        ("secret", "No token can be verified: JWT_SECRET_KEY or flask SECRET_KEY must be set"),
        (
            "length",
            "The secret that signs tokens has 5 bytes, and HS256 wants 32 or more: it can be guessed. Set JWT_SECRET_KEY to",
        ),
    ],
)
def test_what_keeps_clients_out_is_said_once_before_any_comes(
    start: Callable[[str], AbstractContextManager[Server]], forgotten: str, told: str
) -> None:
    with start(forgotten) as server:
        for _ in range(3):
            assert requests.get(server.url + "/ready", timeout=10).text == "ready"
        server.wait_for_line(re.escape(told))
        assert len(warnings(server)) == 1


def test_an_application_that_is_set_up_is_not_warned_about(start: Callable[[str], AbstractContextManager[Server]]) -> None:
    with start("nothing") as server:
        assert requests.get(server.url + "/ready", timeout=10).text == "ready"
        assert warnings(server) == []


def test_a_missing_join_hook_is_named_once_when_it_refuses(
    start: Callable[[str], AbstractContextManager[Server]], driver: JSDriver
) -> None:
    with start("hook") as server:
        token = requests.get(server.url + "/token", timeout=10).text
        client = JSClient(driver, server.url, {"auth": {"token": token}, "transports": ["websocket", "polling"]})
        for conversation in ("1", "2"):
            assert client.call("join:conversation", conversation)["error"]["code"] == "forbidden"
        client.release()
        server.wait_for_line(
            "There is no authorize_join hook, so that every join is refused; register one with @realtime.authorize_join"
        )
        assert len(warnings(server)) == 1
