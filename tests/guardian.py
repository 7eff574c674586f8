"""Ends what a run of the tests has started when the run itself has ended, however it did: killed, interrupted, crashed.

Every process that is started, by whomever, inherits a variable that names the run. A process of its own holds the other end of a
pipe from the run, and when that breaks it kills whatever has the variable. Programs that write over their variables are named, and
so are folders to be removed.
"""

import os
import shutil
import signal
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

VARIABLE = "TEST_RUNS"
"""The runs that a process belongs to, each within the one before it."""
_ROUNDS = 100
_PAUSE = 0.02

_pipes: list[int] = []
"""To the guardians; nobody closes them, so that they break with this process and no sooner."""


def watch() -> None:
    """Have everything killed that is started from now on, once this process has ended."""
    run = uuid.uuid4().hex
    watched, kept = os.pipe()
    # In a session of its own: what interrupts the run from a terminal does not reach it. Nobody waits for it: it ends last.
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", __file__, run],
        {},  # It belongs to no run itself: those that its run is within would end it too soon.
        file_actions=[(os.POSIX_SPAWN_DUP2, watched, 0)],
        setsid=True,
    )
    os.close(watched)
    _pipes.append(kept)
    os.environ[VARIABLE] = f"{os.environ.get(VARIABLE, '')} {run}"


def name(pid: int) -> None:
    """Have a process killed too that does not keep its variables: Redis writes its title there."""
    _tell(_identity(pid))


def remove(folder: Path) -> None:
    """Have a folder removed too, if it is there."""
    _tell(str(folder.absolute()))


def _tell(line: str) -> None:
    for pipe in _pipes:
        os.write(pipe, f"{line}\n".encode())


def _identity(pid: int) -> str:
    """A process's id and the time of its start: the id may be another's later."""
    return f"{pid} {Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(')')[2].split()[19]}"


def members(run: str) -> list[int]:
    """The processes that belong to a run."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # It has ended, or is somebody else's.
            if folder.name.isdigit() and run.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def _guard(run: str) -> None:
    lines = sys.stdin.read().splitlines()
    folders = [line for line in lines if line.startswith("/")]
    for line in lines:
        if line not in folders:
            _kill_if_same(line)
    _kill_members(run)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _kill_members(run: str) -> None:
    for _ in range(_ROUNDS):  # What was just being started is found the next time.
        if not (found := members(run)):
            return
        for pid in found:
            _kill(pid)
        time.sleep(_PAUSE)


def _kill_if_same(identity: str) -> None:
    pid = int(identity.split(maxsplit=1)[0])
    with suppress(FileNotFoundError):
        if _identity(pid) == identity:
            _kill(pid)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _guard(sys.argv[1])
