"""TLS ended by the server itself, which sends WebSocket frames another way than plain sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.e2e.api import Api
from tests.e2e.clients import JSDriver
from tests.e2e.conftest import CONTRACT_APP, ClientFactory, NewId
from tests.e2e.servers import gunicorn


@pytest.fixture(scope="module")
def tls_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("tls")
    authority, bundle = trustme.CA(), folder / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    options = write_certificate(authority, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        with gunicorn(CONTRACT_APP, None, *options, scheme="https") as server:
            yield Api(server.url)


def write_certificate(authority: trustme.CA, folder: Path) -> list[str]:
    """Make a certificate and return gunicorn's options for it."""
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    return ["--keyfile", str(folder / "key.pem"), "--certfile", str(folder / "certificate.pem")]


@pytest.fixture(params=["js-polling", "js-websocket", "js-upgrade"])
def connect_tls(request: pytest.FixtureRequest, driver: JSDriver, tls_api: Api) -> Iterator[ClientFactory]:
    factory = ClientFactory(request.param, driver, tls_api)
    yield factory
    factory.close()


def test_events_go_both_ways(connect_tls: ClientFactory, tls_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect_tls(user, rejectUnauthorized=False)
    assert client.transport == connect_tls.final_transport
    assert client.call("app:echo", "x" * 50_000) == {"echo": "x" * 50_000}
    tls_api.emit("send_to_user", user, "large", "y" * 500_000)
    assert client.wait_for("large").data == "y" * 500_000
    tls_api.post("/emit-many", {"user": user, "count": 200})
    client.wait_for("number", lambda number: number == 199)
    assert [event.data for event in client.received("number")] == list(range(199))


def test_leaving_and_being_cut_off_are_noticed(connect_tls: ClientFactory, tls_api: Api, new_id: NewId) -> None:
    ann, ben = new_id("ann"), new_id("ben")
    leaving, ended = connect_tls(ann, rejectUnauthorized=False), connect_tls(ben, rejectUnauthorized=False)
    leaving.disconnect()
    tls_api.wait_for_hook("disconnect", ann)
    assert tls_api.emit("disconnect_user", ben) == 1
    ended.wait_for_disconnect()
    tls_api.wait_for_hook("disconnect", ben)
