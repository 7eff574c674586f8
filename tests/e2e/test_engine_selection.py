"""Which engine serves where, and that the same raw packets work on each."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
import requests
import trustme

from tests.e2e.api import Api
from tests.e2e.conftest import CONTRACT_APP, ENGINE_APP, NewId, OpenWire
from tests.e2e.raw import RawPolling
from tests.e2e.servers import Server, ServerError, flask_run, gunicorn, python_module
from tests.e2e.test_tls import write_certificate
from tests.e2e.wire import BINARY, Wire

pytestmark = pytest.mark.usefixtures("new_processes")  # It is about how servers start.

MODULE = "tests.e2e.apps.engine_app"
SECONDS = 30.0
UNKNOWN_SESSION = "EIO=4&transport=polling&sid=nobody"
STOCK = {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_ENGINE": "stock"})}
OWN = {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_ENGINE": "gevent"})}
THREADS = {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_ENGINE": "gevent", "REALTIME_ASYNC_MODE": "threading"})}

Start = Callable[[list[str]], AbstractContextManager[Server]]
SERVERS: dict[str, tuple[Start, dict[str, str]]] = {
    "gunicorn": (lambda _: gunicorn(ENGINE_APP), {"engine": "flask_realtime", "mode": "gevent"}),
    "gunicorn, asked for": (lambda _: gunicorn(ENGINE_APP, OWN), {"engine": "flask_realtime", "mode": "gevent"}),
    "gunicorn, stock": (lambda _: gunicorn(ENGINE_APP, STOCK), {"engine": "engineio", "mode": "gevent"}),
    "gunicorn, TLS": (
        lambda options: gunicorn(ENGINE_APP, None, *options, scheme="https"),
        {"engine": "flask_realtime", "mode": "gevent"},
    ),
    "gunicorn, TLS, stock": (
        lambda options: gunicorn(ENGINE_APP, STOCK, *options, scheme="https"),
        {"engine": "engineio", "mode": "gevent"},
    ),
    "flask run": (lambda _: flask_run(f"{MODULE}:create_app"), {"engine": "engineio", "mode": "threading"}),
    "flask run, own engine asked for": (
        lambda _: flask_run(f"{MODULE}:create_app", THREADS),
        {"engine": "engineio", "mode": "threading"},
    ),
    "realtime.run": (lambda _: python_module(MODULE), {"engine": "flask_realtime", "mode": "gevent"}),
}


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Api]]:
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    options = write_certificate(authority, Path(folder))
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    start, _ = SERVERS[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(folder / "authority.pem"))
        with start(options) as server:
            yield request.param, Api(server.url)


@pytest.fixture
def own_api(served: tuple[str, Api]) -> Api:
    return served[1]


def entered(open_wire: OpenWire, api: Api, user: str) -> Wire:
    wire: Wire = open_wire(api.url)
    assert wire.enter(api.token(user)).startswith("40{")
    return wire


def test_the_engine_is_the_one_for_the_server(served: tuple[str, Api]) -> None:
    name, api = served
    process = requests.get(f"{api.url}/process", timeout=SECONDS).json()
    assert {"engine": process["engine"], "mode": process["mode"]} == SERVERS[name][1]


def test_an_unknown_session_is_refused(own_api: Api) -> None:
    assert requests.get(f"{own_api.url}/socket.io/?{UNKNOWN_SESSION}", timeout=SECONDS).status_code == 400


def test_events_go_both_ways_on_a_websocket(open_wire: OpenWire, own_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    wire = entered(open_wire, own_api, user)
    assert wire.call(1, "app:echo", "x" * 50_000) == {"echo": "x" * 50_000}
    own_api.emit("send_to_user", user, "large", "y" * 300_000)
    assert wire.receive_until('42["large"') == f'42["large","{"y" * 300_000}"]'
    wire.send('451-1["app:bytes",{"_placeholder":true,"num":0}]')
    wire.send_frame(BINARY, b"\x00\xff")
    assert wire.receive_until("461-1[")
    assert wire.receive() == b"\x00\xff"


def test_events_go_both_ways_over_long_polling(own_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    with closing(RawPolling(own_api.url)) as polling:
        polling.post("40" + json.dumps({"token": own_api.token(user)}))
        polling.receive_until("40")
        polling.post(*(f'42{number}["app:echo",{number}]' for number in range(30)))
        answers = [packet for packet in polling.receive_until("4329[") if packet.startswith("43")]
        assert answers == [f'43{number}[{{"echo":{number}}}]' for number in range(30)]
        own_api.emit("send_to_user", user, "news")
        assert '42["news"]' in polling.receive_until('42["news"')


def test_a_session_moves_from_long_polling_to_a_websocket(open_wire: OpenWire, own_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    with closing(RawPolling(own_api.url)) as polling:
        polling.post("40" + json.dumps({"token": own_api.token(user)}))
        polling.receive_until("40")
        wire = open_wire(own_api.url, f"EIO=4&transport=websocket&sid={polling.handshake['sid']}")
        wire.send("2probe")
        assert wire.packet() == "3probe"
        assert polling.poll()
        wire.send("5")
        assert wire.call(1, "app:echo", 1) == {"echo": 1}
        own_api.emit("send_to_user", user, "news")
        assert wire.receive_until('42["news"')


def test_a_connection_that_ends_is_noticed(open_wire: OpenWire, own_api: Api, new_id: NewId) -> None:
    users = [new_id("ann") for _ in range(3)]
    wires = [entered(open_wire, own_api, user) for user in users]
    wires[0].send("41")
    wires[1].send_frame(0x8, b"\x03\xe8")
    wires[2].close()
    for user in users:
        own_api.wait_for_hook("disconnect", user)


def test_the_refusals_tell_the_engines_apart(served: tuple[str, Api]) -> None:
    name, api = served
    body = requests.get(f"{api.url}/socket.io/?{UNKNOWN_SESSION}", timeout=SECONDS).text
    is_own = SERVERS[name][1]["engine"] == "flask_realtime"
    assert (body == '{"code":1,"message":"Session ID unknown"}') is is_own


def test_an_engine_that_there_is_not_is_refused_at_start() -> None:
    environment = {"CONTRACT_APP_CONFIG": '{"REALTIME_ENGINE": "steam"}'}
    with pytest.raises(ServerError, match="REALTIME_ENGINE must be one of"), gunicorn(CONTRACT_APP, environment):
        pass
