"""The example application as ``make run`` starts it, used by the document's own client."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client, JSDriver
from tests.e2e.conftest import ClientFactory
from tests.e2e.example import User, environment
from tests.e2e.servers import Server, gunicorn, python_module


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with python_module("example_app", environment(tmp_path_factory.mktemp("example")), ready="/healthz") as server:
        yield server


@pytest.fixture(params=["js-polling", "js-websocket", "js-upgrade"])
def connect_example(request: pytest.FixtureRequest, driver: JSDriver, example: Server) -> Iterator[ClientFactory]:
    factory = ClientFactory(request.param, driver, Api(example.url))
    yield factory
    factory.close()


@pytest.fixture
def alice(example: Server) -> User:
    return User(example.url, "alice")


@pytest.fixture
def bob(example: Server) -> User:
    return User(example.url, "bob")


@pytest.fixture
def conversation(alice: User, bob: User) -> str:
    created = alice.call("POST", "/api/conversations", {"title": "Lunch", "participantIds": [bob.id]})
    return str(created["id"])


def joined(connect: ClientFactory, user: User, conversation: str) -> Client:
    """A client of the user in the conversation."""
    client = connect(token=user.token)
    assert client.call("join:conversation", conversation) == {"ok": True}
    return client


def test_a_message_is_delivered_read_and_deleted(connect_example: ClientFactory, alice: User, bob: User, conversation: str) -> None:
    clients = [joined(connect_example, alice, conversation), joined(connect_example, bob, conversation)]
    path = f"/api/conversations/{conversation}"
    message = alice.call("POST", f"{path}/messages", {"content": "hello"})
    assert message["content"] == "hello"
    bob.call("POST", f"{path}/read", {"messageIds": [message["id"]]})
    alice.call("DELETE", f"{path}/messages/{message['id']}")
    about = {"conversationId": conversation}
    for client in clients:
        assert client.wait_for("message:new").data == message
        read = {**about, "messageIds": [message["id"]], "userId": bob.id, "upTo": message["id"]}
        assert client.wait_for("messages:read").data == read
        assert client.wait_for("message:deleted").data == {**about, "messageId": message["id"]}


def test_a_conversation_of_others_cannot_be_joined(connect_example: ClientFactory, example: Server, conversation: str) -> None:
    carol = User(example.url, "carol")
    client = connect_example(token=carol.token)
    assert client.call("join:conversation", conversation)["error"]["code"] == "forbidden"


def test_a_notification_is_delivered_and_marked_as_read(connect_example: ClientFactory, alice: User, bob: User) -> None:
    phone, laptop = connect_example(token=bob.token), connect_example(token=bob.token)
    sent = {"userId": bob.id, "type": "info", "title": "Hi", "message": "Text"}
    notification = alice.call("POST", "/api/notifications", sent)
    for client in (phone, laptop):
        assert client.wait_for("notification:new").data == notification
    assert phone.call("notification:read", notification["id"]) == {"ok": True}
    for client in (phone, laptop):
        assert client.wait_for("notification:read").data == notification["id"]
    listed = {item["id"]: item for item in bob.call("GET", "/api/notifications")["notifications"]}
    assert listed[notification["id"]]["isRead"] is True


def test_an_order_and_an_announcement_are_delivered(connect_example: ClientFactory, alice: User, bob: User) -> None:
    client = connect_example(token=bob.token)
    order = alice.call("POST", "/api/orders", {"userId": bob.id, "status": "shipped"})
    assert client.wait_for("order:update").data == order
    alice.call("POST", "/api/announcements", {"message": "Tea is ready"})
    assert client.wait_for("announcement").data["message"] == "Tea is ready"


def test_logging_out_ends_the_sessions_connections(connect_example: ClientFactory, example: Server) -> None:
    carol, elsewhere = User(example.url, "carol"), User(example.url, "carol")
    ended, kept = connect_example(token=carol.token), connect_example(token=elsewhere.token)
    carol.call("POST", "/api/auth/logout")
    ended.wait_for_disconnect()
    kept.settle()
    with pytest.raises(Exception, match="token_revoked"):
        connect_example(token=carol.token)


def test_it_is_served_by_gunicorn_too(driver: JSDriver, tmp_path: Path) -> None:
    with gunicorn("example_app:app", environment(tmp_path), ready="/healthz") as server:
        factory = ClientFactory("js-upgrade", driver, Api(server.url))
        assert factory(token=User(server.url, "bob").token).connected
        factory.close()


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_restart_loses_no_message_receipt_or_notification(tmp_path: Path, end: str) -> None:
    with gunicorn("example_app:app", environment(tmp_path), ready="/healthz") as server:
        alice, bob = User(server.url, "alice"), User(server.url, "bob")
        (conversation,) = bob.call("GET", "/api/conversations")
        messages = f"/api/conversations/{conversation['id']}/messages"
        sent = [alice.call("POST", messages, {"content": f"message {number}"}) for number in range(3)]
        bob.call("POST", f"/api/conversations/{conversation['id']}/read", {"messageIds": [sent[0]["id"]]})
        notification = {"userId": bob.id, "type": "info", "title": "News", "message": "There is some"}
        alice.call("POST", "/api/notifications", notification)
        questions = (messages, "/api/messages/unread-count", "/api/notifications")
        before = [bob.call("GET", path) for path in questions]
        if end == "kill":
            server.kill()
    with gunicorn("example_app:app", environment(tmp_path), ready="/healthz") as server:
        bob.moved_to(server.url)
        after = [bob.call("GET", path) for path in questions]
    assert after == before
    assert [message["content"] for message in after[0]["messages"]] == ["message 0", "message 1", "message 2"]
    assert after[1] == {"unreadCount": 2}
    assert after[2]["unreadCount"] == 1
