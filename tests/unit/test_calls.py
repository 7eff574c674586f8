"""What the calls of features send, without Flask or sockets."""

from typing import Any

import pytest

from flask_realtime.contract.effects import Emit
from flask_realtime.errors import InvalidId
from flask_realtime.extension import Calls
from flask_realtime.features.notifications.events import NOTIFICATION_READ, NOTIFICATIONS_READ_ALL


class Recorder(Calls):
    """The calls, with everything they send kept."""

    def __init__(self) -> None:
        self.sent: list[Emit] = []

    def _target(self) -> Any:
        return self

    def emit(self, emit: Emit, *, skip_sender: bool = False, after_commit: bool | None = None) -> bool:
        assert not skip_sender
        assert after_commit is None, "the application's default"
        self.sent.append(emit)
        return True


def test_messages_go_to_their_conversation_with_the_ids_as_they_were_spelt() -> None:
    calls = Recorder()
    assert calls.emit_new_message(7, {"id": 1})
    assert calls.emit_new_message("7", {})
    assert [emit.rooms for emit in calls.sent] == [("conversation:7",)] * 2
    calls.emit_message_read(7, [1, "2"], "ann")
    calls.emit_message_read("7", [1])
    calls.emit_message_deleted("7", 1)
    calls.emit_message_read(7, [1], up_to=2)
    calls.emit_message_delivered(7, ["1"], 3, up_to="2")
    assert [emit.args for emit in calls.sent[2:]] == [
        ({"conversationId": 7, "messageIds": [1, "2"], "userId": "ann"},),
        ({"conversationId": "7", "messageIds": [1]},),
        ({"conversationId": "7", "messageId": 1},),
        ({"conversationId": 7, "messageIds": [1], "upTo": 2},),
        ({"conversationId": 7, "messageIds": ["1"], "userId": "3", "upTo": "2"},),
    ]
    assert calls.sent[-1].except_rooms == ("user:3",)


@pytest.mark.parametrize("bad", ["", None, True, [], "x" * 129])
def test_a_message_for_no_conversation_is_an_error(bad: Any) -> None:
    with pytest.raises(InvalidId):
        Recorder().emit_new_message(bad, {})


def test_notifications_reach_all_of_a_users_devices() -> None:
    calls = Recorder()
    calls.emit_notification_to_user("7", {})
    calls.emit_order_update("7", {})
    calls.send_to_user("7", "wave")
    emits = [*calls.sent, NOTIFICATION_READ.to_user("7", 3), NOTIFICATIONS_READ_ALL.to_user("7")]
    assert {emit.rooms for emit in emits} == {("user:7",)}
    assert all(emit.except_connection is None and not emit.except_rooms for emit in emits)
    assert not any(emit.volatile or emit.order for emit in emits), "nobody may do without these"


def test_events_have_the_contracts_names_and_what_was_passed() -> None:
    calls = Recorder()
    calls.emit_new_message("7", {"a": 1})
    calls.emit_message_read("7", [])
    calls.emit_message_deleted("7", "1")
    calls.emit_notification_to_user("7", {"b": 2})
    calls.emit_order_update("7", 1)
    assert [emit.event for emit in calls.sent] == [
        "message:new",
        "messages:read",
        "message:deleted",
        "notification:new",
        "order:update",
    ]
    assert [calls.sent[index].args for index in (0, 3, 4)] == [({"a": 1},), ({"b": 2},), (1,)]
    assert (NOTIFICATION_READ.to_user("7", 3).event, NOTIFICATION_READ.to_user("7", 3).args) == ("notification:read", (3,))
    assert (NOTIFICATIONS_READ_ALL.to_user("7").event, NOTIFICATIONS_READ_ALL.to_user("7").args) == ("notifications:read-all", ())


def test_an_applications_own_event_goes_to_whom_it_is_for() -> None:
    calls = Recorder()
    calls.send_to_conversation("7", "poll:new", {"id": 1}, "two")
    calls.send_to_user("7", "news", 1, 2)
    calls.broadcast_to_all("news")
    assert [(emit.event, emit.args, emit.rooms) for emit in calls.sent] == [
        ("poll:new", ({"id": 1}, "two"), ("conversation:7",)),
        ("news", (1, 2), ("user:7",)),
        ("news", (), None),
    ]


@pytest.mark.parametrize("bad", ["", None, True])
def test_each_id_of_a_message_is_checked_and_the_error_names_it(bad: Any) -> None:
    calls = Recorder()
    with pytest.raises(InvalidId, match="message_ids"):
        calls.emit_message_read("7", ["1", bad], "ann")
    with pytest.raises(InvalidId, match="conversation_id"):
        calls.emit_message_read(bad, ["1"], "ann")
    with pytest.raises(InvalidId, match="message_ids"):
        calls.emit_message_delivered("7", [bad], "ann")
    with pytest.raises(InvalidId, match="user_id"):
        calls.emit_message_delivered("7", ["1"], bad)
    with pytest.raises(InvalidId, match="message_id"):
        calls.emit_message_deleted("7", bad)
    with pytest.raises(InvalidId, match="conversation_id"):
        calls.emit_message_deleted(bad, "1")


class Logged(Calls):
    """The calls, with everything they log kept."""

    def __init__(self) -> None:
        self.logged: list[Emit] = []

    def _target(self) -> Any:
        return self

    def state_of(self, feature: Any) -> Any:
        assert feature.name == "log"
        return self

    def append(self, emit: Emit) -> None:
        self.logged.append(emit)


def test_what_is_logged_is_for_one_room_or_for_everyone() -> None:
    calls = Logged()
    calls.log("wave", 1, {}, user_id=7)
    calls.log("wave", conversation_id="7")
    calls.log("wave", everyone=True)
    assert [(emit.args, emit.rooms) for emit in calls.logged] == [((1, {}), ("user:7",)), ((), ("conversation:7",)), ((), None)]


@pytest.mark.parametrize(
    "receivers", [{}, {"user_id": 1, "everyone": True}, {"user_id": 1, "conversation_id": 1}, {"everyone": False}]
)
def test_what_is_logged_has_one_kind_of_receiver(receivers: Any) -> None:
    with pytest.raises(ValueError, match="exactly one of user_id, conversation_id and everyone=True"):
        Logged().log("wave", **receivers)


@pytest.mark.parametrize("receivers", [{"user_id": ""}, {"conversation_id": True}])
def test_nothing_is_logged_for_what_is_no_id(receivers: Any) -> None:
    with pytest.raises(InvalidId):
        Logged().log("wave", **receivers)
