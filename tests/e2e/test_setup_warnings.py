"""What is wrong with an application is in the log of its server, from the first request on."""

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

import pytest
import requests

from tests.e2e.clients import JSClient, JSDriver
from tests.e2e.servers import ROOT, Server, flask_run, gunicorn, listening_socket, process_environment

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


def test_a_server_whose_address_is_taken_says_so_and_ends() -> None:
    with closing(listening_socket()) as listener:
        port = listener.getsockname()[1]
        command, environment = [sys.executable, "-m", "tests.e2e.apps.contract_app"], process_environment({"PORT": str(port)})
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"Cannot listen on 127.0.0.1, port {port}: Address already in use. "
        f"Stop the program that listens there, or choose another port, as in realtime.run(app, port={port % 65_535 + 1})."
    )
    assert "Traceback" not in ended.stderr


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
