"""Sockets of the processes that answer for their metrics: whose they are, and what becomes of them over time."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from flask_realtime.gateway.scrape import answering
from flask_realtime.gateway.scrape.answering import Answering
from flask_realtime.gateway.scrape.asking import Answers, Worker, ask
from flask_realtime.gateway.scrape.readings import Reading
from flask_realtime.gateway.scrape.sockets import ProcessSockets
from flask_realtime.gateway.scrape.threads import Threads
from tests.redis_server import wait_until
from tests.temporary_files import is_in_use

Start = Callable[..., ProcessSockets]


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("m")  # Short: the path of a socket has no more than a hundred characters.


@pytest.fixture
def new_process(folder: Path) -> Callable[[], ProcessSockets]:
    """Returns the sockets as another process sees them, which has the same number: in containers they recur."""
    app = Flask("an_application")
    return lambda: ProcessSockets(app, str(folder))


@pytest.fixture
def start(new_process: Callable[[], ProcessSockets]) -> Iterator[Start]:
    """Has a process answer, with its number of users."""
    started: list[Answering] = []

    def start_one(users: int, *, for_jobs: bool = False) -> ProcessSockets:
        sockets = new_process()
        started.append(Answering(sockets, lambda: [Reading("users", (), users)]))
        started[-1].start(Threads(), for_jobs=for_jobs)
        return sockets

    yield start_one
    for one in started:
        one.stop()


def asked(sockets: ProcessSockets) -> list[Worker]:
    """Return what the other processes say, all of which answer, however busy the machine is."""
    answers: list[Answers] = []

    def is_complete() -> bool:
        answers.append(ask(sockets.of_others(), Threads.wait_readable))
        return not answers[-1].errors

    wait_until(is_complete)
    return answers[-1].workers


def users(sockets: ProcessSockets) -> list[int]:
    return sorted(worker.readings[0].value for worker in asked(sockets))


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*"))


def test_processes_with_one_number_leave_each_other_alone(
    start: Start, new_process: Callable[[], ProcessSockets], folder: Path
) -> None:
    first, second = start(1), start(2)
    start(3, for_jobs=True)
    assert users(first) == [2, 3]
    assert users(second) == [1, 3]
    found = asked(new_process())  # A command.
    assert sorted((worker.readings[0].value, worker.runs_jobs) for worker in found) == [(1, False), (2, False), (3, True)]
    names = {worker.name for worker in found}
    assert len(names) == len(files(folder)) == 3
    assert {name.partition(".")[0] for name in names} == {str(os.getpid())}
    assert {first.name, second.name} < names


def test_a_forked_child_has_a_name_of_its_own(start: Start) -> None:
    sockets = start(1)
    outlet, inlet = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(inlet, f"{sockets.name} {len(sockets.of_others())}".encode())
        os._exit(0)
    os.close(inlet)
    with os.fdopen(outlet, "rb") as pipe:
        name, others = pipe.read().decode().split()
    os.waitpid(child, 0)
    assert (name.partition(".")[0], others) == (str(child), "1")
    assert sockets.of_others() == []


def test_the_sockets_of_the_living_are_no_old_files(start: Start, folder: Path) -> None:
    start(1)
    start(2, for_jobs=True)
    assert [is_in_use(path) for path in files(folder)] == [True, True]


def test_a_socket_never_becomes_old(start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "KEEP_INTERVAL", 0.01)
    start(1)
    (path,) = files(folder)
    os.utime(path, (0, 0))
    wait_until(lambda: path.stat().st_mtime > 0)


@pytest.mark.parametrize("remove", [Path.unlink, lambda path: path.parent.rename(path.parent.with_name("old"))])
def test_a_socket_that_somebody_removes_is_made_anew(
    start: Start,
    new_process: Callable[[], ProcessSockets],
    folder: Path,
    remove: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answering, "KEEP_INTERVAL", 0.01)
    start(1, for_jobs=True)
    (before,) = asked(new_process())
    (path,) = files(folder)
    remove(path)
    wait_until(path.exists)
    wait_until(lambda: asked(new_process()) == [before])


def test_the_socket_of_a_process_that_was_killed_is_removed_once_nobody_can_be_about_to_listen(start: Start, folder: Path) -> None:
    sockets = start(1)
    (alive,) = files(folder)
    dead = alive.with_name(f"{alive.name}0")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(dead))
    assert users(sockets) == []
    assert files(folder) == [alive, dead]
    for path in (alive, dead):
        os.utime(path, (0, 0))
    assert users(sockets) == []
    assert files(folder) == [alive]
