"""The example application against people who mean it harm, and on machines that fail it."""

import re
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.example import KEY, SECONDS, User, environment
from tests.e2e.servers import ROOT, START_SECONDS, Server, listening_socket, poll, process_environment, python_module

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


def limit_file_size(server: Server, size: int) -> None:
    """Let the server write no file beyond a size, as on a disk that is full."""
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def health(server: Server) -> tuple[int, str]:
    answer = requests.get(f"{server.url}/healthz", timeout=SECONDS)
    return answer.status_code, answer.json()["checks"]["database"]


def test_the_health_check_notices_a_full_disk_and_that_there_is_room_again(example: Server) -> None:
    assert health(example) == (200, "ok")
    limit_file_size(example, 1)
    assert poll(lambda: health(example) == (503, "failed"), SECONDS)
    limit_file_size(example, resource.RLIM_INFINITY)
    assert poll(lambda: health(example) == (200, "ok"), SECONDS)


def test_the_health_check_notices_a_database_that_another_program_locks(example: Server, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "example.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert poll(lambda: health(example) == (503, "failed"), 3 * SECONDS)
        other.execute("ROLLBACK")
    assert poll(lambda: health(example) == (200, "ok"), 3 * SECONDS)


UNUSABLE = {
    "no address": ("nonsense", r"^The database in DATABASE_URL cannot be used"),
    "no number": ("postgresql://u:secret@h:port/x", r"^The database in DATABASE_URL cannot be used"),
    "unknown kind": ("foo://u:secret@h/x", r"^The database foo://u:\*\*\*@h/x cannot be used: Can't load plugin"),
    "no such folder": ("sqlite:////no/such/folder/x.sqlite3", r"^The database sqlite:////no/such/folder/x.sqlite3 cannot be used"),
    "a folder": ("sqlite:///{folder}", r"cannot be used: unable to open database file"),
    "no database": ("sqlite:///{folder}/text.sqlite3", r"cannot be used: file is not a database"),
    "not writable": ("sqlite:////proc/x.sqlite3", r"^The database sqlite:////proc/x.sqlite3 cannot be used"),
}


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    """Start the example, which cannot work, and wait until it has ended."""
    command = [sys.executable, "-m", "example_app"]
    environ = process_environment({"JWT_SECRET_KEY": KEY, **variables})
    return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=START_SECONDS, check=False)


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_database_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, case: str) -> None:
    (tmp_path / "text.sqlite3").write_text("no database\n" * 1000)
    url, expected = UNUSABLE[case]
    with listening_socket() as listener:
        port = listener.getsockname()[1]
    ended = start(PORT=str(port), DATABASE_URL=url.format(folder=tmp_path))
    assert ended.returncode == 1
    assert re.search(expected, ended.stderr), ended.stderr
    assert "Set DATABASE_URL to another" in ended.stderr
    assert (ended.stdout, ended.stderr.count("\n"), "secret" in ended.stderr) == ("", 1, False)


@pytest.mark.parametrize("port", ["abc", "taken"])
def test_a_port_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, port: str) -> None:
    variables = environment(tmp_path)
    (tmp_path / "example.sqlite3").unlink()  # It would be the first start.
    with listening_socket() as listener:
        chosen = str(listener.getsockname()[1]) if port == "taken" else port
        ended = start(**{**variables, "PORT": chosen})
    assert ended.returncode == 1
    assert chosen in ended.stderr
    assert "make run" in ended.stderr
    assert (ended.stdout, ended.stderr.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []
