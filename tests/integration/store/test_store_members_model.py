"""The members of a conversation against a plain model of the rules: whoever does whatever in whatever order."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from flask_realtime.errors import EventError, Forbidden, NotFound
from tests.integration.example_support import sqlite_url
from tests.integration.store.test_store_log import LogApp, log_app

USERS = ("ann", "ben", "cat", "dan", "eve")
EXAMPLES = 20

users = st.sampled_from(USERS)
actors = st.one_of(st.none(), users)
roles = st.sampled_from(["owner", "moderator", "member"])
Told = list[tuple[str, str, dict[str, Any]]]


class Model:
    """A group, as the contract has it: its members and their roles, in the order in which they came."""

    def __init__(self, conversation_id: str, people: list[str]) -> None:
        self.id = conversation_id
        self.roles = {user: "member" if place else "owner" for place, user in enumerate(people)}

    def role(self, by: str | None) -> str:
        """The role of who acts: the application may do what owners may."""
        if by is not None and by not in self.roles:
            raise Forbidden
        return "owner" if by is None else self.roles[by]

    def add(self, by: str | None, added: list[str]) -> Told:
        if self.role(by) == "member":
            raise Forbidden
        new = [user for user in dict.fromkeys(added) if user not in self.roles]
        told: Told = [("conversation:new", f"user:{user}", {}) for user in new]
        for user in new:
            self.roles[user] = "member" if self.roles else "owner"
            told.append(self.event("member:joined", user, by, role=self.roles[user]))
        return told

    def remove(self, by: str | None, removed: str) -> Told:
        role = self.role(by)
        if removed not in self.roles:
            raise NotFound
        if by != removed and (role == "member" or (role == "moderator" and self.roles[removed] != "member")):
            raise Forbidden
        del self.roles[removed]
        left = self.event("member:left", removed, by, reason="left" if by == removed else "removed")
        return [("conversation:removed", f"user:{removed}", {"conversationId": self.id}), left, *self.successor(by)]

    def set_role(self, by: str | None, user: str, role: str) -> Told:
        if self.role(by) != "owner":
            raise Forbidden
        if user not in self.roles:
            raise NotFound
        if self.roles[user] == role:
            return []
        if [*self.roles] == [user]:
            raise Forbidden
        self.roles[user] = role
        return [self.event("member:updated", user, by, role=role), *self.successor(by, but=user)]

    def successor(self, by: str | None, but: str = "") -> Told:
        if "owner" in self.roles.values() or not self.roles:
            return []
        others = [user for user in self.roles if user != but]
        heir = next((user for user in others if self.roles[user] == "moderator"), others[0])
        self.roles[heir] = "owner"
        return [self.event("member:updated", heir, by, role="owner")]

    def event(self, name: str, user: str, by: str | None, **fields: str) -> tuple[str, str, dict[str, Any]]:
        return name, f"conversation:{self.id}", {"conversationId": self.id, "userId": user, "by": by, **fields}


def in_any_order(told: tuple[str, str, dict[str, Any]]) -> str:
    return told[1] if told[0] == "conversation:new" else "~"


class Members(RuleBasedStateMachine):
    """A conversation in the store and in the model, which refuse the same, tell the same, and are the same after each step."""

    def __init__(self, chat: LogApp) -> None:
        super().__init__()
        self.chat = chat
        self.members = chat.store.conversations.members
        self.id = chat.store.conversations.create(["ann", "ben"]).id
        self.model = Model(self.id, ["ann", "ben"])
        self.seen = 0
        self.told()

    def told(self) -> Told:
        """The events that were logged since the last call."""
        entry = self.chat.entry
        query = select(entry.id, entry.event, entry.room, entry.arguments).where(entry.id > self.seen).order_by(entry.id)
        rows = self.chat.db.session.execute(query).all()
        self.chat.db.session.rollback()
        self.seen = rows[-1].id if rows else self.seen
        return [
            (event, str(room), {} if event == "conversation:new" else json.loads(arguments)[0])
            for _, event, room, arguments in rows
        ]

    def both(self, of_model: Any, of_store: Any) -> None:
        """Do the same with the model and the store."""
        try:
            expected = of_model()
        except EventError as error:
            with pytest.raises(type(error)):
                of_store()
            expected = []
        else:
            of_store()
        # Each user is told of a new conversation alone, so that there is no order among them.
        assert sorted(self.told(), key=in_any_order) == sorted(expected, key=in_any_order)

    @rule(by=actors, added=st.lists(users, min_size=1, max_size=3))
    def add(self, by: str | None, added: list[str]) -> None:
        self.both(lambda: self.model.add(by, added), lambda: self.members.add(self.id, added, by=by))

    @rule(by=actors, removed=users)
    def remove(self, by: str | None, removed: str) -> None:
        self.both(lambda: self.model.remove(by, removed), lambda: self.members.remove(self.id, removed, by=by))

    @rule(user=users)
    def leave(self, user: str) -> None:
        self.both(lambda: self.model.remove(user, user), lambda: self.members.remove(self.id, user, by=user))

    @rule(by=actors, user=users, role=roles)
    def set_role(self, by: str | None, user: str, role: str) -> None:
        self.both(lambda: self.model.set_role(by, user, role), lambda: self.members.set_role(self.id, user, role, by=by))

    @rule(sender=users)
    def send(self, sender: str) -> None:
        if sender in self.model.roles:
            self.chat.store.messages.add(self.id, sender, "hello")
            self.told()

    @invariant()
    def both_are_the_same(self) -> None:
        found = {member.user_id: member.role for member in self.members.page(self.id).members}
        assert list(found.items()) == list(self.model.roles.items())
        assert not found or "owner" in found.values()
        for user in USERS:
            record = self.chat.store.conversations.get(self.id, user)
            assert (record is not None) == (user in found) == self.chat.store.conversations.has_participant(self.id, user)
            assert record is None or (record.participant_count, *record.participant_ids) == (len(found), *found)
        self.chat.db.session.rollback()


def test_members_follow_the_rules(tmp_path: Path) -> None:
    steps = settings(max_examples=EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    with log_app(sqlite_url(tmp_path)) as chat:
        made: Any = partial(Members, chat)
        run_state_machine_as_test(made, settings=steps)
