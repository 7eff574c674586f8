"""Who is online, and who is told."""

from tests.e2e.api import Api
from tests.e2e.clients import Where
from tests.e2e.conftest import ClientFactory, NewId

CHANGED = "user:status-changed"


def about(user: str) -> Where:
    """Picks the events about one user."""
    return lambda data: bool(data["userId"] == user)


def test_coming_and_going_is_announced_to_everyone(connect: ClientFactory, new_id: NewId) -> None:
    watcher, user = connect(new_id("watcher")), new_id("ann")
    client = connect(user)
    assert watcher.wait_for(CHANGED, about(user)).data == {"userId": user, "status": "online"}
    client.disconnect()
    assert watcher.wait_for(CHANGED, about(user)).data == {"userId": user, "status": "offline"}


def test_a_second_tab_is_not_announced(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    watcher, user = connect(new_id("watcher")), new_id("ann")
    first = connect(user)
    watcher.wait_for(CHANGED, about(user))
    second = connect(user)
    watcher.assert_none(CHANGED, about(user))
    first.disconnect()
    api.wait_for_hook("disconnect", user)
    watcher.assert_none(CHANGED, about(user))
    assert watcher.call("user:get-status", user)["status"] == "online"
    second.disconnect()
    assert watcher.wait_for(CHANGED, about(user)).data["status"] == "offline"


def test_hooks_hear_of_the_first_and_the_last_connection(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    clients = [connect(user), connect(user)]
    assert api.hooks("online", user) == [[user]]
    for client in clients:
        client.disconnect()
    assert api.wait_for_hook("offline", user) == [[user]]
    assert len(api.wait_for_hook("disconnect", user, count=2)) == 2
    assert api.hooks("online", user) == [[user]]


def test_a_connection_that_is_cut_goes_offline_too(connect_js: ClientFactory, new_id: NewId) -> None:
    watcher, user = connect_js(new_id("watcher")), new_id("ann")
    client = connect_js(user)
    watcher.wait_for(CHANGED, about(user))
    client.cut()
    assert watcher.wait_for(CHANGED, about(user)).data["status"] == "offline"


def test_a_disconnect_hook_that_fails_changes_nothing(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    watcher, user = connect(new_id("watcher")), new_id("badleaver")
    client = connect(user)
    conversation = new_id("conversation")
    client.call("join:conversation", conversation)
    client.disconnect()
    watcher.wait_for(CHANGED, lambda data: data == {"userId": user, "status": "offline"})
    assert api.emit("is_user_online", user) is False
    assert api.emit("get_online_users", conversation) == []
    assert api.hooks("leave", user) == [[user, conversation]]


def test_an_application_can_narrow_the_audience(connect: ClientFactory, new_id: NewId) -> None:
    name = new_id("x")
    friend, stranger = connect(f"friend-{name}"), connect(new_id("stranger"))
    client = connect(f"discreet-{name}")
    assert friend.wait_for(CHANGED, about(f"discreet-{name}")).data["status"] == "online"
    stranger.assert_none(CHANGED, about(f"discreet-{name}"))
    client.disconnect()
    friend.wait_for(CHANGED, lambda data: data == {"userId": f"discreet-{name}", "status": "offline"})
    stranger.assert_none(CHANGED, about(f"discreet-{name}"))


def test_statuses_come_in_the_order_asked_for(connect: ClientFactory, new_id: NewId) -> None:
    ann, ben, absent = new_id("ann"), new_id("ben"), new_id("absent")
    client, _other = connect(ann), connect(ben)
    statuses = client.call("users:get-status", [ben, absent, ann, ben])
    assert [status["userId"] for status in statuses] == [ben, absent, ann, ben]
    assert [status["status"] for status in statuses] == ["online", "offline", "online", "online"]
    assert client.call("users:get-status", []) == []


def test_a_number_and_its_text_are_the_same_user(connect_js: ClientFactory) -> None:
    client = connect_js("990017")
    assert client.call("user:get-status", 990017) == {"userId": "990017", "status": "online"}


def test_the_first_connection_does_not_miss_its_own_status(connect: ClientFactory, new_id: NewId) -> None:
    user = new_id("ann")
    assert connect(user).call("user:get-status", user) == {"userId": user, "status": "online"}
