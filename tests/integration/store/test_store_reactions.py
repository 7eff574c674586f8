"""Reactions in the database: one of a kind for a user, and numbers that are right however many react at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, update

from flask_realtime.contract.effects import Emit
from flask_realtime.errors import EventError, Forbidden, NotFound
from flask_realtime.features.reactions import MAX_KINDS, MAX_USER_IDS
from flask_realtime.features.reactions.single_emoji import parse_emoji
from flask_realtime.store import IntegerUserId, ReactionRecord, ReactionStore, utc_now
from tests.integration.example_support import StoreApp, full_scans, new_store_app, on_sqlite, recorded

HEART, THUMB, FACE = "❤️", "👍", "😀"
MANY = [chr(0x1F600 + number) for number in range(MAX_KINDS + 1)]
USERS = ("ann", "ben", "cat")
ROUNDS = 4
AT_ONCE = 8
STATEMENTS = {
    "add": 2,
    "add_new_kind": 3,
    "add_again": 2,
    "remove": 2,
    "remove_last": 3,
    "remove_again": 2,
    "discard": 2,
    "show": 1,
}


class Reactions:
    """A store of reactions, with what it tells, and a conversation of three users with three messages."""

    def __init__(self, chat: StoreApp) -> None:
        self.chat = chat
        self.told: list[Emit] = []
        models = chat.models
        assert models.reaction is not None
        assert models.reaction_count is not None
        self.reaction, self.count, self.message = models.reaction, models.reaction_count, models.message
        self.store = ReactionStore(
            chat.db,
            message=models.message,
            participant=models.participant,
            reaction=models.reaction,
            reaction_count=models.reaction_count,
            tell=self.told.append,
        )
        self.conversation = chat.store.conversations.create(USERS).id
        self.messages = [chat.store.messages.add(self.conversation, "ann", "hello").id for _ in range(3)]

    def add(self, user_id: str, emoji: str = HEART, message: int = 0) -> bool:
        return self.store.add(self.conversation, self.messages[message], user_id, emoji)

    def remove(self, user_id: str, emoji: str = HEART, message: int = 0) -> bool:
        return self.store.remove(self.conversation, self.messages[message], user_id, emoji)

    def of(self, *messages: int) -> list[tuple[ReactionRecord, ...]]:
        """The reactions to messages."""
        numbers = [int(self.messages[message]) for message in messages]
        found = self.store.of_messages(numbers)
        assert set(found) <= set(numbers)
        return [found.get(number, ()) for number in numbers]

    def heard(self) -> list[tuple[str, str, str, int]]:
        """What was told: the event, the emoji, the user and the number."""
        return [(emit.event, *(emit.args[0][key] for key in ("emoji", "userId", "count"))) for emit in self.told]

    def rows(self) -> tuple[int, int]:
        """How many reactions there are, and how many the numbers say there are."""
        session = self.chat.db.session
        counted = session.execute(select(func.coalesce(func.sum(self.count.count), 0))).scalar_one()
        return session.execute(select(func.count()).select_from(self.reaction)).scalar_one(), int(counted)

    def delete(self, message: int) -> None:
        """Make a message one that was deleted, as the store of messages does."""
        number = int(self.messages[message])
        self.chat.db.session.execute(update(self.message).where(self.message.id == number).values(deleted_at=utc_now()))
        self.store.discard(number)
        self.chat.db.session.commit()


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    with new_store_app(database_url) as made:
        yield made


@pytest.fixture
def reactions(chat: StoreApp) -> Reactions:
    return Reactions(chat)


def test_a_user_reacts_with_an_emoji_once_and_only_changes_are_told(reactions: Reactions) -> None:
    assert [reactions.add("ann"), reactions.add("ann"), reactions.add("ben"), reactions.add("ann", THUMB)] == [
        True,
        False,
        True,
        True,
    ]
    assert reactions.of(0, 1) == [(ReactionRecord(HEART, 2, ("ann", "ben")), ReactionRecord(THUMB, 1, ("ann",))), ()]
    assert [reactions.remove("cat"), reactions.remove("ann"), reactions.remove("ann")] == [False, True, False]
    assert reactions.of(0) == [(ReactionRecord(HEART, 1, ("ben",)), ReactionRecord(THUMB, 1, ("ann",)))]
    assert reactions.heard() == [
        ("reaction:added", HEART, "ann", 1),
        ("reaction:added", HEART, "ben", 2),
        ("reaction:added", THUMB, "ann", 1),
        ("reaction:removed", HEART, "ann", 1),
    ]
    first = reactions.told[0]
    told = {
        "conversationId": reactions.conversation,
        "messageId": reactions.messages[0],
        "emoji": HEART,
        "userId": "ann",
        "count": 1,
    }
    assert (first.args, first.rooms) == ((told,), (f"conversation:{reactions.conversation}",))


def test_a_kind_that_nobody_has_any_more_is_gone_and_comes_back_as_the_last_one(reactions: Reactions) -> None:
    reactions.add("ann", HEART)
    reactions.add("ann", THUMB)
    assert reactions.remove("ann", HEART)
    assert reactions.of(0) == [(ReactionRecord(THUMB, 1, ("ann",)),)]
    assert reactions.add("ben", HEART)
    assert [record.emoji for record in reactions.of(0)[0]] == [THUMB, HEART]
    assert [number for *_, number in reactions.heard()] == [1, 1, 0, 1]


def test_only_participants_react(reactions: Reactions) -> None:
    other = reactions.chat.store.conversations.create(["eve"]).id
    message = reactions.messages[0]
    for change in (reactions.store.add, reactions.store.remove):
        for conversation in (reactions.conversation, "99", "x", ""):
            for named in (message, "99", "x"):
                with pytest.raises(Forbidden):
                    change(conversation, named, "eve", HEART)
        with pytest.raises(NotFound):
            change(other, message, "eve", HEART)
    assert (reactions.told, reactions.rows()) == ([], (0, 0))


@pytest.mark.parametrize("unknown", ["", "x", "0", "99", "01", str(2**63), "9" * 300])
def test_a_message_that_is_not_there_is_not_found(reactions: Reactions, unknown: str) -> None:
    for change in (reactions.store.add, reactions.store.remove):
        with pytest.raises(NotFound):
            change(reactions.conversation, unknown, "ann", HEART)
    assert reactions.told == []


def test_a_deleted_message_has_no_reactions_and_gets_none(reactions: Reactions) -> None:
    for message in (0, 1):
        reactions.add("ann", HEART, message)
        reactions.add("ben", THUMB, message)
    reactions.delete(0)
    for change in (reactions.add, reactions.remove):
        with pytest.raises(NotFound):
            change("ann")
        with pytest.raises(Forbidden):
            change("eve")
    assert (reactions.of(0), len(reactions.of(1)[0]), reactions.rows()) == ([()], 2, (2, 2))


def test_a_message_has_fifty_kinds_at_most(reactions: Reactions) -> None:
    assert all(parse_emoji(emoji) == emoji for emoji in MANY)
    assert [reactions.add("ann", emoji) for emoji in MANY[:MAX_KINDS]] == [True] * MAX_KINDS
    with pytest.raises(Forbidden) as refused:
        reactions.add("ben", MANY[MAX_KINDS])
    assert "50" in refused.value.message
    assert reactions.add("ben", MANY[0]), "it is no new kind"
    assert reactions.add("ben", MANY[MAX_KINDS], 1), "it is another message"
    assert (len(reactions.of(0)[0]), reactions.rows()) == (MAX_KINDS, (MAX_KINDS + 2, MAX_KINDS + 2))
    assert reactions.remove("ann", MANY[1])
    assert reactions.add("ben", MANY[MAX_KINDS])


def test_a_kind_names_its_first_hundred_users(chat: StoreApp) -> None:
    reactions = Reactions(chat)
    users = [f"user{number}" for number in range(MAX_USER_IDS + 5)]
    number = int(reactions.conversation)
    chat.db.session.execute(insert(chat.models.participant), [{"conversation_id": number, "user_id": user} for user in users])
    chat.db.session.commit()
    for user in users:
        reactions.add(user)
        reactions.add(user, THUMB, 1)
    reactions.remove(users[0])
    assert reactions.of(0, 1) == [
        (ReactionRecord(HEART, MAX_USER_IDS + 4, tuple(users[1 : MAX_USER_IDS + 1])),),
        (ReactionRecord(THUMB, MAX_USER_IDS + 5, tuple(users[:MAX_USER_IDS])),),
    ]
    assert reactions.store.of_messages([]) == {}


@on_sqlite
def test_ids_of_users_are_text_where_they_are_numbers_in_the_database(database_url: str) -> None:
    with new_store_app(database_url, user_id_type=IntegerUserId()) as chat:
        conversation = chat.store.conversations.create(["1", "2"]).id
        message = chat.store.messages.add(conversation, "1", "hello").id
        assert chat.store.reactions is not None
        assert chat.models.reaction is not None
        assert chat.models.reaction_count is not None
        store = ReactionStore(
            chat.db,
            message=chat.models.message,
            participant=chat.models.participant,
            reaction=chat.models.reaction,
            reaction_count=chat.models.reaction_count,
            tell=lambda _emit: None,
        )
        assert store.add(conversation, message, "2", HEART)
        with pytest.raises(Forbidden):
            store.add(conversation, message, "no number", HEART)
        assert store.of_messages([int(message)]) == {int(message): (ReactionRecord(HEART, 1, ("2",)),)}


def test_all_reactions_of_a_user_go_wherever_they_are(reactions: Reactions) -> None:
    for user in ("ann", "ben"):
        for message in range(3):
            for emoji in MANY[: MAX_KINDS - 1]:
                reactions.add(user, emoji, message)
    reactions.add("ann", HEART)
    reactions.told.clear()
    reactions.chat.db.session.execute(delete(reactions.chat.models.participant).filter_by(user_id="ann"))
    reactions.store.remove_all_of("ann")
    assert [[record.user_ids for record in kinds] for kinds in reactions.of(0, 1, 2)] == [[("ben",)] * (MAX_KINDS - 1)] * 3
    assert len(reactions.told) == 3 * (MAX_KINDS - 1) + 1
    assert {(user, event) for event, _, user, _ in reactions.heard()} == {("ann", "reaction:removed")}
    reactions.store.remove_all_of("ann")
    assert len(reactions.told) == 3 * (MAX_KINDS - 1) + 1


def test_what_cannot_be_told_is_not_stored(reactions: Reactions) -> None:
    reactions.add("ann")

    def fail(_emit: Emit) -> None:
        raise OSError

    reactions.store._tell = fail
    for change in (partial(reactions.add, "ben"), partial(reactions.remove, "ann")):
        with pytest.raises(OSError):  # noqa: PT011 - it has no text
            change()
    assert (reactions.of(0), reactions.rows()) == ([(ReactionRecord(HEART, 1, ("ann",)),)], (1, 1))


def test_numbers_are_right_however_many_react_at_once(reactions: Reactions) -> None:
    for _ in range(ROUNDS):
        reactions.told.clear()
        added = reactions.chat.in_threads(*(partial(reactions.add, user) for user in USERS for _ in range(AT_ONCE // 2)))
        assert sum(added) == len(USERS)
        assert sorted(reactions.heard(), key=lambda told: told[3]) == reactions.heard(), "in the order in which they came"
        assert [number for *_, number in reactions.heard()] == [1, 2, 3]
        removed = reactions.chat.in_threads(*(partial(reactions.remove, user) for user in USERS for _ in range(AT_ONCE // 2)))
        assert sum(removed) == len(USERS)
        assert [number for *_, number in reactions.heard()[3:]] == [2, 1, 0]
        assert (reactions.rows(), reactions.of(0)) == ((0, 0), [()])


def test_adding_and_removing_at_once_leaves_what_the_last_one_said(reactions: Reactions) -> None:
    for _ in range(ROUNDS):
        changes = [partial(change, user) for change in (reactions.add, reactions.remove) for user in (*USERS, "ann")]
        reactions.chat.in_threads(*changes)
        stored, counted = reactions.rows()
        last = dict.fromkeys(USERS, "reaction:removed") | {user: event for event, _, user, _ in reactions.heard()}
        assert stored == counted == list(last.values()).count("reaction:added")
        assert [record.count for record in reactions.of(0)[0]] == [stored] * (stored > 0)


def test_no_message_gets_more_kinds_at_once_than_it_may_have(reactions: Reactions) -> None:
    for emoji in MANY[: MAX_KINDS - 2]:
        reactions.add("ann", emoji)

    def add(emoji: str) -> bool:
        try:
            return reactions.add("ben", emoji)
        except Forbidden:
            return False

    results = reactions.chat.in_threads(*(partial(add, chr(0x1F680 + number)) for number in range(AT_ONCE)))
    assert (sum(results), len(reactions.of(0)[0])) == (2, MAX_KINDS)


def test_no_reaction_is_left_on_a_message_that_is_deleted_meanwhile(reactions: Reactions) -> None:
    for message in range(3):

        def add(user: str, emoji: str, message: int = message) -> None:
            with suppress(NotFound):
                reactions.add(user, emoji, message)

        adding = [partial(add, user, emoji) for user in USERS for emoji in (HEART, THUMB)]
        reactions.chat.in_threads(*adding, partial(reactions.delete, message))
        assert (reactions.of(message), reactions.rows()) == ([()], (0, 0))


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "delete"]),
        st.sampled_from([*USERS, "eve"]),
        st.sampled_from([HEART, THUMB, FACE]),
        st.integers(0, 2),
    ),
    max_size=20,
)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreApp]:
    """A store that all examples share, each of which has a conversation of its own."""
    with new_store_app(f"sqlite:///{tmp_path_factory.mktemp('reactions') / 'test.sqlite3'}") as made:
        yield made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
def test_the_store_does_what_a_plain_model_does(lasting: StoreApp, changes: list[tuple[str, str, str, int]]) -> None:
    reactions, model = Reactions(lasting), [dict[str, list[str]](), {}, {}]
    deleted, expected = set[int](), list[Any]()
    for change, user, emoji, message in changes:
        kinds = model[message]
        if change == "delete":
            reactions.delete(message)
            deleted.add(message)
            kinds.clear()
            continue
        error: type[EventError] | None = Forbidden if user == "eve" else NotFound if message in deleted else None
        if error is not None:
            with pytest.raises(error):
                getattr(reactions, change)(user, emoji, message)
            continue
        is_there = user in kinds.get(emoji, [])
        assert getattr(reactions, change)(user, emoji, message) == (is_there == (change == "remove"))
        if change == "add" and not is_there:
            kinds.setdefault(emoji, []).append(user)
            expected.append(("reaction:added", emoji, user, len(kinds[emoji])))
        elif change == "remove" and is_there:
            kinds[emoji].remove(user)
            expected.append(("reaction:removed", emoji, user, len(kinds[emoji])))
            if not kinds[emoji]:
                del kinds[emoji]
    shown = [tuple(ReactionRecord(emoji, len(users), tuple(users)) for emoji, users in kinds.items()) for kinds in model]
    assert (reactions.of(0, 1, 2), reactions.heard()) == (shown, expected)


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_are_few_and_use_indexes(reactions: Reactions, name: str) -> None:
    for user in USERS:
        for emoji in (HEART, THUMB):
            reactions.add(user, emoji, 1)
    reactions.add("ann", FACE, 1)
    reactions.remove("ben", THUMB, 1)
    calls: dict[str, Callable[[], Any]] = {
        "add": partial(reactions.add, "ben", THUMB, 1),
        "add_new_kind": partial(reactions.add, "ben", MANY[9], 1),
        "add_again": partial(reactions.add, "ann", HEART, 1),
        "remove": partial(reactions.remove, "ann", HEART, 1),
        "remove_last": partial(reactions.remove, "ann", FACE, 1),
        "remove_again": partial(reactions.remove, "ben", THUMB, 1),
        "discard": partial(reactions.store.discard, int(reactions.messages[1])),
        "show": partial(reactions.of, 0, 1, 2),
    }
    with recorded(reactions.chat.app) as statements:
        calls[name]()
    assert len(statements) == STATEMENTS[name], statements
    assert full_scans(reactions.chat.app, statements) == []


def test_of_a_kind_no_more_is_read_than_is_shown(reactions: Reactions) -> None:
    # The limit is on each kind's own list, which an index has in order: nothing is sorted to find the first.
    with recorded(reactions.chat.app) as statements:
        reactions.of(0, 1)
    (shown,) = statements
    connection = reactions.chat.db.session.connection()
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {shown.sql}", shown.parameters)
        steps = [row.detail for row in rows]
        first, last = steps.index("CO-ROUTINE listed"), steps.index("SCAN listed")
    else:
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        steps = [
            step.strip() for step in connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {shown.sql}", shown.parameters).scalars()
        ]
        first, last = steps.index("->  Limit"), len(steps)
    assert any("ix_realtime_reaction_message_id_emoji_id" in step for step in steps[first:last])
    assert not any("Sort" in step or "TEMP" in step for step in steps[first:last])
