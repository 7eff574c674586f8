"""Conversations, their members and pins in the database: the rules, what each change tells, and what does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from flask_realtime.errors import BadRequest, ConfigError, Forbidden, NotFound
from flask_realtime.features.conversations.roles import MAX_PINS
from flask_realtime.store import ConversationStore, Models, ParticipantRecord, Store, utc_now
from tests.integration.example_support import full_scans, new_store_app, on_sqlite, recorded
from tests.integration.store.test_store_log import LogApp, log_app, refuse_to_commit

NAMES = ("ann", "ben", "cat", "dan", "eve")


def find_users(user_ids: Any) -> dict[str, Any]:
    """Users as an application looks them up; everybody but `nobody` exists."""
    return {user_id: {"id": user_id, "username": user_id.title()} for user_id in user_ids if user_id != "nobody"}


@pytest.fixture
def chat(database_url: str) -> Iterator[LogApp]:
    """An application whose conversation 1 is of ann, who owns it, and ben."""
    with log_app(database_url, users=find_users) as made:
        yield made


@pytest.fixture
def conversations(chat: LogApp) -> ConversationStore:
    return chat.store.conversations


class Heard:
    """What users are told from now on."""

    def __init__(self, chat: LogApp) -> None:
        self._chat = chat
        self._start = chat.now()

    def __call__(self, user_id: str) -> list[tuple[str, Any]]:
        answer: Any = self._chat.store.log.sync(user_id, self._start, 500)
        return [(item["event"], *item["args"]) for item in answer["events"]]

    def names(self, user_id: str) -> list[str]:
        return [event for event, *_ in self(user_id)]


@pytest.fixture
def heard(chat: LogApp) -> Heard:
    return Heard(chat)


def roles(conversations: ConversationStore, conversation_id: str = "1") -> dict[str, str]:
    return {member.user_id: member.role for member in conversations.members.page(conversation_id).members}


def grouped(conversations: ConversationStore, **others: str) -> None:
    """Add members to conversation 1, with these roles."""
    conversations.members.add("1", others)
    for user_id, role in others.items():
        conversations.members.set_role("1", user_id, role)


def test_whoever_creates_a_conversation_owns_it(conversations: ConversationStore) -> None:
    created = conversations.create(["ann", "ben"], "Title", creator_id="cat")
    assert created.participants == (
        ParticipantRecord("cat", "owner"),
        ParticipantRecord("ann", "member"),
        ParticipantRecord("ben", "member"),
    )
    assert (created.type, created.participant_count, created.last_seq, created.muted) == ("group", 3, 0, False)
    assert conversations.get(created.id, "ben") == created
    assert conversations.get(created.id, "eve") is None
    assert roles(conversations) == {"ann": "owner", "ben": "member"}, "the first one, where nobody is named"


@pytest.mark.parametrize(
    ("people", "options"),
    [
        ([], {}),
        (["ann"], {"type": "direct"}),
        (["ann", "ann"], {"type": "direct"}),
        (["ann", "ben", "cat"], {"type": "direct"}),
        (["ann", "ben"], {"type": "direct", "title": "Title"}),
        (["ann", "nobody"], {}),
    ],
)
def test_what_is_no_conversation_is_not_created(chat: LogApp, people: list[str], options: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        chat.store.conversations.create(people, **options)
    assert [record.id for record in chat.store.conversations.of_user("ann")] == ["1"]


def test_a_direct_conversation_of_two_users_exists_once(conversations: ConversationStore, heard: Heard) -> None:
    created = conversations.create(["ann", "ben"], type="direct", tell=True)
    assert conversations.create(["ben", "ann"], type="direct", tell=True).id == created.id
    assert conversations.create(["ann"], type="direct", creator_id="cat").id != created.id
    assert heard.names("ann") == heard.names("ben") == ["conversation:new"]


def test_a_direct_conversation_keeps_its_two_members_and_has_no_title(conversations: ConversationStore, heard: Heard) -> None:
    direct = conversations.create(["ann", "ben"], type="direct").id
    refused: list[Callable[[], object]] = [
        lambda: conversations.members.add(direct, ["cat"], by="ann"),
        lambda: conversations.members.add(direct, ["cat"]),
        lambda: conversations.members.remove(direct, "ann", by="ann"),
        lambda: conversations.members.remove(direct, "ben", by="ann"),
        lambda: conversations.members.set_role(direct, "ben", "owner", by="ann"),
        lambda: conversations.rename(direct, "Title", by="ann"),
    ]
    for attempt in refused:
        with pytest.raises(Forbidden, match="direct"):
            attempt()
    assert (roles(conversations, direct), heard("ann")) == ({"ann": "owner", "ben": "member"}, [])


def test_members_are_added_by_moderators_once_with_everything_read(chat: LogApp, conversations: ConversationStore) -> None:
    grouped(conversations, cat="moderator")
    for number in range(3):
        chat.store.messages.add("1", "ann", str(number))
    heard = Heard(chat)
    added = conversations.members.add("1", ["dan", "eve", "dan", "ann"], by="cat")
    assert [(member.user_id, member.role) for member in added] == [("dan", "member"), ("eve", "member")]
    assert conversations.members.add("1", ["dan", "eve"], by="cat") == ()
    record = conversations.get("1", "dan")
    assert record is not None
    assert (record.unread_count, record.participant_count, record.last_seq) == (0, 5, 3)
    joined = {"conversationId": "1", "role": "member", "by": "cat"}
    told = [("member:joined", {**joined, "userId": user_id}) for user_id in ("dan", "eve")]
    assert heard("ben") == told
    (new, *others) = heard("dan")
    assert others == told
    assert new[0] == "conversation:new"
    assert [new[1][key] for key in ("id", "unreadCount", "participantCount", "lastSeq", "muted")] == ["1", 0, 5, 3, False]
    assert new[1]["participants"][0] == {"id": "ann", "username": "Ann", "role": "owner"}
    assert new[1]["lastMessage"]["content"] == "2"


def test_who_may_not_add_adds_nobody(conversations: ConversationStore, heard: Heard) -> None:
    for conversation_id, by in (("1", "ben"), ("1", "eve"), ("99", "ann"), ("x", "ann")):
        with pytest.raises(Forbidden):
            conversations.members.add(conversation_id, ["cat"], by=by)
    with pytest.raises(BadRequest, match="nobody"):
        conversations.members.add("1", ["cat", "nobody"], by="ann")
    with pytest.raises(NotFound):
        conversations.members.add("99", ["cat"])
    assert (roles(conversations), heard("ann")) == ({"ann": "owner", "ben": "member"}, [])


@pytest.mark.parametrize(
    ("by", "removed", "allowed"),
    [
        ("ann", "ben", True),
        ("ann", "cat", True),
        ("ann", "dan", True),
        ("dan", "ann", True),
        ("cat", "ben", True),
        ("cat", "eve", False),
        ("cat", "ann", False),
        ("ben", "eve", False),
        ("ben", "ben", True),
        ("eve", "eve", True),
        (None, "ann", True),
    ],
)
def test_members_are_removed_by_those_who_may(
    chat: LogApp,
    conversations: ConversationStore,
    by: str | None,
    removed: str,
    allowed: bool,  # noqa: FBT001 - from the table
) -> None:
    grouped(conversations, cat="moderator", dan="owner", eve="moderator")
    before, heard = roles(conversations), Heard(chat)
    if not allowed:
        with pytest.raises(Forbidden):
            conversations.members.remove("1", removed, by=by)
        assert (roles(conversations), heard(removed)) == (before, [])
        return
    conversations.members.remove("1", removed, by=by)
    assert roles(conversations) == {user_id: role for user_id, role in before.items() if user_id != removed}
    reason = "left" if by == removed else "removed"
    left = {"conversationId": "1", "userId": removed, "by": by, "reason": reason}
    (other, *_) = [name for name in NAMES if name != removed]
    assert heard(other) == [("member:left", left)]
    assert heard(removed) == [("conversation:removed", {"conversationId": "1"})]
    record = conversations.get("1", other)
    assert record is not None
    assert record.participant_count == 4
    with pytest.raises(Forbidden if by == removed else NotFound):
        conversations.members.remove("1", removed, by=by)


def test_roles_are_set_by_owners_alone(conversations: ConversationStore, heard: Heard) -> None:
    grouped(conversations, cat="moderator")
    for by in ("ben", "cat", "eve"):
        with pytest.raises(Forbidden):
            conversations.members.set_role("1", "ben", "moderator", by=by)
    with pytest.raises(NotFound):
        conversations.members.set_role("1", "eve", "owner", by="ann")
    told = len(heard("ben"))
    for _ in range(2):
        member = conversations.members.set_role("1", "ben", "moderator", by="ann")
        assert (member.user_id, member.role) == ("ben", "moderator")
    updated = {"conversationId": "1", "userId": "ben", "role": "moderator", "by": "ann"}
    assert heard("ben")[told:] == [("member:updated", updated)], "the same role again tells nobody"


@pytest.mark.parametrize(
    ("others", "successor"),
    [
        ({"cat": "moderator", "dan": "moderator"}, "cat"),
        ({"cat": "member", "dan": "moderator"}, "dan"),
        ({"cat": "member"}, "ben"),
        ({"cat": "owner"}, None),
    ],
)
@pytest.mark.parametrize("way", ["leaves", "removed", "demoted", "demotes oneself"])
def test_the_last_owner_has_a_successor(
    chat: LogApp, conversations: ConversationStore, others: dict[str, str], successor: str | None, way: str
) -> None:
    grouped(conversations, **others)
    heard = Heard(chat)
    expected: dict[str, str] = {"ann": "member", "ben": "member", **others}
    if way.startswith("demote"):
        conversations.members.set_role("1", "ann", "member", by="ann" if way == "demotes oneself" else None)
    else:
        conversations.members.remove("1", "ann", by="ann" if way == "leaves" else None)
        del expected["ann"]
    if successor is not None:
        expected[successor] = "owner"
    assert roles(conversations) == expected
    updates = [args for event, args in heard("ben") if event == "member:updated" and args["userId"] != "ann"]
    assert [(args["userId"], args["role"]) for args in updates] == ([] if successor is None else [(successor, "owner")])


def test_nobody_is_left_to_own_a_conversation_of_one(conversations: ConversationStore) -> None:
    conversations.members.remove("1", "ben", by="ben")
    with pytest.raises(Forbidden, match="nobody else"):
        conversations.members.set_role("1", "ann", "member", by="ann")
    assert roles(conversations) == {"ann": "owner"}
    conversations.members.remove("1", "ann", by="ann")
    assert roles(conversations) == {}
    conversations.members.add("1", ["cat", "dan"])
    assert roles(conversations) == {"cat": "owner", "dan": "member"}, "whoever comes into an empty one first"


def test_members_come_in_pages_in_the_order_in_which_they_came(conversations: ConversationStore) -> None:
    conversations.members.add("1", ["eve", "dan", "cat"])
    page = conversations.members.page("1", limit=2)
    assert [member.user_id for member in page.members] == ["ann", "ben"]
    conversations.members.remove("1", "ben")
    conversations.members.remove("1", "eve")
    page = conversations.members.page("1", after=page.next_after, limit=2)
    assert ([member.user_id for member in page.members], page.next_after) == (["dan", "cat"], None)
    assert conversations.members.page("1", after="x").members == conversations.members.page("x").members == ()


def test_a_title_is_set_by_moderators_and_told_without_what_is_each_viewers_own(
    chat: LogApp, conversations: ConversationStore
) -> None:
    chat.store.messages.add("1", "ann", "hello")
    heard = Heard(chat)
    for by in ("ben", "eve"):
        with pytest.raises(Forbidden):
            conversations.rename("1", "No", by=by)
    for _ in range(2):
        conversations.rename("1", "Title", by="ann")
    ((event, payload),) = heard("ben")
    assert (event, payload["title"], payload["lastMessage"]["content"]) == ("conversation:updated", "Title", "hello")
    assert payload.keys() & {"unreadCount", "mentionCount", "muted"} == set()
    conversations.rename("1", None)
    assert [record.title for record in conversations.of_user("ben")] == [None]


def test_muting_is_ones_own_and_ends_by_itself(chat: LogApp, conversations: ConversationStore, heard: Heard) -> None:
    until = utc_now() + timedelta(hours=1)
    for muted in (True, until, False):
        conversations.mute("1", "ben", muted)
        assert [record.muted for record in conversations.of_user("ben")] == [muted]
        assert [record.muted for record in conversations.of_user("ann")] == [False]
    conversations.mute("1", "ben", until)
    chat.db.session.execute(update(chat.models.participant).values(muted_until=utc_now() - timedelta(seconds=1)))
    assert [record.muted for record in conversations.of_user("ben")] == [False]
    assert [payload["muted"] for _, payload in heard("ben")][:3:2] == [True, False]
    assert heard("ann") == []
    with pytest.raises(Forbidden):
        conversations.mute("1", "eve", muted=True)


def test_pinning(chat: LogApp, conversations: ConversationStore) -> None:
    grouped(conversations, cat="moderator")
    first, second = (chat.store.messages.add("1", "ann", text).id for text in ("one", "two"))
    other = conversations.create(["ann", "ben"]).id
    elsewhere = chat.store.messages.add(other, "ann", "three").id
    heard = Heard(chat)
    for message_id, by in ((second, "cat"), (first, "ann"), (second, "ann")):
        assert conversations.pins.add("1", message_id, by=by) == ((message_id, by) != (second, "ann"))
    assert conversations.pins.of(["1", other]) == {"1": (second, first)}
    assert [payload["pinned"] for _, payload in heard("ben")] == [[second], [second, first]]
    for message_id in (elsewhere, "99", "x"):
        with pytest.raises(NotFound):
            conversations.pins.add("1", message_id, by="ann")
    for by in ("ben", "eve"):
        with pytest.raises(Forbidden):
            conversations.pins.add("1", first, by=by)
        with pytest.raises(Forbidden):
            conversations.pins.remove("1", first, by=by)
    assert conversations.pins.remove("1", second, by="cat")
    assert not conversations.pins.remove("1", second, by="cat")
    assert [payload["pinned"] for _, payload in heard("ben")][2:] == [[first]]


def test_a_message_that_was_deleted_is_not_pinned(chat: LogApp, conversations: ConversationStore) -> None:
    kept, gone = (chat.store.messages.add("1", "ann", text).id for text in ("one", "two"))
    conversations.pins.add("1", gone, by="ann")
    chat.db.session.execute(update(chat.models.message).where(chat.models.message.id == int(gone)).values(deleted_at=utc_now()))
    chat.db.session.commit()
    assert conversations.pins.of(["1"]) == {}
    with pytest.raises(NotFound):
        conversations.pins.add("1", gone, by="ann")
    assert conversations.pins.add("1", kept, by="ann")


def test_both_pin_in_a_direct_conversation_and_only_so_many_messages(chat: LogApp, conversations: ConversationStore) -> None:
    direct = conversations.create(["ann", "ben"], type="direct").id
    messages = [chat.store.messages.add(direct, "ann", "hello").id for _ in range(MAX_PINS + 1)]
    for place, message_id in enumerate(messages[:-1]):
        conversations.pins.add(direct, message_id, by=("ann", "ben")[place % 2])
    with pytest.raises(BadRequest, match="50"):
        conversations.pins.add(direct, messages[-1], by="ann")
    assert not conversations.pins.add(direct, messages[0], by="ann"), "one that is pinned already is no error"
    conversations.pins.remove(direct, messages[0], by="ben")
    assert conversations.pins.add(direct, messages[-1], by="ben")


def test_conversations_come_by_their_activity(chat: LogApp, conversations: ConversationStore) -> None:
    ids = ["1", *(conversations.create(["ann", "ben"]).id for _ in range(4))]
    now = utc_now()
    conversation = chat.models.conversation
    order = [ids[place] for place in (2, 0, 4, 3, 1)]
    for place, number in enumerate(order):
        chat.db.session.execute(
            update(conversation).where(conversation.id == int(number)).values(active_at=now - timedelta(minutes=place // 2))
        )
    chat.db.session.commit()
    expected = [record.id for record in conversations.of_user("ann", by_activity=True)]
    assert expected == [ids[2], ids[0], ids[4], ids[3], ids[1]]
    pages, before = [], None
    while found := conversations.of_user("ann", by_activity=True, before=before, limit=2):
        pages += [record.id for record in found]
        before = found[-1].id
    assert pages == expected
    assert conversations.of_user("ann", by_activity=True, before="99") == []
    assert [record.id for record in conversations.of_user("ann")] == ids[::-1]


def test_a_conversation_shows_the_first_hundred_of_its_members(conversations: ConversationStore) -> None:
    people = [f"u{number}" for number in range(250)]
    created = conversations.create(people)
    assert (created.participant_count, created.participant_ids) == (250, tuple(people[:100]))
    assert conversations.of_user("u249") == [created]
    small = conversations.create(["u249"])
    assert conversations.of_user("u249") == [small, created]


def test_what_clients_get_takes_as_many_statements_for_many_conversations_as_for_one(
    chat: LogApp, conversations: ConversationStore
) -> None:
    def count() -> int:
        found = conversations.of_user("ann")
        with recorded(chat.app) as statements:
            shown = conversations.as_json("ann", found)
        assert [payload["id"] for payload in shown] == [record.id for record in found]
        return len(statements)

    chat.store.messages.add("1", "ann", "hello")
    alone = count()
    for _ in range(20):
        chat.store.messages.add(conversations.create(["ann", "ben"]).id, "ben", "hello")
    assert count() == alone


STATEMENTS: dict[str, tuple[int, Callable[[Store], Any]]] = {
    "get": (2, lambda store: store.conversations.get("1", "ann")),
    "by_activity": (2, lambda store: store.conversations.of_user("ann", by_activity=True, before="3", limit=2)),
    "members": (1, lambda store: store.conversations.members.page("1", limit=2)),
    "later_members": (1, lambda store: store.conversations.members.page("1", after="2")),
    "pins": (1, lambda store: store.conversations.pins.of(["1", "2"])),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_are_few_and_use_indexes(chat: LogApp, name: str) -> None:
    count, operation = STATEMENTS[name]
    for _ in range(4):
        conversation = chat.store.conversations.create(["ann", "ben", "cat", "dan"])
        message = chat.store.messages.add(conversation.id, "ann", "hello")
        chat.store.conversations.pins.add(conversation.id, message.id, by="ann")
    with recorded(chat.app) as statements:
        operation(chat.store)
    assert len(statements) == count, statements
    assert full_scans(chat.app, statements) == []


def test_a_change_that_is_not_committed_is_not_heard_of(chat: LogApp, conversations: ConversationStore, heard: Heard) -> None:
    event.listen(chat.db.session, "before_commit", refuse_to_commit)
    changes: list[Callable[[], object]] = [
        lambda: conversations.members.add("1", ["cat"]),
        lambda: conversations.members.remove("1", "ben"),
        lambda: conversations.members.set_role("1", "ben", "owner"),
        lambda: conversations.rename("1", "Title"),
        lambda: conversations.mute("1", "ben", muted=True),
    ]
    for change in changes:
        with pytest.raises(OSError, match="the disk is full"):
            change()
    event.remove(chat.db.session, "before_commit", refuse_to_commit)
    assert (roles(conversations), heard("ben"), heard("cat")) == ({"ann": "owner", "ben": "member"}, [], [])


@on_sqlite
def test_a_store_that_is_not_registered_changes_nothing_that_it_could_not_tell(database_url: str) -> None:
    with new_store_app(database_url) as made:
        made.store.conversations.create(["ann", "ben"])
        with pytest.raises(ConfigError, match=r"store\.register"):
            made.store.conversations.members.remove("1", "ben")
        assert roles(made.store.conversations) == {"ann": "owner", "ben": "member"}


@on_sqlite
def test_without_a_model_nothing_is_pinned(database_url: str) -> None:
    with new_store_app(database_url) as made:
        models = made.models
        store = Store(made.db, Models(models.conversation, models.participant, models.message, None, models.notification))
        store.conversations.create(["ann", "ben"])
        message = store.messages.add("1", "ann", "hello")
        assert (store.conversations.pins.is_available, store.conversations.pins.of(["1"])) == (False, {})
        with pytest.raises(ConfigError, match="model of pins"):
            store.conversations.pins.add("1", message.id, by="ann")
