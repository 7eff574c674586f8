"""A run of the tests that is interrupted or killed leaves no process behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guardian import VARIABLE, members
from tests.redis_server import wait_until

SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[2]

# Servers of each kind, a worker of one frozen; then the test waits to be ended.
RUN = r"""
import os
import signal
import threading

from tests.e2e.clients import JSDriver
from tests.e2e.servers import gunicorn
from tests.guardian import VARIABLE
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer, wait_until
from tests.scripts import start_script


def test_that_does_not_end():
    with (
        RedisServer() as redis,
        PostgresqlServer() as postgresql,
        gunicorn("tests.e2e.apps.contract_app:create_app()", None, "--workers", "2") as server,
    ):
        wait_until(lambda: sum("Booting worker" in line for line in server.lines) == 2)
        started = [JSDriver(), start_script("input()")]
        os.kill(int(server.wait_for_line(r"Booting worker with pid: (\d+)")[1]), signal.SIGSTOP)
        servers = f"{redis._process.pid} {postgresql._process.pid} {postgresql._folder}"
        os.write(2, f"\nall is started: {os.environ[VARIABLE]} {servers}\n".encode())
        threading.Event().wait()
"""


def is_running(pid: str) -> bool:
    """Return whether a process is there that has not ended, whether or not its parent knows."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: str(number.name))
@pytest.mark.parametrize("workers", [0, 1])
def test_an_interrupted_run_leaves_no_process(number: signal.Signals, workers: int, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(RUN, encoding="utf-8")
    options = ["-s", "-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml"), "--numprocesses", str(workers)]
    # A shell has what it starts in the background ignore the signal, and so all that follows from it.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "pytest", *options, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            *runs, redis, postgresql, folder = _started(process).split()[3:]
            run = runs[len(os.environ[VARIABLE].split())]
            assert len(members(run)) >= 5
            process.send_signal(number)
            process.wait(SECONDS)
        finally:
            process.kill()
        wait_until(lambda: not members(run) and not is_running(redis) and not is_running(postgresql) and not Path(folder).exists())


def _started(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return next(line for line in process.stderr if "all is started" in line)
