"""Notifications: new ones, and marking them as read on all of a user's devices."""

import pytest

from tests.e2e.api import Api
from tests.e2e.conftest import ClientFactory, NewId

OK = {"ok": True}


def test_a_notification_reaches_all_of_the_users_devices(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    phone, laptop, other = connect(user), connect(user), connect(new_id("ben"))
    notification = {"id": "n1", "type": "info", "title": "Hi", "message": "Text", "link": None, "data": {"a": [1]}}
    api.emit("emit_notification_to_user", user, notification)
    assert phone.wait_for("notification:new").data == notification
    assert laptop.wait_for("notification:new").data == notification
    other.assert_none("notification:new")


@pytest.mark.parametrize("notification_id", ["n-17", 17])
def test_reading_one_reaches_all_devices_the_senders_too(
    connect: ClientFactory, api: Api, new_id: NewId, notification_id: str | int
) -> None:
    user = new_id("ann")
    phone, laptop, other = connect(user), connect(user), connect(new_id("ben"))
    phone.emit("notification:read", notification_id)
    assert phone.wait_for("notification:read").args == (notification_id,)
    assert laptop.wait_for("notification:read").args == (notification_id,)
    other.assert_none("notification:read")
    assert api.hooks("notification_read", user) == [[user, str(notification_id)]]


def test_reading_all_reaches_all_devices_the_senders_too(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    phone, laptop, other = connect(user), connect(user), connect(new_id("ben"))
    phone.emit("notifications:read-all")
    assert phone.wait_for("notifications:read-all").args == ()
    assert laptop.wait_for("notifications:read-all").args == ()
    other.assert_none("notifications:read-all")
    assert api.hooks("notifications_read_all", user) == [[user]]


@pytest.mark.parametrize(("kind", "code"), [("missing", "not_found"), ("foreign", "forbidden"), ("boom", "internal_error")])
def test_nobody_is_told_of_one_that_could_not_be_stored(connect: ClientFactory, new_id: NewId, kind: str, code: str) -> None:
    user = new_id("ann")
    phone, laptop = connect(user), connect(user)
    assert phone.call("notification:read", new_id(kind))["error"]["code"] == code
    phone.emit("notification:read", new_id(kind))
    assert phone.wait_for("realtime:error").data["error"]["code"] == code
    for client in (phone, laptop):
        client.assert_none("notification:read")


def test_nobody_is_told_when_reading_all_could_not_be_stored(connect: ClientFactory, new_id: NewId) -> None:
    user = new_id("unlucky")
    phone, laptop = connect(user), connect(user)
    assert phone.call("notifications:read-all")["error"]["code"] == "internal_error"
    for client in (phone, laptop):
        client.assert_none("notifications:read-all")


def test_the_sender_has_its_answer_and_the_event(connect: ClientFactory, new_id: NewId) -> None:
    client = connect(new_id("ann"))
    assert client.call("notification:read", "n-1") == OK
    assert client.wait_for("notification:read").data == "n-1"


@pytest.mark.parametrize("notification_id", ["n-17", 17])
def test_a_device_confirms_to_the_application_and_to_nobody_else(
    connect: ClientFactory, api: Api, new_id: NewId, notification_id: str | int
) -> None:
    user = new_id("ann")
    phone, laptop = connect(user), connect(user)
    assert phone.call("notification:delivered", notification_id) == OK
    assert api.hooks("notification_delivered", user) == [[user, str(notification_id)]]
    for client in (phone, laptop):
        client.assert_none("notification:delivered")
