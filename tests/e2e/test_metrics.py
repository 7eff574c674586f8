"""Metrics of several workers in one scrape, and of a command beside them."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.e2e.clients import PyClient
from tests.e2e.servers import Server, flask_run, gunicorn, poll, stopped_at_the_end
from tests.e2e.workers import WORKERS, running_workers
from tests.redis_server import RedisServer
from tests.scrapes import Scrape

APP = "tests.e2e.apps.metrics_app:create_app()"
WITHOUT_PAGE = "tests.e2e.apps.metrics_app:create_app_without_page()"
SECONDS = 60.0


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short path, as those of Unix sockets have to be."""
    return tmp_path_factory.mktemp("w")


def scrape(url: str) -> Scrape:
    answer = requests.get(f"{url}/metrics", timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)


def wait_for_workers(url: str, pids: set[int]) -> Scrape:
    """Scrape until these workers are in it, and no others."""
    scrapes: list[Scrape] = []

    def is_complete() -> bool:
        scrapes.append(scrape(url))
        return scrapes[-1].workers == pids

    assert poll(is_complete, SECONDS), f"{scrapes[-1].workers} instead of {pids}"
    return scrapes[-1]


@contextmanager
def command(folder: Path, *options: str, **config: object) -> Iterator[str]:
    """`flask realtime metrics` on a free port, and its address."""
    line = [sys.executable, "-m", "flask", "--app", WITHOUT_PAGE, "realtime", "metrics", "--port", "0", *options]
    server = Server(line, {"TMPDIR": str(folder), "CONTRACT_APP_CONFIG": json.dumps(config)})
    with stopped_at_the_end(server):
        yield server.wait_for_line(r"Metrics are at (http://[\d.]+:\d+)/metrics")[1]


def test_any_worker_has_the_metrics_of_all(folder: Path) -> None:
    with RedisServer() as redis, running_workers(folder, application=APP, REALTIME_MESSAGE_QUEUE=redis.url) as workers:
        pids = set(workers.pids)
        wait_for_workers(workers.url, pids)
        sessions = [workers.session(pid, f"user {pid}") for pid in workers.pids]
        for pid in workers.pids:
            found = Scrape(workers.connection(pid).ask("/metrics").text)
            assert found.workers == pids
            assert found.values("connections", transport="polling", namespace="/") == [1] * WORKERS
            assert found.values("users") == [1] * WORKERS
            assert found.values("bus_connected") == [1] * WORKERS
            assert (found.values("workers"), found.values("scrape_errors")) == ([WORKERS], [0])
        assert len(sessions) == WORKERS


def test_a_request_for_another_worker_counts_at_the_one_that_handed_it_over(folder: Path) -> None:
    with running_workers(folder, application=APP) as workers:
        home, other, *_ = workers.pids
        session, connection = workers.session(home), workers.connection(other)
        assert wait_for_workers(workers.url, set(workers.pids)).total("handovers_total") == 0
        assert connection.ask(session.path, "3") == (200, "ok")
        found = scrape(workers.url)
        assert (found.values("handovers_total", worker=str(other)), found.total("handovers_total")) == ([1], 1)


def test_the_series_of_a_killed_worker_are_gone_at_once(folder: Path) -> None:
    with running_workers(folder, application=APP) as workers:
        wait_for_workers(workers.url, set(workers.pids))
        killed = workers.pids[1]
        os.kill(killed, signal.SIGKILL)
        assert poll(lambda: len(workers.booted()) == WORKERS + 1, SECONDS)
        found = scrape(workers.url)
        assert killed not in found.workers
        assert found.values("scrape_errors") == [0]
        wait_for_workers(workers.url, set(workers.booted()) - {killed})


def test_a_worker_that_hangs_is_left_out_and_counted(folder: Path) -> None:
    with running_workers(folder, application=APP) as workers:
        wait_for_workers(workers.url, set(workers.pids))
        asked, hanging, *others = workers.pids
        connection = workers.connection(asked)
        with workers.stopped(hanging):
            found = Scrape(connection.ask("/metrics").text)
        assert found.workers == {asked, *others}
        assert (found.values("workers"), found.values("scrape_errors")) == ([WORKERS - 1], [1])
        wait_for_workers(workers.url, set(workers.pids))


def test_workers_that_end_leave_nothing_behind(folder: Path) -> None:
    with running_workers(folder, application=APP) as workers:
        wait_for_workers(workers.url, set(workers.pids))
        assert len(list(folder.glob("flask_realtime-*/metrics-*"))) == WORKERS
    assert list(folder.glob("flask_realtime-*/metrics-*")) == []


@pytest.mark.parametrize("count", [1, WORKERS])
def test_a_command_has_the_metrics_of_workers_without_a_page(folder: Path, count: int) -> None:
    with running_workers(folder, application=WITHOUT_PAGE, count=count, REALTIME_METRICS=True) as workers:
        session = workers.session(workers.pids[0])
        with command(folder) as url:
            found = wait_for_workers(url, set(workers.pids))
            assert found.values("connections", transport="polling", worker=str(workers.pids[0])) == [1]
            assert requests.get(f"{url}/", timeout=SECONDS).status_code == 404
            assert requests.get(f"{workers.url}/metrics", timeout=SECONDS).status_code == 404
        assert session.home.worker() == workers.pids[0]


def test_a_command_says_that_there_are_no_workers(folder: Path) -> None:
    with command(folder, REALTIME_METRICS=True) as url:
        assert (scrape(url).values("workers"), scrape(url).workers) == ([0], set())


def test_workers_do_not_answer_without_the_setting(folder: Path) -> None:
    with running_workers(folder, application=WITHOUT_PAGE, count=1) as workers, command(folder) as url:
        assert workers.connection(workers.pids[0]).ask("/process").status == 200
        assert scrape(url).values("workers") == [0]


def test_a_folder_of_its_own_keeps_applications_apart(folder: Path) -> None:
    one, other = str(folder / "one"), str(folder / "other")
    running = running_workers(folder, application=WITHOUT_PAGE, count=1, REALTIME_METRICS=True, REALTIME_METRICS_FOLDER=one)
    with running as workers, command(folder, REALTIME_METRICS_FOLDER=one) as url:
        wait_for_workers(url, set(workers.pids))
        with command(folder, REALTIME_METRICS_FOLDER=other) as elsewhere:
            assert scrape(elsewhere).values("workers") == [0]


def test_a_server_with_threads_has_metrics(folder: Path) -> None:
    with flask_run(APP.removesuffix("()"), {"TMPDIR": str(folder)}) as server:
        wait_for_workers(server.url, scrape(server.url).workers)
        client = PyClient(server.url, {"auth": {"token": token(server.url)}, "transports": ["websocket"]})
        try:
            assert client.connected
            found = scrape(server.url)
            assert found.values("connections", transport="websocket", namespace="/") == [1]
            with command(folder) as url:
                assert scrape(url).workers == found.workers
        finally:
            client.release()


def test_workers_of_an_application_that_is_loaded_before_they_are_forked_have_metrics_each(folder: Path) -> None:
    with RedisServer() as redis:
        config = {"TMPDIR": str(folder), "CONTRACT_APP_CONFIG": json.dumps({"REALTIME_MESSAGE_QUEUE": redis.url})}
        with gunicorn(APP, config, "--preload", "--workers", "2") as server:
            assert poll(lambda: len(scrape(server.url).workers) == 2, SECONDS)
            found = scrape(server.url)
            assert server.pid not in found.workers
            assert (found.values("workers"), found.values("scrape_errors")) == ([2], [0])
            assert found.values("process_start_time_seconds")[0] > 0
            client = PyClient(server.url, {"auth": {"token": token(server.url)}, "transports": ["websocket"]})
            try:
                assert client.connected
                assert scrape(server.url).total("connections", transport="websocket", namespace="/") == 1
                killed = max(found.workers)
                os.kill(killed, signal.SIGKILL)
                assert poll(lambda: killed not in (now := scrape(server.url)).workers and len(now.workers) == 2, SECONDS)
            finally:
                client.release()


def test_an_event_over_websocket_is_counted_and_timed(folder: Path) -> None:
    with gunicorn(APP, {"TMPDIR": str(folder)}) as server:
        client = PyClient(server.url, {"auth": {"token": token(server.url)}, "transports": ["websocket"]})
        try:
            client.call("users:get-status", ["nobody"])
            found = scrape(server.url)
        finally:
            client.release()
        assert found.values("events_received_total", event="users:get-status") == [1]
        assert found.values("event_duration_seconds_count", path="inline") == [1]


def token(url: str) -> str:
    """An access token of the application's."""
    answer = requests.post(f"{url}/token", json={"sub": "ann", "kind": "access"}, timeout=SECONDS)
    return str(answer.json()["token"])
