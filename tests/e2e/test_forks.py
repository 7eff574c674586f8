"""A server that is a fork can be told from one that is started anew by its start's cost alone."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import leaks
from tests.e2e import forks
from tests.e2e.conftest import CONTRACT_APP
from tests.e2e.example import environment
from tests.e2e.servers import GEVENT_WEBSOCKET, ROOT, Server, gunicorn, listening_socket, poll, process_environment

SECONDS = 30.0
APP = "tests.e2e.apps.described_app"
ALL_APPLICATIONS = {"DESCRIBED_IMPORTS": f"{CONTRACT_APP.partition(':')[0]} example_app.factory"}
CHANGED_BY_MORE_MODULES = {"gevent.os._on_child_hook", "sys.displayhook", "typing._check_generic", "typing._collect_parameters"}
GUNICORN = [sys.executable, "-m", "gunicorn", "--config", str(forks.SETTINGS), "--worker-class", GEVENT_WEBSOCKET]
WORKER_BOOT_ERROR = 3
Start = Callable[[str], Server]
WAYS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "fork": nullcontext,
    "anew": forks.only_new_processes,
}


@pytest.fixture(params=WAYS)
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts gunicorn with an application, in either way."""
    with WAYS[request.param](), ExitStack() as stack:

        def start_one(application: str) -> Server:
            listener = stack.enter_context(listening_socket())
            server = Server([*GUNICORN, "--bind", f"fd://{listener.fileno()}", application], {}, [listener.fileno()])
            stack.callback(server.kill)
            server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            return server

        yield start_one


def described(folder: Path) -> tuple[Any, Any]:
    """Return what gunicorn's master and its worker tell."""
    variables = {**environment(folder), **ALL_APPLICATIONS}
    options = ["--worker-class", GEVENT_WEBSOCKET, "--logger-class", f"{APP}.DescribingLogger"]
    with gunicorn(f"{APP}:create_app()", variables, *options, ready="/") as server:
        return json.loads(server.wait_for_line("described: (.*)")[1]), requests.get(server.url, timeout=SECONDS).json()


def differences(forked: Any, anew: Any) -> dict[str, Any]:
    """Return what a fork tells in another way than a process that was started anew; it may have more modules."""
    found = {name: (told, anew[name]) for name, told in forked.items() if told != anew[name] and name != "modules"}
    for module, contents in anew["modules"].items():
        others = forked["modules"].get(module, {})
        names = [name for name in {**contents, **others} if contents.get(name) != others.get(name)]
        found.update({f"{module}.{name}": (others.get(name), contents.get(name)) for name in names})
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Any]]:
    found = {}
    for way, start in WAYS.items():
        with start():
            found[way] = described(tmp_path_factory.mktemp("described"))
    return found


def test_a_worker_is_as_if_started_anew(told: dict[str, tuple[Any, Any]]) -> None:
    """Its database is in another folder, and its listening socket has another number."""
    found = differences(told["fork"][1], told["anew"][1])
    assert found.keys() <= {"variables", "arguments"}
    assert found["variables"][0].keys() == found["variables"][1].keys()


def test_a_master_is_as_if_started_anew(told: dict[str, tuple[Any, Any]]) -> None:
    """Likewise; and it has more modules than it has use for, of which some change others."""
    found = differences(told["fork"][0], told["anew"][0])
    assert found.keys() <= {"variables", "arguments", "garbage", "warnings", *CHANGED_BY_MORE_MODULES}


def test_the_example_is_as_if_started_anew(tmp_path: Path) -> None:
    variables = process_environment({"DESCRIBED_IMPORTS": "example_app.__main__", **environment(tmp_path)})
    anew = subprocess.run(
        [sys.executable, "-m", APP],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        check=True,
    )
    with closing(forks.ForkServer(forks.KINDS["example_app"], process_environment({}))) as server:
        process = server.start(APP, [], variables, [])
        with process.stdout as output:
            forked = output.read()
        assert process.wait(SECONDS) == 0
    # One that was started anew has an event loop already, since some of what it imported has used one.
    assert differences(json.loads(forked), json.loads(anew.stdout)).keys() <= {"descriptors"}


def test_a_server_is_a_fork_unless_it_may_not_be(start: Start) -> None:
    assert isinstance(start(CONTRACT_APP)._process, forks.ForkedProcess) == forks.is_on()


def test_a_server_that_cannot_start_says_why_and_with_what_code_it_has_ended(start: Start) -> None:
    server = start("tests.e2e.apps.nothing:app")
    server.wait_for_line("No module named 'tests.e2e.apps.nothing'")
    assert server.wait() == WORKER_BOOT_ERROR


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_how_a_server_ends_is_told(start: Start, number: signal.Signals, code: int) -> None:
    server = start(CONTRACT_APP)
    server.wait_until_ready("/ready")
    with pytest.raises(subprocess.TimeoutExpired):
        server.wait(0)
    assert server.alive
    os.kill(server.pid, number)
    assert server.wait() == code
    assert not server.alive


def test_a_server_ends_at_once_while_a_worker_starts(start: Start) -> None:
    server = start(CONTRACT_APP)
    server.wait_until_ready("/ready")
    os.kill(int(server.wait_for_line(r"Booting worker with pid: (\d+)")[1]), signal.SIGKILL)
    assert poll(lambda: sum("Booting worker" in line for line in server.lines) == 2, SECONDS)
    server.stop()


def test_a_server_that_a_test_leaves_behind_is_named(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    start(CONTRACT_APP)  # Now there is a fork server, which may stay.
    monkeypatch.setattr(leaks, "SECONDS", 0.0)
    named = rf"^left behind:\n *process \d+, started at .*{APP}.*/test_forks\.py:\d+"
    with pytest.raises(AssertionError, match=named), leaks.nothing_left(leaks.PROCESSES):
        start(f"{APP}:create_app()")


def test_a_reply_that_nobody_waits_for_any_more_is_not_taken_for_another() -> None:
    def give_up(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGUSR1, give_up)
    with closing(forks.ForkServer({"before": [], "after": [], "without": []}, process_environment({}))) as server:
        os.kill(server._process.pid, signal.SIGSTOP)
        interruption = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
        interruption.start()
        with pytest.raises(TimeoutError):
            server.start("this", [], process_environment({}), [])
        os.kill(server._process.pid, signal.SIGCONT)
        interruption.join()
        process = server.start("platform", [], process_environment({}), [])
        with process.stdout as output:
            assert "Linux" in output.read()
        assert process.wait(SECONDS) == 0
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    ("command", "environment", "folder"),
    [
        ([*GUNICORN, "--preload", CONTRACT_APP], {}, ROOT),
        ([*GUNICORN, "--worker-class", "gthread", CONTRACT_APP], {}, ROOT),
        ([*GUNICORN, "--config", "another.py", CONTRACT_APP], {}, ROOT),
        ([*GUNICORN, CONTRACT_APP], {"PYTHONHASHSEED": "1"}, ROOT),
        ([*GUNICORN, CONTRACT_APP], {}, ROOT.parent),
        ([sys.executable, "-m", "example_app", "--help"], {}, ROOT),
        ([sys.executable, "-m", "flask", "run"], {}, ROOT),
        (["gunicorn", *GUNICORN[3:], CONTRACT_APP], {}, ROOT),
    ],
)
def test_what_could_tell_is_started_anew(command: list[str], environment: dict[str, str], folder: Path) -> None:
    assert forks.forked(command, environment, [], folder) is None
