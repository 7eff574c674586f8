"""The contract application's HTTP interface, for the tests' use."""

import threading
from typing import Any

import jwt
import requests

from tests.e2e.servers import poll

SECONDS = 30.0


class Sessions(threading.local):
    """A connection for each thread: what a thread asks for, one thing after the other, comes to the same worker."""

    def __init__(self) -> None:
        self.http = requests.Session()


class Api:
    """Calls one contract server.

    Args:
        url: The server's address.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._sessions = Sessions()

    def token(self, user_id: str | int = "someone", kind: str = "access", **options: Any) -> str:
        """A token of that kind; see the application's ``TOKENS`` for the kinds."""
        answer = self.post("/token", {"sub": user_id, "kind": kind, **options})
        return str(answer["token"])

    @staticmethod
    def token_id(token: str) -> str:
        """The ``jti`` claim of a token."""
        return str(jwt.decode(token, options={"verify_signature": False})["jti"])

    def emit(
        self, helper: str, *args: Any, sender: str | None = None, token: str | None = None, via: str = "method", **kwargs: Any
    ) -> Any:
        """Call one of the extension's functions inside a view.

        Args:
            helper: The function's name.
            args: Its arguments.
            sender: Sent as the header ``X-Socket-ID``.
            token: The token of the request; the view asks for none.
            via: ``method`` for the one of ``Realtime``, ``function`` for the one of the package.
            kwargs: Its keyword arguments.

        Returns:
            What the function returned.
        """
        headers = ({"X-Socket-ID": sender} if sender else {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        body = {"args": args, "kwargs": kwargs}
        return self.post(f"/emit/{helper}?via={via}", body, headers)["result"]

    def hooks(self, name: str, *start: Any) -> list[list[Any]]:
        """The arguments of the calls that the hook of that name has had, of those that begin with ``start``."""
        answer: list[list[Any]] = self.get(f"/hooks/{name}")
        return [args for args in answer if args[: len(start)] == list(start)]

    def wait_for_hook(self, name: str, *start: Any, count: int = 1) -> list[list[Any]]:
        """Wait until the hook has had ``count`` calls that begin with ``start``."""
        found = poll(lambda: len(self.hooks(name, *start)) >= count, SECONDS)
        assert found, f"{name}{start} called {len(self.hooks(name, *start))} times, not {count}"
        return self.hooks(name, *start)

    def get(self, path: str) -> Any:
        """GET and return the JSON of the answer."""
        return self._ask("GET", path).json()

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """POST JSON and return the JSON of the answer, which must be a success."""
        answer = self._ask("POST", path, json=body, headers=headers)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._sessions.http.request(method, self.url + path, timeout=SECONDS, **options)
