"""What holds for every test."""

import gc
from collections.abc import Generator, Iterator
from pathlib import Path

import gevent
import hypothesis
import pytest

from tests import background, guardian, origins
from tests.leaks import (
    EVERYTHING,
    PROCESSES,
    forget,
    interrupt,
    lasting,
    look_again,
    nothing_left_by_a_module,
    nothing_left_by_a_test,
)

# How long an example takes is the machine's business.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

FAILED = pytest.StashKey[bool]()

# All that these start ends. Clients and applications of other tests leave timers, heartbeats and connections for a while, so that
# `make test` runs these before them: behind them in the same process nobody could tell whose a greenlet is.
ENDING = ("contract/", "integration/backends/", "packaging/", "suite/", "unit/")

# Begun first, so that no process is left alone with one of them in the end. `make test` keeps xdist from choosing another order.
LONG = tuple(
    f"{name}.py"
    for name in (
        "integration/backends/test_redis_bus",
        "packaging/test_extras",
        "e2e/test_recovery_servers",
        "e2e/test_many_servers",
        "e2e/test_workers",
        "e2e/test_drain",
        "e2e/features/test_notifications_critical",
        "e2e/test_page",
        "e2e/test_page_people",
        "e2e/test_page_offline",
        "e2e/features/test_log",
        "e2e/test_engine_bad_clients",
        "e2e/test_web_servers",
        "e2e/test_front_door",
    )
)

_others: list[str] = []

guardian.watch()
origins.record()
background.record()
gevent.get_hub()  # Each process has one for good: it is no test's.


@pytest.fixture(autouse=True)
def _nothing_is_left_by_a_test(request: pytest.FixtureRequest) -> Iterator[None]:
    with nothing_left_by_a_test(lambda: request.node.stash.get(FAILED, False), kinds_left_by(request.path)):
        yield
        request.node.funcargs.clear()  # pytest would keep them until after this.
        background.end_those_of_a_test()


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_by_a_module(request: pytest.FixtureRequest) -> Iterator[None]:
    with nothing_left_by_a_module(kinds_left_by(request.path)):
        yield
        background.end_all()


def kinds_left_by(path: Path) -> tuple[str, ...]:
    """Return what a file's tests may not leave behind."""
    place = _place(path)
    if not place.startswith(ENDING):
        _others.append(place)
    return PROCESSES if _others else EVERYTHING


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests, and no garbage meanwhile: there is next to none, and looking for it takes two fifths of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long."""
    items.sort(key=lambda item: _place(item.path) not in LONG)


def pytest_keyboard_interrupt() -> None:
    """Let an interrupted run end at once."""
    interrupt()


class WiderFixtures:
    """Lets what a fixture of a wider scope starts outlive the test in which it is first asked for."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        """Allow what it starts."""
        if fixturedef.scope == "function":
            return (yield)
        if fixturedef.scope != "module":
            look_again()
        with lasting(fixturedef.argname), background.lasting():
            return (yield)

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[object]) -> None:
        """Allow it no longer."""
        forget(fixturedef.argname)


def pytest_configure(config: pytest.Config) -> None:
    """Register what the hooks of a folder's own file would not hear of: fixtures of the session."""
    config.pluginmanager.register(WiderFixtures())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that cannot run shows nothing: it fails instead of being skipped."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped instead of run: {report.longrepr}"
    item.stash[FAILED] = report.failed or item.stash.get(FAILED, False)
    return report


def _place(path: Path) -> str:
    return path.as_posix().removeprefix(f"{Path(__file__).parent.as_posix()}/")  # A test may run others, of another folder.
