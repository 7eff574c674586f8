"""What a test leaves behind: threads, greenlets, processes and file descriptors that were not there before it.

A snapshot is taken when the fixtures of the wider scopes stand, and compared when those of the test are gone. What a fixture of
a wider scope starts later, in the midst of a test, it starts under `lasting`.
"""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent
from gevent.hub import Hub
from greenlet import getcurrent, greenlet

from tests import origins

SECONDS = 10.0
"""How long the end of what was told to end may take: the next test waits for it."""

Found = dict[str, Any]
"""What there is: by a key that nothing later has, what its origin is known by."""

EVERYTHING = ("thread", "greenlet", "process", "descriptor")
PROCESSES = ("process",)
"""What would outlive the run."""

_parents: set[int] = set()
_waiting: list[Found] = []
"""The greenlets that modules may leave, since they were there before: found once, until a wider fixture may have started more."""
_lasting: dict[str, str] = {}
_interrupted = threading.Event()
_watching = threading.Event()


def interrupt() -> None:
    """Look for nothing more: the run ends in the midst of something."""
    _interrupted.set()


def adopt(pid: int) -> None:
    """Let a process's children count as this one's: it starts them for the tests."""
    _parents.add(pid)


def disown(pid: int) -> None:
    """Let them count no longer."""
    _parents.remove(pid)


@contextmanager
def lasting(fixture: str) -> Iterator[None]:
    """Let what is started in the block outlive the test.

    Args:
        fixture: The name of the fixture, of a wider scope than a test's, that ends it.
    """
    before = _present()
    yield
    for key in _present().keys() - before.keys():
        _lasting.setdefault(key, fixture)


def look_again() -> None:
    """Look for greenlets before the next module: a fixture of a wider scope may start some."""
    _waiting.clear()


def forget(fixture: str) -> None:
    """Allow nothing more for a fixture: it has ended."""
    for key in [key for key, owner in _lasting.items() if owner == fixture]:
        del _lasting[key]


@contextmanager
def nothing_left_by_a_test(has_failed: Callable[[], bool], kinds: tuple[str, ...] = EVERYTHING) -> Iterator[None]:
    """Fail if the block leaves anything behind.

    Args:
        has_failed: Returns whether the test has failed already: then it was interrupted, and its traceback keeps what it used.
        kinds: What counts.

    Raises:
        AssertionError: It does; the text says what, and where it was started.
    """
    if _watching.is_set():  # To unfreeze what the watch around this one froze would show it everything.
        with nothing_left(kinds, has_failed):
            yield
        return
    _watching.set()
    before = _present()
    gc.freeze()  # Only what is made from now on is looked through at the end, which takes next to no time.
    try:
        yield
        left = [] if has_failed() else _left(before, kinds)
    finally:
        gc.collect()  # Unfrozen, what the test left would be old, and old objects are looked through only where many grow old.
        gc.unfreeze()
        _watching.clear()
    _complain(left)


@contextmanager
def nothing_left(kinds: tuple[str, ...] = EVERYTHING, has_failed: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Fail likewise, for a block in which there are tests.

    Args:
        kinds: As there.
        has_failed: As there.

    Raises:
        AssertionError: As there.
    """
    before = _found(kinds)
    yield
    _complain([] if has_failed() else _left(before, kinds))


@contextmanager
def nothing_left_by_a_module(kinds: tuple[str, ...]) -> Iterator[None]:
    """Fail likewise, for a module's tests; the greenlets before it are looked for once for all modules, which takes time.

    Args:
        kinds: As there.

    Raises:
        AssertionError: As there.
    """
    greenlets = _waiting.pop() if _waiting else _greenlets() if "greenlet" in kinds else {}
    before = {**_present(), **greenlets}
    yield
    _complain(_left(before, kinds))
    if "greenlet" in kinds:
        _waiting.append(greenlets)


def _complain(left: list[str]) -> None:
    assert not left, "\n".join(["left behind:", *left])


def _left(before: Found, kinds: tuple[str, ...]) -> list[str]:
    deadline = time.monotonic() + SECONDS
    while (found := _new(before, kinds)) and not _interrupted.is_set():
        if time.monotonic() > deadline:
            return [f"{key}, started at {_origin(key, item) or 'an unknown place'}" for key, item in found.items()]
        found.clear()
        gc.collect()  # What has no owner any more; of a test's own, as the rest is frozen.
        gevent.sleep(0.002)
    return []


def _new(before: Found, kinds: tuple[str, ...]) -> Found:
    found = _found(kinds)
    return {key: item for key, item in found.items() if key.startswith(kinds) and key not in before and key not in _lasting}


def _found(kinds: tuple[str, ...]) -> Found:
    return {**_present(), **(_greenlets() if "greenlet" in kinds else {})}


def _present() -> Found:
    return {**_threads(), **_processes(), **_descriptors()}


def _threads() -> Found:
    return {f"thread {thread.native_id} {thread.name}": thread for thread in threading.enumerate()}


def _processes() -> Found:
    found: Found = {}
    for task in (task for pid in ("self", *_parents) for task in Path(f"/proc/{pid}/task").iterdir()):
        with suppress(FileNotFoundError):  # The thread has just ended.
            for pid in (task / "children").read_text(encoding="ascii").split():
                found[f"process {pid}"] = int(pid)
    return found


def _descriptors() -> Found:
    found: Found = {}
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # The one with which the folder was read.
            found[f"descriptor {link.name} {link.readlink()}"] = int(link.name)
    return found


def _greenlets() -> Found:
    kinds = {greenlet, *_subclasses(greenlet)}  # There are half a million objects: each is looked at as briefly as can be.
    return {f"greenlet {item!r}": item for item in gc.get_objects() if type(item) in kinds and _waits(item)}


def _subclasses(kind: type[greenlet]) -> Iterator[type[greenlet]]:
    for nearer in kind.__subclasses__():
        yield nearer
        yield from _subclasses(nearer)


def _waits(item: greenlet) -> bool:
    if isinstance(item, Hub) or item is getcurrent() or _main_of(item) is not _main_of(getcurrent()):
        return False  # Another thread's are found with that thread; gevent's own pool ends after five idle seconds.
    return not item.ready() if isinstance(item, gevent.Greenlet) else bool(item)


def _main_of(item: greenlet) -> greenlet:
    while item.parent is not None:
        item = item.parent
    return item


def _origin(key: str, item: Any) -> str:
    if isinstance(item, threading.Thread):
        return origins.of_thread(item)
    if isinstance(item, int):
        return origins.of_process(item) if key.startswith("process") else origins.of_descriptor(item)
    return origins.where(getattr(item, "spawning_stack", None) or item.gr_frame)
