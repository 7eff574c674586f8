"""Background tasks of tests' applications: the timers of `flask_realtime`, and those by which python-engineio watches clients.

In production a process ends with its application. Here hundreds of applications follow each other in one process: those whose
database or Redis is gone would try again every second until the process ends, which took more of it than the tests did.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import ref

from engineio import Server

from flask_realtime.gateway.timer import DeadlineTimer
from tests.origins import noting

_References = list[ref[DeadlineTimer] | ref[Server]]

_of_tests: _References = []
_of_wider_fixtures: _References = []


def record() -> None:
    """Remember from now on whatever starts any."""
    DeadlineTimer.__init__ = noting(DeadlineTimer.__init__, lambda timer: _of_tests.append(ref(timer)))  # type: ignore[method-assign]
    Server.__init__ = noting(Server.__init__, lambda server: _of_tests.append(ref(server)))


@contextmanager
def lasting() -> Iterator[None]:
    """Let those of what is made in the block outlive the test."""
    before = len(_of_tests)
    yield
    _of_wider_fixtures.extend(_of_tests[before:])
    del _of_tests[before:]


def end_those_of_a_test() -> None:
    """End those that were started since the last test, but for those that outlive one."""
    _end(_of_tests)


def end_all() -> None:
    """End those of wider fixtures, too."""
    _end(_of_tests)
    _end(_of_wider_fixtures)


def _end(references: _References) -> None:
    for made in (found for reference in references if (found := reference()) is not None):
        if isinstance(made, DeadlineTimer):
            made._next_deadline = lambda: None
        woken = made._earlier if isinstance(made, DeadlineTimer) else made.service_task_event
        if woken is not None:
            woken.set()
    references.clear()
