"""What each extra promises, kept by an environment that holds the wheel with this extra alone."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import requests

from tests.docs.pages import blocks, python
from tests.e2e.clients import JSClient, JSDriver
from tests.e2e.example import User, environment
from tests.e2e.servers import Server
from tests.e2e.workers import Workers
from tests.kafka_cluster import kafka_cluster
from tests.packaging.conftest import EnvironmentWith
from tests.packaging.environments import EXTRAS, ROOT, Environment
from tests.packaging.modules import modules_for
from tests.push_service import Browser, push_server
from tests.redis_server import RedisServer, free_port, wait_until

SECONDS = 20.0
(GUNICORN,) = [line for block in blocks("README.md", "sh") for line in block.splitlines() if line.startswith("gunicorn ")]

IMPORTING = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]; print(len(sys.argv) - 1)"
WHERE = """
import os

@realtime.on("where")
def where(identity, *args):
    return os.getpid()
"""
RUNNING = """
from gevent import monkey
monkey.patch_all()
import os
from chat import app, realtime
realtime.run(app, port=int(os.environ["PORT"]))
"""
CARRYING = """
import sys
from flask_realtime.backends.broker import {module}
{module}.require()
carrier = {module}.{carrier}(sys.argv[1], "channel")
received = carrier.listen(lambda: True)
assert next(received) == b""
assert next(received) == b""
carrier.send(b"hello", "me")
print(next(message for message in received if message))
received.close()
carrier.stop_sending()
"""
VALIDATING = """
from dataclasses import dataclass
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from flask_realtime import Realtime
from flask_realtime.testing import RealtimeTestClient

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = "a secret of at least 32 characters"
JWTManager(app)
realtime = Realtime(app)

@dataclass(frozen=True)
class Vote:
    choice: int

@realtime.on("vote", payload=Vote)
def vote(identity, data):
    return {"votes": data.choice + 1}

with app.app_context():
    token = create_access_token("ann")
with RealtimeTestClient(app, token) as ann:
    print(ann.call("vote", {"choice": 1})["votes"], ann.call("vote", {"choice": "x"})["error"]["code"])
"""
MEASURING = """
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_realtime import Realtime
from flask_realtime.metrics import metrics_blueprint

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = "a secret of at least 32 characters"
JWTManager(app)
Realtime(app)
app.register_blueprint(metrics_blueprint())
answer = app.test_client().get("/metrics")
print(answer.status_code, "flask_realtime_workers 1.0" in answer.text)
"""
TRACING = """
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from flask_realtime import Realtime, tracing
from flask_realtime.testing import RealtimeTestClient

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = "a secret of at least 32 characters"
JWTManager(app)
realtime = Realtime()
tracing.instrument(realtime)
realtime.init_app(app)

@realtime.on("twice")
def twice(identity, number):
    return 2 * number

with app.app_context():
    token = create_access_token("ann")
with RealtimeTestClient(app, token) as ann:
    print(ann.call("twice", 2))
"""
CONNECTING = """
from sqlalchemy import create_engine
engine = create_engine("postgresql+psycopg://ann@localhost/chat")
import psycopg
print(engine.dialect.loaded_dbapi is psycopg, psycopg.pq.__impl__)
"""

CRITICAL = """
import sys
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from flask_realtime import Realtime
from flask_realtime.store import PushSubscription, Store, define_models

app = Flask(__name__)
app.config.update(JWT_SECRET_KEY="a secret of at least 32 characters", SQLALCHEMY_DATABASE_URI="sqlite://")
app.config.update(REALTIME_CRITICAL_TIMEOUT=0)
JWTManager(app)
db = SQLAlchemy(app)
realtime = Realtime()
store = Store(db, define_models(db))
store.register(realtime)
"""
BY_CELERY = """
from celery import Celery
from flask_realtime.jobs.celery import add_tasks

@realtime.notification_channel("email")
def send(notification):
    print(notification.title)

realtime.init_app(app)
tasks = add_tasks(Celery("chat", broker="memory://"), app)
with app.app_context():
    db.create_all()
    store.notifications.add("ann", "alarm", "Fire", "Leave the house", critical=True)
    tasks.run_due_jobs.apply()
    assert store.jobs.pending(1) == []
"""
BY_PUSH = """
from flask_realtime import new_push_key
from flask_realtime.testing import run_due_jobs

endpoint, p256dh, auth = sys.argv[1:]
app.config.update(REALTIME_PUSH_PRIVATE_KEY=new_push_key(), REALTIME_PUSH_CONTACT="mailto:ops@example.org")
app.config.update(REALTIME_PUSH_SERVICES=endpoint.rpartition("/push")[0])
realtime.init_app(app)
with app.app_context():
    db.create_all()
    store.push.subscribe("ann", PushSubscription(endpoint, p256dh, auth))
    store.notifications.add("ann", "alarm", "Fire", "Leave the house", critical=True)
    run_due_jobs(app)
    print(store.jobs.pending(1))
"""
WITHOUT = """
from flask_realtime.errors import ConfigError

app.config.update(REALTIME_PUSH_PRIVATE_KEY="k" * 43, REALTIME_PUSH_CONTACT="mailto:ops@example.org")
try:
    realtime.init_app(app)
except ConfigError as error:
    print(error)
try:
    import flask_realtime.jobs.celery
except ConfigError as error:
    print(error)
"""


def save_chat(folder: Path, queue: str | None = None) -> None:
    """Save README's application as README says, with a message queue where one is given."""
    setting = f'app.config["REALTIME_MESSAGE_QUEUE"] = {queue!r}\n' if queue else ""
    code = re.sub(r"^(?=JWTManager\(app\)$)", lambda _: setting, python("README.md"), count=1, flags=re.MULTILINE)
    (folder / "chat.py").write_text(code + WHERE, encoding="utf-8")
    (folder / "serve.py").write_text(RUNNING, encoding="utf-8")
    # Several workers that start at once would create the tables at once.
    subprocess.run([sys.executable, "-c", "import chat"], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)


class Member:
    """Somebody in the lobby of README's application, with an unmodified socket.io-client.

    Args:
        driver: The client's process.
        url: The server's address.
        name: The user's name.
    """

    def __init__(self, driver: JSDriver, url: str, name: str) -> None:
        answer = requests.post(f"{url}/login", json={"username": name, "password": "demo"}, timeout=SECONDS)
        self._token = answer.json()["accessToken"]
        self._messages = f"{url}/api/conversations/1/messages"
        self.client = JSClient(driver, url, {"auth": {"token": self._token}, "transports": ["polling", "websocket"]})
        assert self.client.call("join:conversation", "1") == {"ok": True}

    def process(self) -> int:
        """The process that serves the client."""
        return int(self.client.call("where"))

    def write_to(self, *others: "Member") -> None:
        """Write a message, and wait until everybody has it."""
        headers = {"Authorization": f"Bearer {self._token}"}
        written = requests.post(self._messages, json={"content": "hello"}, headers=headers, timeout=SECONDS).json()
        for member in (self, *others):
            assert member.client.wait_for("message:new").data["id"] == written["id"]

    def close(self) -> None:
        """Close the client."""
        self.client.disconnect()


@pytest.mark.parametrize("extras", [(), *((extra,) for extra in EXTRAS)], ids=lambda extras: "".join(extras) or "none")
def test_each_module_can_be_imported_with_its_extra_alone(environment_with: EnvironmentWith, extras: tuple[str, ...]) -> None:
    names = modules_for(*extras)
    assert environment_with(*extras).run(IMPORTING, *names) == f"{len(names)}\n"


def test_readme_names_every_extra_for_users() -> None:
    named = re.findall(r"^\| `([a-z]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {*named, "example"} == set(EXTRAS)


def test_readme_s_command_serves_readme_s_application(environment_with: EnvironmentWith, driver: JSDriver, tmp_path: Path) -> None:
    save_chat(tmp_path)
    with readme_served(environment_with("server"), tmp_path) as server, ExitStack() as stack:
        alice, bob = (stack.enter_context(closing(Member(driver, server.url, name))) for name in ("alice", "bob"))
        alice.write_to(bob)


def test_two_workers_are_one_server_with_redis(
    environment_with: EnvironmentWith, driver: JSDriver, tmp_path: Path, redis: RedisServer
) -> None:
    save_chat(tmp_path, redis.url)
    environment = environment_with("server", "redis")
    with readme_served(environment, tmp_path, workers=2) as server, ExitStack() as stack:
        workers = Workers(server, stack, 2)
        members = [stack.enter_context(closing(member_of(driver, workers, pid))) for pid in workers.pids]
        members[0].write_to(*members[1:])
        members[1].write_to(members[0])


def test_two_servers_are_one_with_redis_and_nothing_else(
    environment_with: EnvironmentWith, driver: JSDriver, tmp_path: Path, redis: RedisServer
) -> None:
    save_chat(tmp_path, redis.url)
    environment = environment_with("redis")
    with ExitStack() as stack:
        servers = [stack.enter_context(served(environment, tmp_path)) for _ in range(2)]
        members = [stack.enter_context(closing(Member(driver, server.url, "bob"))) for server in servers]
        assert [member.process() for member in members] == [server.pid for server in servers]
        members[0].write_to(*members[1:])


def test_amqp_carries_messages(environment_with: EnvironmentWith) -> None:
    script = CARRYING.format(module="amqp", carrier="AmqpCarrier")
    assert environment_with("amqp").run(script, "memory://") == "b'hello'\n"


def test_kafka_carries_messages(environment_with: EnvironmentWith) -> None:
    with kafka_cluster() as url:
        script = CARRYING.format(module="kafka", carrier="KafkaCarrier")
        assert environment_with("kafka").run(script, url) == "b'hello'\n"


def test_celery_runs_jobs(environment_with: EnvironmentWith) -> None:
    assert environment_with("celery").run(CRITICAL + BY_CELERY) == "Fire\n"


def test_push_sends_what_the_browser_can_decrypt(environment_with: EnvironmentWith) -> None:
    with push_server() as service:
        browser = Browser(service, "phone")
        assert environment_with("push").run(CRITICAL + BY_PUSH, browser.endpoint, *browser.keys.values()) == "[]\n"
        assert [message["title"] for message in browser.messages] == ["Fire"]


def test_without_these_the_errors_name_them(environment_with: EnvironmentWith) -> None:
    assert environment_with().run(CRITICAL + WITHOUT).splitlines() == [
        "Web push needs pywebpush: pip install 'flask-realtime[push]'",
        "Celery's workers run jobs with Celery installed: pip install 'flask-realtime[celery]'",
    ]


def test_validation_checks_payloads(environment_with: EnvironmentWith) -> None:
    assert environment_with("validation").run(VALIDATING) == "2 bad_request\n"


def test_postgresql_brings_the_driver_and_its_library(environment_with: EnvironmentWith) -> None:
    assert environment_with("postgresql").run(CONNECTING) == "True binary\n"


def test_metrics_are_served(environment_with: EnvironmentWith) -> None:
    assert environment_with("metrics").run(MEASURING) == "200 True\n"


def test_tracing_needs_no_sdk(environment_with: EnvironmentWith) -> None:
    assert environment_with("tracing").run(TRACING) == "4\n"


def test_the_example_runs_with_its_extra_alone(environment_with: EnvironmentWith, driver: JSDriver, tmp_path: Path) -> None:
    # A copy: in the checkout, the package would be the checkout's.
    shutil.copytree(ROOT / "example_app", tmp_path / "example_app", ignore=shutil.ignore_patterns("frontend", "static"))
    port = free_port()
    variables = {"PORT": str(port), **environment(tmp_path)}
    with environment_with("example").serving(["python", "-m", "example_app"], tmp_path, port, **variables) as server:
        alice = User(server.url, "alice")
        client = JSClient(driver, server.url, {"auth": {"token": alice.token}, "transports": ["websocket"]})
        assert client.call("user:get-status", alice.id)["status"] == "online"
        client.disconnect()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@contextmanager
def readme_served(environment: Environment, folder: Path, workers: int = 1) -> Iterator[Server]:
    """Run README's own command, on another port."""
    port = free_port()
    command = GUNICORN.replace(":3000", f":{port}").replace(" -w 1 ", f" -w {workers} ")
    with environment.serving(shlex.split(command), folder, port) as server:
        yield server


@contextmanager
def served(environment: Environment, folder: Path) -> Iterator[Server]:
    """Run README's application by itself."""
    port = free_port()
    with environment.serving(["python", "serve.py"], folder, port, PORT=str(port)) as server:
        yield server


def member_of(driver: JSDriver, workers: Workers, pid: int) -> Member:
    """A member who is connected to one of the workers."""
    found: list[Member] = []

    def is_there() -> bool:
        # A worker that runs on another processor may accept one more before it stops.
        if found:
            found.pop().close()
        found.append(Member(driver, workers.url, "bob"))
        return found[0].process() == pid

    with workers.only(pid):
        wait_until(is_there)
    return found[0]
