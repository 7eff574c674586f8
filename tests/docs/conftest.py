"""Serves the applications that the pages describe."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token

from tests.docs.pages import blocks, python
from tests.e2e.clients import PyClient
from tests.e2e.servers import Server, gunicorn, poll

KEY = "a secret of at least 32 characters"
SECONDS = 30.0

# Lets a test look at the variables of the page's program, and call what is in it.
PROBE = """
@app.post("/probe")
def probe():
    from flask import request

    return {"value": eval(request.get_data(as_text=True), globals())}
"""


class ServedPage:
    """The application of a page, on a server of its own.

    Args:
        server: The server.
        stack: Closes the clients.
    """

    def __init__(self, server: Server, stack: ExitStack) -> None:
        self.url = server.url
        self._stack = stack

    def connect(self, user_id: str, **options: Any) -> PyClient:
        """A client of that user, connected."""
        client = PyClient(self.url, {"auth": {"token": token(user_id)}, "transports": ["websocket"], **options})
        self._stack.callback(client.release)
        return client

    def request(self, method: str, path: str, user_id: str | None = None, body: Any = None, **headers: str) -> Any:
        """Call a view, with a token of the user, and return its JSON."""
        if user_id is not None:
            headers["Authorization"] = f"Bearer {token(user_id)}"
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=SECONDS)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def value(self, expression: str) -> Any:
        """The value of an expression in the page's program."""
        answer = requests.post(self.url + "/probe", data=expression, timeout=SECONDS)
        assert answer.ok, answer.text
        return answer.json()["value"]

    def wait_for(self, expression: str, expected: Any) -> None:
        """Wait until an expression in the page's program has a value."""
        assert poll(lambda: bool(self.value(expression) == expected), SECONDS), f"{expression} is {self.value(expression)!r}"


class Serve(Protocol):
    """Serves a page's application."""

    def __call__(self, name: str, extra: str = "", only: int | None = None) -> ServedPage:
        """Start it.

        Args:
            name: The page.
            extra: Python that follows the page's own.
            only: Which of the page's blocks is all of the program; None where all of them are.
        """


def token(user_id: str) -> str:
    """An access token that the pages' applications accept."""
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = KEY
    JWTManager(app)
    with app.app_context():
        return str(create_access_token(user_id))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves the Python of a page with gunicorn, as the pages say."""
    with ExitStack() as stack:

        def start(name: str, extra: str = "", only: int | None = None) -> ServedPage:
            program = python(name) if only is None else blocks(name, "python")[only]
            (tmp_path / "page.py").write_text(program + extra + PROBE, encoding="utf-8")
            server = stack.enter_context(gunicorn("page:app", {"PYTHONPATH": str(tmp_path)}))
            return ServedPage(server, stack)

        yield start
