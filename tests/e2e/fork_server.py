"""A program that has imported what servers import, and forks: each fork goes on as a server, by its command line.

What a server imports before gevent's patches is imported as if they were not there, and what it imports after them as if they were;
then they are taken back. A fork stands where `python -m` stands at a program's first line, with modules imported and nothing else
done: gunicorn's master has no patches, and each of its workers applies them itself.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import json
import logging
import os
import runpy
import selectors
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

MESSAGE_BYTES = 1 << 17
MOST_DESCRIPTORS = 16
STDOUT, STDERR = 1, 2
_ABSENT = object()
_HOLDERS = (ModuleType, logging.Handler, threading.Thread)


def main() -> None:
    """Import, then fork as often as asked, until the socket's other end is closed."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _import(**json.loads(sys.argv[2]))
    _reply(control, 0, "ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, MOST_DESCRIPTORS)
        if not message:
            return
        count, request = json.loads(message)
        _reply(control, count, _exit_code(request["of"]) if "of" in request else _fork(control, descriptors, **request))


def _reply(control: socket.socket, count: int, value: Any) -> None:
    control.send(json.dumps([count, value]).encode())


def _exit_code(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _import(before: Sequence[str], after: Sequence[str], without: Sequence[str]) -> None:
    gc.disable()
    sys.modules.update(dict.fromkeys(without))  # type: ignore[arg-type]  # that is how an import is made to fail
    for name in before:
        import_module(name)
    with _patched():
        for name in after:
            import_module(name)
    for name in (*without, "tests", "tests.e2e"):
        del sys.modules[name]
    gc.collect()
    gc.freeze()  # Gunicorn's processes look through nothing of this while they start; see gunicorn_settings.py.
    gc.enable()


@contextmanager
def _patched() -> Iterator[None]:
    from gevent import get_hub, monkey  # noqa: PLC0415 - not before what comes before the patches
    from gevent.monkey import saved  # type: ignore[attr-defined]  # noqa: PLC0415 - likewise

    namespaces = [(namespace, dict(namespace)) for namespace in _namespaces()]
    classes = [(kind, dict(vars(kind))) for kind in vars(selectors).values() if isinstance(kind, type)]
    with _without_hooks_of_patched_forks():
        monkey.patch_all()
    changed = [(namespace, _changes(namespace, kept)) for namespace, kept in namespaces]
    changed_classes = [(kind, _changes(vars(kind), kept)) for kind, kept in classes]
    yield
    for namespace, changes in changed:
        namespace.update({name: value for name, value in changes.items() if value is not _ABSENT})
        for name in [name for name, value in changes.items() if value is _ABSENT]:
            del namespace[name]
    for kind, changes in changed_classes:
        for name, value in changes.items():
            setattr(kind, name, value)
    threading._dangling.add(threading.main_thread())  # type: ignore[attr-defined]
    saved.clear()
    get_hub().destroy(destroy_loop=True)  # Some of what has been imported has made one.


def _namespaces() -> list[dict[Any, Any]]:
    """The dictionaries that the patches write to; gevent's own are the same whenever they are applied."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] != "gevent"]
    handlers = [reference() for reference in logging._handlerList]  # type: ignore[attr-defined]
    holders = [item for item in (*modules, *handlers, threading.main_thread()) if isinstance(item, _HOLDERS)]
    return [threading._active, *(item.__dict__ for item in holders)]  # type: ignore[attr-defined]


def _changes(namespace: Mapping[Any, Any], kept: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return what was there instead of what is there now; a module that was imported meanwhile stays."""
    names = [name for name in {**kept, **namespace} if namespace.get(name, _ABSENT) is not kept.get(name, _ABSENT)]
    return {name: kept.get(name, _ABSENT) for name in names if not isinstance(namespace.get(name), ModuleType)}


@contextmanager
def _without_hooks_of_patched_forks() -> Iterator[None]:
    """Let gevent not register what it has to do in forks of a process that is patched, which cannot be taken back."""
    hooks_of_gevent = import_module("gevent.threading")._fork_hooks

    def register(**hooks: Any) -> None:
        if hooks.get("before") != hooks_of_gevent.before_fork_in_parent:
            register_at_fork(**hooks)

    register_at_fork, os.register_at_fork = os.register_at_fork, register
    yield
    os.register_at_fork = register_at_fork


def _fork(control: socket.socket, descriptors: Sequence[int], numbers: Sequence[int], **program: Any) -> int:
    """Fork a server; it leads its group when this returns.

    Args:
        control: What a fork has not.
        descriptors: Its output, and what else it inherits.
        numbers: The numbers that it knows the latter by.
        program: What it is.
    """
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "something that was imported has started a thread"
    waiting, ready = os.pipe()
    if not (pid := os.fork()):
        os.setsid()
        control.close()
        os.close(waiting)
        _move([*descriptors, ready], [STDOUT, *numbers])
        _become(**program)
        sys.exit()
    for descriptor in (*descriptors, ready):
        os.close(descriptor)
    os.read(waiting, 1)
    os.close(waiting)
    return pid


def _move(descriptors: Sequence[int], numbers: Sequence[int]) -> None:
    """Give descriptors their numbers, which others of them may have; those that have none are closed."""
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, max(*numbers, STDERR) + 1) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(moved, numbers, strict=False):
        os.dup2(descriptor, number)
    os.dup2(STDOUT, STDERR)
    for descriptor in moved:
        os.close(descriptor)


def _become(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    if module != "gunicorn":  # Its settings do it later.
        gc.unfreeze()
    sys.path[1:1] = [*filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = [module, *arguments]
    leader = os.getpid()
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        if os.getpid() == leader and isinstance(ending.code, int):
            _end(ending.code)
        raise


def _end(code: int) -> None:
    """End as Python does, without taking apart what has been imported, little of which is the process's own."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
