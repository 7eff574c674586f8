"""Socket.IO's own Admin UI, as npm ships it, in a real Chromium: what administrators see and do, on one worker and on four."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, WebSocket, expect
from redis import Redis
from werkzeug.security import generate_password_hash

from flask_realtime.features.administration.leases import LEASE_SECONDS
from tests.e2e.api import Api
from tests.e2e.browser import WIDE, chromium
from tests.e2e.clients import JS_FOLDER, Client, JSClient, JSDriver, Refused
from tests.e2e.conftest import CONTRACT_APP, ClientFactory, NewId
from tests.e2e.servers import Server, gunicorn, poll
from tests.redis_server import RedisServer
from tests.tcp_proxy import TcpProxy

FILES = JS_FOLDER / "node_modules" / "@socket.io" / "admin-ui" / "ui" / "dist"
SECONDS = 20.0
LONGER_THAN_BETWEEN_REPORTS = 6.0
PASSWORD = "correct horse battery"
ADMIN = {"username": "root", "password": generate_password_hash(PASSWORD, "pbkdf2:sha256:1")}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Log nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files of a folder, at another origin than the server's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    """Where the page is."""
    with serving(FILES) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def tag_of_a_worker(api: Api) -> str:
    """Open a session at any worker, which serves from then on, and return what the ids of its sessions have in common."""
    answer = requests.get(f"{api.url}/socket.io/?EIO=4&transport=polling", timeout=SECONDS).text
    return str(json.loads(answer[1:])["sid"])[-6:]


@contextmanager
def running(page_url: str, workers: int, **admin: Any) -> Iterator[Api]:
    """Run the contract's application with some workers, which share a Redis if there are several."""
    tags: set[str] = set()
    with ExitStack() as stack:
        config: dict[str, Any] = {"REALTIME_ADMIN": {**ADMIN, **admin}, "REALTIME_CORS_ALLOWED_ORIGINS": [page_url]}
        if workers > 1:
            config["REALTIME_MESSAGE_QUEUE"] = stack.enter_context(RedisServer()).url
        settings = {"CONTRACT_APP_CONFIG": json.dumps(config)}
        api = Api(stack.enter_context(gunicorn(CONTRACT_APP, settings, "--workers", str(workers))).url)

        def are_awake() -> bool:
            tags.add(tag_of_a_worker(api))
            return len(tags) == workers

        assert poll(are_awake, SECONDS)
        yield api


@pytest.fixture(scope="module", params=[1, 4], ids=["one worker", "four workers"])
def workers(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


@pytest.fixture(scope="module")
def developing(page_url: str, workers: int) -> Iterator[Api]:
    """A server in development mode."""
    with running(page_url, workers, mode="development") as api:
        yield api


@pytest.fixture(scope="module")
def producing(page_url: str, workers: int) -> Iterator[Api]:
    """A server in production mode."""
    with running(page_url, workers) as api:
        yield api


@pytest.fixture
def enter(driver: JSDriver) -> Iterator[Any]:
    """Connects users to a server."""
    factories: list[ClientFactory] = []

    def connect(api: Api, user: str) -> Client:
        factories.append(ClientFactory("js-websocket", driver, api))
        return factories[-1](user)

    yield connect
    for factory in factories:
        factory.close()


class Administrator:
    """Somebody with the page.

    Args:
        browser: The browser.
        page_url: Where the page is.
        server: The server's address.
        is_websocket_only: Whether the page begins on WebSocket, so that its frames are all that it gets.
    """

    def __init__(self, browser: Browser, page_url: str, server: str, *, is_websocket_only: bool) -> None:
        self._context = browser.new_context(viewport=WIDE, reduced_motion="reduce")  # type: ignore[arg-type]
        self._context.route(re.compile("^https://"), lambda route: route.abort())  # Fonts, from elsewhere.
        self.frames: list[str] = []
        self._websocket: WebSocket | None = None
        self.page: Page = self._context.new_page()
        self.page.on("websocket", self._listen)
        if is_websocket_only:
            self.page.add_init_script("localStorage.setItem('ws_only', 'true')")
        self._server = server
        self.page.goto(page_url)

    def _listen(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        websocket.on("framereceived", lambda data: self.frames.append(str(data)))

    def log_in(self, password: str = PASSWORD) -> None:
        """Fill in the form and send it."""
        for label, value in (("Server URL", self._server), ("Username", "root"), ("Password", password)):
            self.page.get_by_label(label, exact=True).fill(value)
        self.page.get_by_role("button", name="Connect", exact=True).click()

    def is_connected(self) -> None:
        """Wait until the page says so."""
        expect(self.page.locator(".v-app-bar .v-chip").filter(visible=True)).to_have_text(re.compile("^\\s*connected\\s*$"))
        expect(self.page.get_by_label("Password", exact=True)).to_be_hidden()

    @contextmanager
    def expect_frame(self, is_it: Callable[[str], bool]) -> Iterator[None]:
        """Wait, at the end of the block, for a frame that is as it should be."""
        assert self._websocket is not None
        with self._websocket.expect_event("framereceived", lambda data: is_it(str(data))):
            yield

    def open(self, name: str) -> None:
        """Open one of the page's parts."""
        self.page.get_by_role("navigation").get_by_text(name, exact=True).click()

    def row(self, text: str) -> Locator:
        """The row of a table that has a text."""
        return self.page.get_by_role("row").filter(has_text=text)

    def press(self, within: Locator, icon: str) -> None:
        """Press the button of an icon."""
        within.locator(f"button:has(.mdi-{icon})").first.click()

    def leave(self) -> None:
        """Close the browser profile."""
        self._context.close()


@pytest.fixture
def administrate(browser: Browser, page_url: str) -> Iterator[Any]:
    """Opens the page."""
    people: list[Administrator] = []

    def open_page(api: Api, *, is_websocket_only: bool = True) -> Administrator:
        people.append(Administrator(browser, page_url, api.url, is_websocket_only=is_websocket_only))
        return people[-1]

    yield open_page
    for administrator in people:
        administrator.leave()


def enter_directly(driver: JSDriver, api: Api, **auth: str) -> JSClient:
    """Connect to the namespace without the page, which has no place to emit from."""
    return JSClient(driver, f"{api.url}/admin", {"auth": auth, "transports": ["websocket"]})


def test_a_wrong_password_is_refused_and_the_right_one_is_remembered(administrate: Any, producing: Api) -> None:
    admin = administrate(producing, is_websocket_only=False)
    admin.log_in("guess")
    expect(admin.page.get_by_text("Invalid credentials")).to_be_visible()
    admin.log_in()
    admin.is_connected()
    admin.page.reload()
    admin.is_connected()


def test_without_the_setting_there_is_no_such_namespace(driver: JSDriver, api: Api) -> None:
    for namespace in ("/admin", "/nowhere"):
        with pytest.raises(Refused) as refused:
            JSClient(driver, api.url + namespace, {"auth": {"username": "root", "password": PASSWORD}, "transports": ["websocket"]})
        assert refused.value.message == "Invalid namespace"


def test_every_server_is_listed(administrate: Any, producing: Api, workers: int) -> None:
    admin = administrate(producing)
    admin.log_in()
    admin.is_connected()
    admin.open("Servers")
    expect(admin.page.get_by_role("row").filter(has_text="healthy")).to_have_count(workers)


def test_production_shows_neither_payloads_nor_connections(administrate: Any, producing: Api, enter: Any, new_id: NewId) -> None:
    admin = administrate(producing)
    admin.log_in()
    admin.is_connected()
    expect(admin.page.get_by_role("navigation")).to_contain_text("Servers")
    expect(admin.page.get_by_role("navigation")).not_to_contain_text("Sockets")
    user, conversation = new_id("user"), new_id("conversation")
    with admin.expect_frame(lambda text: "packetsIn" in text):
        client = enter(producing, user)
        client.call("join:conversation", conversation)
        client.emit("typing:start", conversation)
        client.call("auth:refresh", {"token": producing.token(user)})
        client.disconnect()
    seen = "\n".join(admin.frames)
    assert "rawConnection" in seen
    words = (user, conversation, client.sid, "typing:", "eyJ", "all_sockets", "socket_", "room_", "event_")
    assert [word for word in words if word in seen] == []


def test_an_administrator_sees_connections_rooms_clients_and_events(
    administrate: Any, developing: Api, enter: Any, new_id: NewId
) -> None:
    conversation = new_id("conversation")
    before = enter(developing, new_id("user"))
    before.call("join:conversation", conversation)
    admin = administrate(developing)
    admin.log_in()
    admin.is_connected()
    after = enter(developing, new_id("user"))
    after.call("join:conversation", conversation)
    token = developing.token(new_id("user"))
    after.call("auth:refresh", {"token": token})
    admin.open("Sockets")
    for client in (before, after):
        expect(admin.row(client.sid)).to_contain_text("127.0.0.1")
    admin.open("Rooms")
    expect(admin.row(f"conversation:{conversation}").get_by_role("cell").nth(2)).to_have_text("2")
    admin.open("Clients")
    assert admin.page.get_by_role("row").count() > 1
    admin.open("Events")
    expect(admin.row("auth:refresh").first).to_be_visible()
    assert token not in "\n".join(admin.frames)
    after.disconnect()
    admin.open("Sockets")
    expect(admin.row(before.sid)).to_be_visible()
    expect(admin.row(after.sid)).to_have_count(0)


def test_an_administrator_has_a_connection_join_and_leave_a_room(
    administrate: Any, driver: JSDriver, developing: Api, enter: Any, new_id: NewId
) -> None:
    clients, room = [enter(developing, new_id("user")) for _ in range(4)], new_id("room")
    admin = administrate(developing)
    admin.log_in()
    admin.is_connected()
    direct = enter_directly(driver, developing, username="root", password=PASSWORD)
    for client in clients:
        admin.open("Sockets")
        admin.row(client.sid).get_by_role("cell").first.click()
        admin.page.get_by_label("Join a room").fill(room)
        admin.press(admin.page.locator("form").filter(has_text="Join a room"), "tag-plus-outline")
        expect(admin.row(room)).to_be_visible()
    assert direct.call("emit", "/", room, "app:hi", {"n": 1}) == {"ok": True}
    for client in clients:
        assert client.wait_for("app:hi").data == {"n": 1}
    admin.press(admin.row(room), "tag-off-outline")
    admin.open("Rooms")
    expect(admin.row(room).get_by_role("cell").nth(2)).to_have_text("3")
    direct.call("emit", "/", room, "app:hi", {"n": 2})
    assert clients[0].wait_for("app:hi").data == {"n": 2}
    direct.call("emit", "/", None, "app:end")
    clients[-1].wait_for("app:end")
    assert clients[-1].received("app:hi") == []
    direct.disconnect()


def test_an_administrator_ends_a_connection(administrate: Any, developing: Api, enter: Any, new_id: NewId) -> None:
    clients = [enter(developing, new_id("user")) for _ in range(3)]
    admin = administrate(developing)
    admin.log_in()
    admin.is_connected()
    admin.open("Sockets")
    for client in clients[:2]:
        admin.press(admin.row(client.sid), "logout")
        client.wait_for_disconnect()
        admin.open("Sockets")  # The page shows the details of a row whose button is pressed.
        expect(admin.row(client.sid)).to_have_count(0)
    expect(admin.row(clients[2].sid)).to_be_visible()
    assert clients[2].connected


# A server that is killed ------------------------------------------------------------------------------------------------------


class Pair:
    """Two servers with one Redis, the first of which the page reaches, through a proxy.

    Args:
        page_url: Where the page is.
        stack: Ends them.
    """

    def __init__(self, page_url: str, stack: ExitStack) -> None:
        redis = stack.enter_context(RedisServer())
        admin = {**ADMIN, "mode": "development"}
        config = {"REALTIME_ADMIN": admin, "REALTIME_CORS_ALLOWED_ORIGINS": [page_url], "REALTIME_MESSAGE_QUEUE": redis.url}
        settings = {"CONTRACT_APP_CONFIG": json.dumps(config)}
        self.first, self.second = (stack.enter_context(gunicorn(CONTRACT_APP, settings)) for _ in range(2))
        self.proxy = stack.enter_context(TcpProxy(port_of(self.first)))
        self.entrance = Api(f"http://127.0.0.1:{self.proxy.port}")
        self._redis = stack.enter_context(Redis.from_url(redis.url))

    def reports(self) -> int:
        """Return how many commands of this feature are in the stream of the servers."""
        (key,) = [key for key in self._redis.scan_iter() if self._redis.type(key) == b"stream"]
        return sum(b"administration" in b"".join(fields.values()) for _, fields in self._redis.xrange(key))


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


@pytest.fixture
def pair(page_url: str) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(page_url, stack)


def test_a_page_whose_server_is_killed_sees_everything_from_another(
    administrate: Any, pair: Pair, enter: Any, new_id: NewId
) -> None:
    lost, kept = enter(Api(pair.first.url), new_id("user")), enter(Api(pair.second.url), new_id("user"))
    admin = administrate(pair.entrance)
    admin.log_in()
    admin.is_connected()
    admin.open("Sockets")
    for client in (lost, kept):
        expect(admin.row(client.sid)).to_be_visible()
    pair.first.kill()
    pair.proxy.cut()
    pair.proxy.aim(port_of(pair.second))
    pair.proxy.mend()
    expect(admin.row(lost.sid)).to_have_count(0, timeout=LEASE_SECONDS * 1000)
    expect(admin.row(kept.sid)).to_be_visible()
    admin.is_connected()
    came = enter(Api(pair.second.url), new_id("user"))
    expect(admin.row(came.sid)).to_be_visible()
    came.call("join:conversation", conversation := new_id("conversation"))
    admin.open("Rooms")
    expect(admin.row(f"conversation:{conversation}").get_by_role("cell").nth(2)).to_have_text("1")


def test_a_page_forgets_the_connections_of_another_server_that_was_killed(
    administrate: Any, pair: Pair, enter: Any, new_id: NewId
) -> None:
    kept, lost = enter(Api(pair.first.url), new_id("user")), enter(Api(pair.second.url), new_id("user"))
    admin = administrate(pair.entrance)
    admin.log_in()
    admin.is_connected()
    admin.open("Sockets")
    for client in (lost, kept):
        expect(admin.row(client.sid)).to_be_visible()
    pair.second.kill()
    expect(admin.row(lost.sid)).to_have_count(0, timeout=2 * LEASE_SECONDS * 1000)
    expect(admin.row(kept.sid)).to_be_visible()


def test_the_others_stop_collecting_for_a_server_that_was_killed(administrate: Any, pair: Pair, enter: Any, new_id: NewId) -> None:
    enter(Api(pair.second.url), new_id("user"))
    admin = administrate(pair.entrance)
    admin.log_in()
    admin.is_connected()
    before = pair.reports()
    assert poll(lambda: pair.reports() > before, SECONDS), "the second server reports"
    pair.first.kill()
    pair.proxy.cut()

    def is_silent() -> bool:
        before = pair.reports()
        return not poll(lambda: pair.reports() > before, LONGER_THAN_BETWEEN_REPORTS)

    assert poll(is_silent, 2 * LEASE_SECONDS)
