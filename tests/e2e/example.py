"""The example application as the tests run it, and its users."""

from pathlib import Path
from typing import Any

import requests

SECONDS = 30.0
KEY = "a secret of at least 32 characters"


class User:
    """A user who is logged in.

    Args:
        url: The server's address.
        name: The user's name; the password is the demo's.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self.token = self.conversation = ""
        session = self.call("POST", "/api/auth/login", {"username": name, "password": "demo"})
        self.token, self.id = session["accessToken"], session["user"]["id"]

    def moved_to(self, url: str) -> None:
        """Go on with the same token on another server."""
        self._url = url

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API, which must succeed, and return the JSON of the answer."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = requests.request(method, self._url + path, json=body, headers=headers, timeout=SECONDS)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


def environment(folder: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'example.sqlite3'}",
        "JWT_SECRET_KEY": KEY,
        "REALTIME_RECOVERY_FOLDER": str(folder / "recovery"),
    }
