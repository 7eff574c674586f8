"""Servers, clients and tokens for the tests that go over a real network connection."""

import json
import os
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.e2e import forks
from tests.e2e.api import Api
from tests.e2e.browser import NewPerson, Person, chromium
from tests.e2e.clients import TRANSPORTS, Client, JSClient, JSDriver, PyClient
from tests.e2e.network import Network
from tests.e2e.raw import RawPolling, RawSocket
from tests.e2e.servers import Server, gunicorn
from tests.e2e.stock_engine import mark_known_failures
from tests.e2e.wire import Wire
from tests.leaks import lasting
from tests.redis_server import RedisServer

CONTRACT_APP = "tests.e2e.apps.contract_app:create_app()"
ENGINE_APP = "tests.e2e.apps.engine_app:create_app()"
ENGINE = os.environ.get("E2E_ENGINE", "gevent")
"""The engine that the servers have unless a test says otherwise: ``gevent`` or ``stock``."""
WORKERS = int(os.environ.get("E2E_WORKERS", "1"))
"""How many workers the contract application's servers have; with more than one they share a Redis server."""
CLIENTS = ["js-polling", "js-websocket", "js-upgrade", "py-websocket"]

ServerWith = Callable[..., Api]
NewId = Callable[[str], str]
OpenSocket = Callable[..., RawSocket]
OpenWire = Callable[..., Wire]
OpenPolling = Callable[..., RawPolling]
Open = Callable[..., JSClient]

RECONNECTING = {"reconnection": True, "reconnectionDelay": 10, "reconnectionDelayMax": 20, "randomizationFactor": 0}


class Servers:
    """The test applications' servers, one for each application and configuration asked for, kept for the whole run."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._redis: RedisServer | None = None
        self._running: dict[str, Server] = {}
        self._seen: dict[str, int] = {}

    def get(self, config: dict[str, Any], application: str = CONTRACT_APP) -> Api:
        """The server with that configuration, started at its first use."""
        settings = json.dumps({"REALTIME_ENGINE": ENGINE, **config}, sort_keys=True)
        key = f"{application} {settings} {forks.is_on()}"
        if key not in self._running:
            with lasting("servers"):
                self._running[key] = self._start(application, settings)
        return Api(self._running[key].url)

    def _start(self, application: str, settings: str) -> Server:
        if WORKERS == 1 or application != CONTRACT_APP:
            return self._stack.enter_context(gunicorn(application, {"CONTRACT_APP_CONFIG": settings}))
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="workers-"))
        if self._redis is None:
            self._redis = self._stack.enter_context(RedisServer())
        queue = {"REALTIME_MESSAGE_QUEUE": self._redis.url, "REALTIME_MESSAGE_QUEUE_CHANNEL": f"server-{len(self._running)}"}
        environment = {
            "CONTRACT_APP_CONFIG": json.dumps({**queue, **json.loads(settings)}),
            "CONTRACT_APP_NOTES": f"{folder}/notes",
        }
        Path(environment["CONTRACT_APP_NOTES"]).touch()
        return self._stack.enter_context(gunicorn(application, environment, "--workers", str(WORKERS)))

    def terminate(self) -> None:
        """Ask all of them to end, so that none waits for another's end."""
        for server in self._running.values():
            server.terminate()

    def mark(self) -> None:
        """Count what is logged from now on as new."""
        self._seen = {key: len(server.lines) for key, server in self._running.items()}

    def new_lines(self) -> str:
        """What the servers have logged since the mark."""
        parts = [line for key, server in self._running.items() for line in server.lines[self._seen.get(key, 0) :]]
        return "\n".join(parts)


class ClientFactory:
    """Connects clients of one kind and closes them after the test."""

    def __init__(self, kind: str, driver: JSDriver, api: Api) -> None:
        self._language, self._mode = kind.split("-")
        self._driver = driver
        self._api = api
        self._clients: list[Client] = []

    def __call__(
        self,
        user_id: str | int | None = None,
        *,
        api: Api | None = None,
        token: str | None = None,
        transports: list[str] | None = None,
        **options: Any,
    ) -> Client:
        """Connect.

        Args:
            user_id: Connect with a valid token of this user.
            api: The server, where it is not the usual one.
            token: Connect with this token in ``auth.token``.
            transports: Instead of those of the factory's kind.
            options: Further options of ``io(url, options)``, ``auth`` for one.
        """
        api = api or self._api
        if user_id is not None:
            token = api.token(user_id)
        if token is not None:
            options.setdefault("auth", {"token": token})
        options["transports"] = transports or TRANSPORTS[self._mode]
        client = self._make(api.url, options)
        self._clients.append(client)
        return client

    @property
    def final_transport(self) -> str:
        """The transport that its clients are on once connected."""
        return TRANSPORTS[self._mode][-1]

    def _make(self, url: str, options: dict[str, Any]) -> Client:
        if self._language == "py":
            return PyClient(url, options)
        return JSClient(self._driver, url, options)

    def close(self) -> None:
        """Close every client that is still open."""
        for client in self._clients:
            client.release()


SERVERS = pytest.StashKey[Servers]()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        servers = Servers(stack)
        yield servers
        servers.terminate()


@pytest.fixture(scope="module")
def new_processes() -> Iterator[None]:
    """Has a module's servers started anew, which `servers` then has apart from the others."""
    with forks.only_new_processes():
        yield


@pytest.fixture(scope="session")
def driver() -> Iterator[JSDriver]:
    driver = JSDriver()
    yield driver
    driver.stop()


@pytest.fixture(autouse=True)
def _mark_logs(request: pytest.FixtureRequest, servers: Servers) -> None:
    servers.mark()
    request.node.stash[SERVERS] = servers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where the servers have the stock parts, expect what these cannot do to fail."""
    if ENGINE == "stock":
        mark_known_failures(items)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers logged during a test that failed."""
    report = yield
    servers = item.stash.get(SERVERS, None)
    if report.failed and servers is not None:
        report.sections.append(("servers' logs", servers.new_lines()))
    return report


@pytest.fixture
def api(servers: Servers) -> Api:
    """The usual contract server."""
    return servers.get({})


@pytest.fixture
def server_with(servers: Servers) -> ServerWith:
    """Call it with configuration keys to get a contract server that has them."""

    def get(**config: Any) -> Api:
        return servers.get(config)

    return get


@pytest.fixture
def engine_with(servers: Servers) -> ServerWith:
    """Call it with configuration keys to get an engine server that has them."""

    def get(**config: Any) -> Api:
        return servers.get(config, ENGINE_APP)

    return get


@pytest.fixture
def engine_api(engine_with: ServerWith) -> Api:
    """The usual engine server."""
    return engine_with()


def join(connect: ClientFactory, conversation: str | int, *users: str) -> list[Client]:
    """Connect a client for each user and have it join."""
    clients = [connect(user) for user in users]
    assert [client.call("join:conversation", conversation) for client in clients] == [{"ok": True}] * len(clients)
    return clients


@pytest.fixture(params=CLIENTS)
def connect(request: pytest.FixtureRequest, driver: JSDriver, api: Api) -> Iterator[ClientFactory]:
    """Connects clients; a test that uses it runs once for each client and transport."""
    factory = ClientFactory(request.param, driver, api)
    yield factory
    factory.close()


@pytest.fixture
def connect_js(driver: JSDriver, api: Api) -> Iterator[ClientFactory]:
    """Connects JavaScript clients over WebSocket, for what does not depend on client and transport."""
    factory = ClientFactory("js-websocket", driver, api)
    yield factory
    factory.close()


@pytest.fixture
def new_id() -> NewId:
    """Makes ids that no other test uses."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def open_socket() -> Iterator[OpenSocket]:
    """Opens raw WebSockets and closes them after the test."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(closing(RawSocket(*args, **options)))


@pytest.fixture
def open_wire() -> Iterator[OpenWire]:
    """Opens WebSockets whose frames are made by hand, and closes them after the test."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(closing(Wire(*args, **options)))


@pytest.fixture
def open_polling() -> Iterator[OpenPolling]:
    """Opens raw long-polling sessions and closes them after the test."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(closing(RawPolling(*args, **options)))


@pytest.fixture
def networks() -> Iterator[Callable[[Api], Network]]:
    """Makes networks to servers."""
    with ExitStack() as stack:
        yield lambda api: stack.enter_context(Network(urlsplit(api.url).port or 0))


@pytest.fixture
def open_client(driver: JSDriver) -> Iterator[Open]:
    """Opens JavaScript clients that have recovery and reconnect by themselves."""
    clients: list[Client] = []

    def open_one(url: str, api: Api, user_id: str, transport: str = "websocket", **auth: Any) -> JSClient:
        given = {"token": api.token(user_id), "recovery": True, **auth}
        client = JSClient(driver, url, {"auth": given, "transports": TRANSPORTS[transport], **RECONNECTING})
        clients.append(client)
        return client

    yield open_one
    for client in clients:
        client.disconnect()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium, which the people of one module's tests share."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def new_person(browser: Browser, example: Server) -> Iterator[NewPerson]:
    """Opens the page of the module's example application in a profile of its own.

    Given a name, it logs in, and opens the conversation of a title. At the end nobody's console may have had anything to say.
    """
    people: list[Person] = []

    def make(name: str | None = None, title: str | None = None, *, url: str = example.url, **options: Any) -> Person:
        person = Person(browser, url, **options)
        people.append(person)
        if name is not None:
            person.log_in(name)
        return person if title is None else person.open_conversation(title)

    yield make
    complaints = [complaint for person in people for complaint in person.complaints]
    for person in people:
        person.leave()
    assert complaints == []
