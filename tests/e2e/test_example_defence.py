"""The example application against people who mean it harm, and on machines that fail it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.example import SECONDS, User, environment
from tests.e2e.servers import Server, python_module

WRONG = {"username": "alice", "password": "wrong"}


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Server]:
    with python_module("example_app", environment(tmp_path), ready="/healthz") as server:
        yield server


def post(url: str, path: str, body: object, address: str = "127.0.0.1") -> requests.Response:
    """Post from one of the machine's loopback addresses."""
    with requests.Session() as session:
        adapter = _From(address)
        session.mount("http://", adapter)
        return session.post(url + path, json=body, timeout=SECONDS)


class _From(requests.adapters.HTTPAdapter):
    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, source_address=(self._address, 0))


def test_who_guesses_passwords_has_to_wait_and_the_user_gets_in(example: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(example.url, "/api/auth/login", WRONG), range(60)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {401, 429}
    error = refused[-1].json()["error"]
    assert error["code"] == "rate_limited"
    assert 0 < error["retryAfter"] <= 12
    assert 1 <= int(refused[-1].headers["Retry-After"]) <= 13
    right = WRONG | {"password": "demo"}
    assert post(example.url, "/api/auth/login", right, "127.0.0.2").status_code == 200


def test_nobody_adds_participants_without_end(example: Server) -> None:
    bob = User(example.url, "bob")
    headers = {"Authorization": f"Bearer {bob.token}"}
    statuses = []
    for _ in range(110):
        body = {"participantIds": ["1", "3"]}
        statuses.append(requests.post(f"{example.url}/api/conversations", json=body, headers=headers, timeout=SECONDS).status_code)
    assert statuses[:100] == [201] * 100
    assert 429 in statuses[100:]
    page = bob.call("GET", "/api/conversations")
    assert len(page) == 50
    assert len(bob.call("GET", f"/api/conversations?limit=100&before={page[-1]['id']}")) >= 51
