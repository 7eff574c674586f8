"""Where the tests' threads, processes and sockets were started, so that one that is left over can be named."""

import socket
import subprocess
import threading
from functools import wraps
from sys import _getframe
from typing import Any
from weakref import WeakKeyDictionary

_DEPTH = 40
_SHOWN = 4
_OURS = ("/tests/", "/flask_realtime/", "/example_app/", "/benchmarks/")

_threads: WeakKeyDictionary[threading.Thread, str] = WeakKeyDictionary()
_processes: dict[int, str] = {}
_sockets: dict[int, str] = {}


def record() -> None:
    """Note from now on where each is started."""
    threading.Thread.start = noting(threading.Thread.start, lambda thread: _threads.update({thread: where()}))  # type: ignore[method-assign]
    subprocess.Popen.__init__ = noting(subprocess.Popen.__init__, _note_process)  # type: ignore[method-assign]
    socket.socket.__init__ = noting(socket.socket.__init__, lambda made: _sockets.update({made.fileno(): where()}))  # type: ignore[method-assign]


def note_process(pid: int, command: object) -> None:
    """Note that the caller has had a process started by other means than `subprocess`."""
    _processes[pid] = f"{command!r} {where()}"


def of_thread(thread: threading.Thread) -> str:
    """Where a thread was started."""
    return _threads.get(thread, "")


def of_process(pid: int) -> str:
    """Where a process was started."""
    return _processes.get(pid, "")


def of_descriptor(number: int) -> str:
    """Where the socket was made that last had a file descriptor."""
    return _sockets.get(number, "")


def where(frame: Any = None) -> str:
    """Our own lines of a call stack, the innermost first.

    Args:
        frame: The innermost frame; by default the caller's.
    """
    found: list[str] = []
    frame = frame or _getframe(1)
    for _ in range(_DEPTH):
        if frame is None or len(found) == _SHOWN:
            break
        name = frame.f_code.co_filename
        if any(folder in name for folder in _OURS) and name != __file__:
            found.append(f"{name}:{frame.f_lineno}")
        frame = frame.f_back
    return ", ".join(found)


def noting(method: Any, note: Any) -> Any:
    """Make a method that calls a function with its object after each call."""

    @wraps(method)
    def noted(self: Any, *args: Any, **options: Any) -> None:
        method(self, *args, **options)
        note(self)

    return noted


def _note_process(process: subprocess.Popen[Any]) -> None:
    note_process(process.pid, process.args)
