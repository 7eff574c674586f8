"""Several who change the members of a conversation at once: it keeps its rules, and everybody hears what has become of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from flask_realtime.errors import EventError, Forbidden, NotFound
from flask_realtime.features.conversations.roles import MAX_PINS
from flask_realtime.features.messages.sending import MessageReference
from tests.integration.example_support import in_threads
from tests.integration.store.test_store_log import LogApp, log_app, on_postgresql

ROUNDS = 5
AT_ONCE = 6


@pytest.fixture
def chat(database_url: str) -> Iterator[LogApp]:
    with log_app(database_url) as made:
        yield made


def attempt(call: Callable[[], Any]) -> Callable[[], Any]:
    """The call, whose refusal is a result."""

    def made() -> Any:
        try:
            return call()
        except EventError as error:
            return type(error)

    return made


def at_once(chat: LogApp, *calls: Callable[[], Any]) -> list[Any]:
    return in_threads(chat.app, chat.db, *map(attempt, calls))


def roles(chat: LogApp, conversation_id: str) -> dict[str, str]:
    """The roles of the members, which must be as many as are counted, with an owner among them."""
    record = next((one for one in chat.store.conversations.of_user("ann") if one.id == conversation_id), None)
    found = {member.user_id: member.role for member in chat.store.conversations.members.page(conversation_id).members}
    count = chat.models.conversation.participant_count
    assert record is None or record.participant_count == len(found)
    assert chat.db.session.scalar(select(count).where(chat.models.conversation.id == int(conversation_id))) == len(found)
    assert not found or "owner" in found.values()
    chat.db.session.rollback()
    return found


def test_two_who_create_their_direct_conversation_at_once_get_the_same(chat: LogApp) -> None:
    for number in range(ROUNDS):
        people = ["ann", f"u{number}"]
        orders = [people[:: 1 if place % 2 else -1] for place in range(AT_ONCE)]
        create = chat.store.conversations.create
        created = at_once(chat, *(partial(create, order, type="direct", tell=True) for order in orders))
        assert len({record.id for record in created}) == 1
        answer: Any = chat.store.log.sync(f"u{number}", "log-0", 500)
        assert [item["event"] for item in answer["events"]] == ["conversation:new"]


def test_two_owners_who_leave_or_demote_each_other_at_once_leave_an_owner(chat: LogApp) -> None:
    members = chat.store.conversations.members
    changes: list[tuple[Callable[..., Any], ...]] = [
        (lambda id_: members.remove(id_, "ann", by="ann"), lambda id_: members.remove(id_, "ben", by="ben")),
        (lambda id_: members.remove(id_, "ben", by="ann"), lambda id_: members.remove(id_, "ann", by="ben")),
        (
            lambda id_: members.set_role(id_, "ben", "member", by="ann"),
            lambda id_: members.set_role(id_, "ann", "member", by="ben"),
        ),
        (lambda id_: members.set_role(id_, "ann", "member", by="ann"), lambda id_: members.remove(id_, "ben", by="ben")),
        (lambda id_: members.set_role(id_, "cat", "owner", by="ann"), lambda id_: members.remove(id_, "cat", by="ben")),
    ]
    for pair in changes:
        for _ in range(ROUNDS):
            made = chat.store.conversations.create(["ann", "ben", "cat", "dan"]).id
            members.set_role(made, "ben", "owner")
            at_once(chat, *(partial(change, made) for change in pair))
            assert roles(chat, made)


def test_one_who_is_added_by_many_at_once_comes_once(chat: LogApp) -> None:
    for number in range(ROUNDS):
        members = chat.store.conversations.members
        users = [f"u{number}", f"v{number}"]
        added = at_once(chat, *(partial(members.add, "1", users[:: 1 if place % 2 else -1]) for place in range(AT_ONCE)))
        assert sorted(member.user_id for new in added for member in new) == users
        assert set(users) <= roles(chat, "1").keys()


def test_one_who_is_removed_by_many_at_once_goes_once(chat: LogApp) -> None:
    for _ in range(ROUNDS):
        chat.store.conversations.members.add("1", ["cat"])
        start = chat.now()
        removed = at_once(chat, *[partial(chat.store.conversations.members.remove, "1", "cat")] * AT_ONCE)
        assert removed.count(None) == 1
        answer: Any = chat.store.log.sync("ann", start, 500)
        assert [item["event"] for item in answer["events"]] == ["member:left"]


def test_whoever_loses_a_role_at_that_moment_did_it_before_or_may_not(chat: LogApp) -> None:
    members = chat.store.conversations.members
    for number in range(ROUNDS):
        members.add("1", ["cat"])
        members.set_role("1", "cat", "moderator")
        user = f"u{number}"
        added, _ = at_once(
            chat, partial(members.add, "1", [user], by="cat"), partial(members.set_role, "1", "cat", "member", by="ann")
        )
        assert (user in roles(chat, "1")) == (added is not Forbidden)
        assert roles(chat, "1")["cat"] == "member"


def test_a_member_who_comes_while_messages_are_sent_has_read_those_before(chat: LogApp) -> None:
    for number in range(ROUNDS):
        user = f"u{number}"
        at_once(
            chat,
            *[partial(chat.store.messages.add, "1", "ann", "hello")] * 3,
            partial(chat.store.conversations.members.add, "1", [user]),
        )
        record = chat.store.conversations.get("1", user)
        assert record is not None
        answer: Any = chat.store.log.sync(user, "log-0", 500)
        events = [item["event"] for item in answer["events"]]
        assert record.unread_count == events[events.index("member:joined") :].count("message:new")


def test_no_more_messages_are_pinned_at_once_than_can_be(chat: LogApp) -> None:
    messages = [chat.store.messages.add("1", "ann", "hello").id for _ in range(MAX_PINS + AT_ONCE)]
    pins = chat.store.conversations.pins
    for message_id in messages[: MAX_PINS - 2]:
        pins.add("1", message_id, by="ann")
    pinned = at_once(chat, *(partial(pins.add, "1", message_id, by="ann") for message_id in messages[-AT_ONCE:]))
    assert pinned.count(True) == 2
    assert len(pins.of(["1"])["1"]) == MAX_PINS
    chat.db.session.rollback()
    again = at_once(chat, *[partial(pins.remove, "1", messages[0], by="ann")] * AT_ONCE)
    assert again.count(True) == 1


@on_postgresql
def test_members_are_changed_while_messages_are_sent_read_and_deleted_without_a_deadlock(chat: LogApp) -> None:
    chat.store.conversations.members.add("1", ["cat", "dan"])
    for _ in range(ROUNDS):
        message = chat.store.messages.add("1", "ann", "hello")
        store = chat.store
        results = at_once(
            chat,
            partial(store.messages.add, "1", "ben", "hello"),
            partial(store.receipts.mark_read, "1", "cat", up_to=message.id),
            partial(store.messages.delete, "1", message.id),
            partial(store.conversations.members.remove, "1", "cat"),
            partial(store.conversations.members.set_role, "1", "dan", "moderator"),
            partial(store.conversations.rename, "1", "Title"),
            partial(store.conversations.mute, "1", "cat", muted=True),
        )
        assert len(results) == 7
        assert "cat" not in roles(chat, "1")
        store.conversations.members.add("1", ["cat"])
        store.conversations.members.set_role("1", "dan", "member")
        store.conversations.rename("1", None)


@on_postgresql
def test_members_who_delete_a_message_that_neither_has_read_at_once_delete_it_once_without_a_deadlock(chat: LogApp) -> None:
    chat.store.conversations.members.add("1", ["cat", "dan"])
    for user_id in ("cat", "dan"):
        chat.store.conversations.members.set_role("1", user_id, "moderator")
    for _ in range(2 * ROUNDS):
        message = MessageReference("1", chat.store.messages.add("1", "ben", "hello").id)
        deletions = [partial(chat.store.messages.delete_for, user, message, as_moderator=False) for user in ("ann", "cat", "dan")]
        assert sorted(map(str, at_once(chat, *deletions))) == sorted(map(str, (None, NotFound, NotFound)))
