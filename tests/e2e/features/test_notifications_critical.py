"""Critical notifications in real servers and workers, which are killed in the middle of it."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
import trustme

from flask_realtime.store import PushSubscription
from tests.e2e.clients import PyClient
from tests.e2e.critical import CELERY_APP, SECONDS, Critical
from tests.e2e.servers import Server, poll
from tests.e2e.spans import Span, wait_for_span
from tests.integration.example_support import sqlite_url
from tests.postgresql_server import PostgresqlServer
from tests.push_service import CONTACT, PRIVATE_KEY, Browser, push_server
from tests.redis_server import RedisServer
from tests.scrapes import Scrape

LONGER_THAN_A_STOP_TAKES = 4.0

FLASK_WORKER = ["flask", "--app", "tests.e2e.apps.critical_app:create_app", "realtime", "worker"]
CELERY_SENDER = ["flask", "--app", f"{CELERY_APP}:app", "realtime", "worker"]
CELERY_WORKER = ["celery", "--app", f"{CELERY_APP}:celery", "worker", "--concurrency", "2", "--loglevel", "INFO"]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgresqlServer]:
    with PostgresqlServer() as server:
        yield server


@contextmanager
def opened(critical: Critical) -> Iterator[Critical]:
    try:
        yield critical
    finally:
        critical.close()


@pytest.fixture
def critical(tmp_path: Path) -> Iterator[Critical]:
    """On SQLite."""
    with opened(Critical(sqlite_url(tmp_path), tmp_path)) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def on_each_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Critical]:
    with ExitStack() as stack:
        url = sqlite_url(tmp_path)
        if request.param == "postgresql":
            server: PostgresqlServer = request.getfixturevalue("postgresql")
            url = stack.enter_context(server.new_database())
        yield stack.enter_context(opened(Critical(url, tmp_path)))


@pytest.fixture
def external(tmp_path: Path) -> Iterator[Critical]:
    """Without workers in the servers."""
    with opened(Critical(sqlite_url(tmp_path), tmp_path, REALTIME_JOBS_IN_SERVER=False)) as made:
        yield made


def notify(server: Server, user_id: str = "ann") -> str:
    """Have the server notify a user, and return the notification's id."""
    answer = requests.post(f"{server.url}/notify/{user_id}", timeout=SECONDS)
    assert answer.ok, answer.text
    return str(answer.json()["id"])


# Workers in servers -----------------------------------------------------------------------------------------------------------


def test_what_no_device_confirms_goes_to_the_channel(critical: Critical) -> None:
    with critical.serving() as server:
        added = notify(server)
        assert [note.notification_id for note in critical.wait_for("end")] == [added]
        critical.wait_until_done()


@pytest.mark.parametrize("options", [(), ("--preload",), ("--worker-class", "flask_realtime.worker.RealtimeWorker")])
def test_a_server_that_nobody_asks_for_anything_does_what_was_left(critical: Critical, options: tuple[str, ...]) -> None:
    added = critical.add()
    with critical.serving(*options, ready=None):
        assert [note.notification_id for note in critical.wait_for("end")] == [added.id]
        critical.wait_until_done()


def test_a_server_with_threads_begins_with_its_first_request(critical: Critical) -> None:
    critical.add()
    with critical.serving("--worker-class", "gthread", "--threads", "4"):
        critical.wait_for("end")
        critical.wait_until_done()


def test_everyone_in_a_large_conversation_hears_at_once_of_a_message_that_mentions_everyone(tmp_path: Path) -> None:
    members = [f"user{number}" for number in range(250)]
    with opened(Critical(sqlite_url(tmp_path), tmp_path, REALTIME_JOBS_INTERVAL=3600)) as critical:
        with critical.here.app.app_context():
            conversation = critical.here.store.conversations.create(["ann", *members], tell=False).id
        with critical.serving() as server, ExitStack() as stack:
            clients = []
            for user in ("ann", members[-1]):
                options = {"auth": {"token": critical.token(user)}, "transports": ["websocket"]}
                clients.append(PyClient(server.url, options))
                stack.callback(clients[-1].disconnect)
            message = {"conversationId": conversation, "clientId": "c1", "content": "look", "mentions": ["*"]}
            sent = clients[0].call("message:send", message)["message"]
            heard = clients[1].wait_for("notification:new").args[0]
            assert (heard["type"], heard["data"]["messageId"]) == ("mention", sent["id"])
            critical.wait_until_done()
            clients[1].assert_none("notification:new")


def test_a_job_whose_process_is_killed_is_done_by_the_next_one(critical: Critical) -> None:
    with critical.serving(ready=None):
        critical.add()
        critical.hold()
        (begun,) = critical.wait_for("begin")
        os.kill(begun.pid, signal.SIGKILL)
        critical.let_go()
        (ended,) = critical.wait_for("end")
        assert ended.pid != begun.pid
        assert (ended.job_id, ended.notification_id) == (begun.job_id, begun.notification_id)
        critical.wait_until_done()


def test_a_server_that_is_told_to_stop_ends_its_job_first(critical: Critical) -> None:
    with critical.serving("--graceful-timeout", "30") as server:
        critical.hold()
        critical.add()
        (begun,) = critical.wait_for("begin")
        server.terminate()
        assert not poll(lambda: not Path(f"/proc/{begun.pid}").exists(), LONGER_THAN_A_STOP_TAKES)
        critical.let_go()
        assert server.wait(SECONDS) == 0
        assert (len(critical.notes("begin")), len(critical.notes("end")), critical.pending()) == (1, 1, [])


def test_of_four_processes_another_one_does_the_job_of_one_that_is_killed(on_each_database: Critical) -> None:
    critical = on_each_database
    with critical.serving("--workers", "4", ready=None):
        critical.hold()
        added = [critical.add().id for _ in range(3)]
        begun = critical.wait_for("begin", 3)
        assert {note.notification_id for note in begun} == set(added), "each by one of them"
        killed = begun[0].pid
        lost = {note.job_id for note in begun if note.pid == killed}
        os.kill(killed, signal.SIGKILL)
        critical.let_go()
        critical.wait_until_done()
        ended = critical.notes("end")
        assert {note.notification_id for note in ended} == set(added)
        assert killed not in {note.pid for note in ended if note.job_id in lost}


def test_none_is_lost_while_processes_are_killed_again_and_again(on_each_database: Critical) -> None:
    critical = on_each_database
    added: list[str] = []
    with critical.serving("--workers", "4", ready=None) as server:
        critical.hold()
        for round_ in range(1, 4):
            added += [critical.add().id for _ in range(4)]
            critical.wait_for("begin", len(added))
            os.kill(critical.notes("begin")[-1].pid, signal.SIGKILL)
            assert poll(lambda: len(booted(server)) == 4 + round_, SECONDS)  # noqa: B023 - called at once
        critical.let_go()
        critical.wait_until_done()
    assert {note.notification_id for note in critical.notes("end")} == set(added)


def booted(server: Server) -> list[str]:
    """The lines about workers that have been started."""
    return [line for line in server.lines if "Booting worker" in line]


# Workers with a process of their own ------------------------------------------------------------------------------------------


def test_what_a_device_confirms_goes_to_no_channel(external: Critical) -> None:
    with external.serving() as server:
        client = PyClient(server.url, {"auth": {"token": external.token("ben")}, "transports": ["websocket"]})
        confirmed, unconfirmed = notify(server, "ben"), notify(server)
        assert client.wait_for("notification:new").data["id"] == confirmed
        assert client.call("notification:delivered", confirmed) == {"ok": True}
        client.disconnect()
    with external.program(FLASK_WORKER):
        external.wait_until_done()
    assert [note.notification_id for note in external.notes("end")] == [unconfirmed]


def test_a_worker_of_its_own_does_what_servers_leave(external: Critical) -> None:
    with external.serving() as server, external.program(FLASK_WORKER) as worker:
        notify(server)
        assert [note.pid for note in external.wait_for("end")] == [worker.pid]
        external.wait_until_done()


def test_a_worker_that_is_told_to_end_ends_its_job_first(external: Critical) -> None:
    external.hold()
    external.add()
    with external.program(FLASK_WORKER) as worker:
        external.wait_for("begin")
        worker.terminate()
        external.let_go()
        assert worker.wait(SECONDS) == 0
        assert (len(external.notes("end")), external.pending()) == (1, [])


def test_the_job_of_a_worker_that_is_killed_is_done_by_another(external: Critical) -> None:
    external.hold()
    external.add()
    with external.program(FLASK_WORKER) as first, external.program(FLASK_WORKER) as second:
        (begun,) = external.wait_for("begin")
        workers = {worker.pid: worker for worker in (first, second)}
        workers.pop(begun.pid).kill()
        external.let_go()
        assert [note.pid for note in external.wait_for("end")] == list(workers)
        external.wait_until_done()


# Traces -----------------------------------------------------------------------------------------------------------------------


def writing_spans(folder: Path) -> dict[str, str]:
    """The variables of a program whose spans go to a folder."""
    folder.mkdir()
    return {"TRACES_FOLDER": str(folder), "OTEL_BSP_SCHEDULE_DELAY": "100"}


def link_from(run: Span) -> str:
    """The span that the run of a job links to, which is in another trace."""
    (link,) = run["links"]
    assert run["parent_id"] is None
    assert link["context"]["trace_id"] != run["context"]["trace_id"]
    return str(link["context"]["span_id"])


def test_what_another_process_runs_leads_back_to_the_request_that_caused_it(external: Critical, tmp_path: Path) -> None:
    here, there = tmp_path / "server", tmp_path / "worker"
    with external.serving(**writing_spans(here)) as server, external.program(FLASK_WORKER, **writing_spans(there)):
        notify(server)
        external.wait_until_done()
        run, view = wait_for_span(there, "run critical_notification"), wait_for_span(here, "POST /notify/<user_id>")
        assert link_from(run) == view["context"]["span_id"]


# Celery -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def test_celerys_workers_do_what_servers_send_them(critical: Critical, redis: RedisServer) -> None:
    with critical.program(CELERY_WORKER, BROKER_URL=redis.url) as worker:
        worker.wait_for_line("ready")
        with critical.serving(application=f"{CELERY_APP}:app", BROKER_URL=redis.url) as server:
            added = notify(server)
            (ended,) = critical.wait_for("end")
            critical.wait_until_done()
            assert ended.notification_id == added
            assert os.getpgid(ended.pid) == worker.pid


def test_what_celerys_workers_run_leads_back_to_the_request_that_caused_it(
    critical: Critical, redis: RedisServer, tmp_path: Path
) -> None:
    here, there = tmp_path / "server", tmp_path / "celery"
    variables = writing_spans(there)
    with critical.program(CELERY_WORKER, BROKER_URL=redis.url, **variables) as worker:
        worker.wait_for_line("ready")
        with critical.serving(application=f"{CELERY_APP}:app", BROKER_URL=redis.url, **writing_spans(here)) as server:
            notify(server)
            critical.wait_until_done()
            run, view = wait_for_span(there, "run critical_notification"), wait_for_span(here, "POST /notify/<user_id>")
            assert link_from(run) == view["context"]["span_id"]


def test_a_job_of_celerys_whose_process_is_killed_is_done_again(critical: Critical, redis: RedisServer) -> None:
    critical.hold()
    with (
        critical.program(CELERY_WORKER, BROKER_URL=redis.url) as worker,
        critical.serving(application=f"{CELERY_APP}:app", BROKER_URL=redis.url) as server,
    ):
        worker.wait_for_line("ready")
        notify(server)
        (begun,) = critical.wait_for("begin")
        os.kill(begun.pid, signal.SIGKILL)
        critical.let_go()
        assert begun.pid not in {note.pid for note in critical.wait_for("end")}
        critical.wait_until_done()


def test_a_job_survives_that_all_of_celery_and_its_broker_lose_it(critical: Critical, redis: RedisServer) -> None:
    with critical.serving(application=f"{CELERY_APP}:app", BROKER_URL=redis.url) as server:
        critical.hold()
        with critical.program(CELERY_WORKER, BROKER_URL=redis.url) as worker:
            worker.wait_for_line("ready")
            notify(server)
            (begun,) = critical.wait_for("begin")
            redis.kill()
            worker.kill()
        critical.let_go()
        redis.start()
        with critical.program(CELERY_WORKER, BROKER_URL=redis.url):
            (ended,) = critical.wait_for("end")
            assert ended.job_id == begun.job_id
            critical.wait_until_done()


# Metrics ----------------------------------------------------------------------------------------------------------------------

METRICS = [*FLASK_WORKER[:-1], "metrics", "--port", "0"]


@pytest.fixture
def measured(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Critical]:
    """Whose processes answer for their metrics; the path of their folder is short, as those of Unix sockets have to be."""
    settings = {"REALTIME_METRICS": True, "REALTIME_METRICS_FOLDER": str(tmp_path_factory.mktemp("w"))}
    with opened(Critical(sqlite_url(tmp_path), tmp_path, REALTIME_JOBS_IN_SERVER=False, **settings)) as made:
        yield made


@contextmanager
def scraping(critical: Critical) -> Iterator[Callable[[], Scrape]]:
    """What returns a scrape of all processes."""
    with critical.program(METRICS) as command:
        url = command.wait_for_line(r"Metrics are at (\S+)")[1]
        yield lambda: Scrape(requests.get(url, timeout=SECONDS).text)


def test_a_worker_of_its_own_is_in_a_scrape_with_its_jobs(measured: Critical) -> None:
    measured.hold()
    measured.add()
    with measured.program(FLASK_WORKER) as worker, scraping(measured) as scrape:
        measured.wait_for("begin")
        found = scrape()
        assert (found.workers, found.values("job_processes"), found.values("workers")) == ({worker.pid}, [1], [0])
        assert (found.values("jobs_running"), found.values("jobs_total", outcome="done")) == ([1], [0])
        assert found.values("jobs_lag_seconds") != []
        assert found.values("connections") == []
        assert found.total("process_cpu_seconds_total") > 0
        measured.let_go()
        measured.wait_until_done()
        assert poll(lambda: scrape().values("jobs_total", outcome="done", worker=str(worker.pid)) == [1], SECONDS)
        worker.terminate()
        assert worker.wait(SECONDS) == 0
        assert (scrape().workers, scrape().values("scrape_errors")) == (set(), [0])


def test_celerys_processes_are_in_a_scrape_once_they_have_run_a_job(measured: Critical, redis: RedisServer) -> None:
    with (
        measured.program(CELERY_WORKER, BROKER_URL=redis.url) as worker,
        measured.serving(application=f"{CELERY_APP}:app", BROKER_URL=redis.url) as server,
        measured.program(CELERY_SENDER, BROKER_URL=redis.url),
        scraping(measured) as scrape,
    ):
        worker.wait_for_line("ready")
        notify(server)
        (ended,) = measured.wait_for("end")
        assert poll(lambda: scrape().values("jobs_total", outcome="done", worker=str(ended.pid)) == [1], SECONDS)
        found = scrape()
        assert found.values("jobs_running", worker=str(ended.pid)) == [0]
        assert (found.values("job_processes"), found.values("workers")) == ([2], [1])


# Web push ---------------------------------------------------------------------------------------------------------------------


def test_a_browser_gets_it_through_its_push_service(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    with push_server(context) as service:
        settings = {
            "REALTIME_PUSH_PRIVATE_KEY": PRIVATE_KEY,
            "REALTIME_PUSH_CONTACT": CONTACT,
            "REALTIME_PUSH_SERVICES": service.url,
        }
        with opened(Critical(sqlite_url(tmp_path), tmp_path, **settings)) as critical:
            phone, gone = Browser(service, "phone"), Browser(service, "gone")
            gone.answers(410)
            with critical.here.app.app_context():
                for browser in (phone, gone):
                    critical.here.store.push.subscribe("ann", PushSubscription(browser.endpoint, **browser.keys))
            with critical.serving(SSL_CERT_FILE=str(tmp_path / "authority.pem")) as server:
                added = notify(server)
                (message,) = phone.wait_for_messages(1)
                assert (message["id"], message["title"]) == (added, "Fire")
                critical.wait_until_done()
            with critical.here.app.app_context():
                left = critical.here.store.push.of_user("ann")
            assert [stored.subscription.endpoint for stored in left] == [phone.endpoint]
