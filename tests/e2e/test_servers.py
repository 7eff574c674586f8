"""The same journey on every way to serve an application, and how a server ends."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import JSDriver
from tests.e2e.conftest import CLIENTS, CONTRACT_APP, ClientFactory, NewId
from tests.e2e.servers import GEVENT_WEBSOCKET, REALTIME, Server, flask_run, gunicorn, python_module

pytestmark = pytest.mark.usefixtures("new_processes")  # It is about how servers start.

MODULE = "tests.e2e.apps.contract_app"
SERVERS: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "gunicorn": lambda: gunicorn(CONTRACT_APP),
    "gunicorn, stock engine": lambda: gunicorn(
        CONTRACT_APP, {"CONTRACT_APP_CONFIG": '{"REALTIME_ENGINE": "stock"}'}, "--worker-class", GEVENT_WEBSOCKET
    ),
    "gunicorn, RealtimeWorker": lambda: gunicorn(CONTRACT_APP, None, "--worker-class", REALTIME),
    "flask run": lambda: flask_run(f"{MODULE}:create_app"),
    "realtime.run": lambda: python_module(MODULE),
}


@pytest.fixture(scope="module", params=SERVERS)
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with SERVERS[request.param]() as server:
        yield server


@pytest.fixture
def own_api(own_server: Server) -> Api:
    return Api(own_server.url)


@pytest.fixture(params=CLIENTS)
def connect_there(request: pytest.FixtureRequest, driver: JSDriver, own_api: Api) -> Iterator[ClientFactory]:
    factory = ClientFactory(request.param, driver, own_api)
    yield factory
    factory.close()


def test_the_journey_of_a_message(connect_there: ClientFactory, own_api: Api, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    watcher = connect_there(ben)
    client = connect_there(ann)
    watcher.wait_for("user:status-changed", lambda data: data == {"userId": ann, "status": "online"})
    for joining in (watcher, client):
        assert joining.call("join:conversation", conversation) == {"ok": True}
    client.emit("typing:start", {"conversationId": conversation})
    assert watcher.wait_for("typing:start").data == {"conversationId": conversation, "userId": ann}
    own_api.emit("emit_new_message", conversation, {"id": "m1"})
    for receiving in (watcher, client):
        assert receiving.wait_for("message:new").data == {"id": "m1"}
    assert sorted(client.call("conversation:get-online-users", conversation)) == sorted([ann, ben])
    client.disconnect()
    watcher.wait_for("typing:stop")
    watcher.wait_for("user:status-changed", lambda data: data == {"userId": ann, "status": "offline"})


def test_events_keep_their_order(connect_there: ClientFactory, own_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect_there(user)
    for number in range(49):
        client.emit("app:step", number)
    assert client.call("app:step", 49) == 49
    assert [call[1] for call in own_api.hooks("step", user)] == list(range(50))


def test_a_bad_token_is_refused(connect_there: ClientFactory, own_api: Api) -> None:
    with pytest.raises(Exception, match="token_expired"):
        connect_there(token=own_api.token(kind="expired"))


def test_a_user_is_disconnected(connect_there: ClientFactory, own_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect_there(user)
    assert own_api.emit("disconnect_user", user) == 1
    client.wait_for_disconnect()
    own_api.wait_for_hook("disconnect", user)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_ends_while_clients_are_connected(kind: str, driver: JSDriver, new_id: NewId) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(SERVERS[kind]())
        api = Api(server.url)
        factories = [ClientFactory(name, driver, api) for name in CLIENTS]
        clients = [factory(new_id("ann")) for factory in factories]
        server.terminate()
        server.wait()
        for client in clients:
            client.wait_for_disconnect()
        for factory in factories:
            factory.close()
