"""Membership: rooms, state and the application's hooks kept in step when connections join and leave."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial

from flask_realtime.contract.effects import Announce, Ask, Change, Effect, EnterRoom, Joined, LeaveRoom, Left, Share
from flask_realtime.contract.rooms import conversation_of, conversation_room
from flask_realtime.errors import EventError, Forbidden, TooManyRooms
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext
from flask_realtime.feature.hook import Hook
from flask_realtime.features.conversations.events import JOIN_CONVERSATION
from flask_realtime.features.conversations.joins import Join, Joins
from flask_realtime.features.conversations.state import Conversations
from flask_realtime.logs import get_logger

logger = get_logger(__name__)


class Membership:
    """The membership of connections in conversations.

    Args:
        context: The surroundings of the feature.
        conversations: The joined conversations.
        authorize_join: The hook that decides who may join.
        on_join: The hook that is called for each join.
        on_leave: The hook that is called for each leave.

    Attributes:
        joins: The joins in progress, and the removals that have begun.
    """

    def __init__(
        self, context: FeatureContext, conversations: Conversations, authorize_join: Hook, on_join: Hook, on_leave: Hook
    ) -> None:
        self._context = context
        self._conversations = conversations
        self._authorize_join = authorize_join
        self._on_join = on_join
        self._on_leave = on_leave
        self._max_rooms = context.config.max_rooms
        self.joins = Joins(context.lock(), context.clock)
        self._has_told = False

    def authorize(self, caller: Caller, conversation_id: str, event: str) -> None:
        """Ask the application whether a user may see a conversation.

        Raises:
            Forbidden: The application refused, or has no such hook.
            EventError: The hook raised it, or failed.
        """
        if not self._context.is_registered(self._authorize_join):
            self._tell_of_missing_hook()
        elif self._context.decide(self._authorize_join, caller.identity, conversation_id, caller=caller, event=event):
            return
        msg = "You may not join this conversation"
        raise Forbidden(msg)

    def _tell_of_missing_hook(self) -> None:
        if not self._has_told:
            self._has_told = True
            logger.warning(
                "There is no authorize_join hook, so that every join is refused; register one with @realtime.authorize_join."
            )

    def join(self, caller: Caller, conversation_id: str) -> None:
        """Join a connection to a conversation.

        Raises:
            TooManyRooms: The connection has joined the maximum number.
            EventError: The application refused, or a hook failed; the connection is not joined then.
        """
        self._require_space(caller, conversation_id)
        try:
            with self.joins.attempt(caller.user_id, conversation_id) as join:
                while join.is_stale:
                    join.is_stale = False
                    self.joins.require_admission(caller.user_id, conversation_id)
                    self.authorize(caller, conversation_id, JOIN_CONVERSATION)
                    self._context.change(caller, partial(self._entering, caller, conversation_id, join))
        except EventError:
            self.leave(caller, conversation_id)
            raise

    def _entering(self, caller: Caller, conversation_id: str, join: Join) -> Iterator[Change]:
        if not join.is_stale:  # Whoever is removed from here on has to wait for the connection's lock, and finds it in the room.
            yield from self._joining(caller, conversation_id)

    def _joining(self, caller: Caller, conversation_id: str) -> Iterator[Change]:
        if caller.closed:
            return
        yield EnterRoom(conversation_room(conversation_id))
        if self._conversations.join(caller.id, conversation_id):
            yield Share(partial(self._conversations.share_join, caller.id, caller.user_id, conversation_id))
            yield Joined(conversation_id)
            yield Ask(self._on_join, (caller.identity, conversation_id), JOIN_CONVERSATION)

    def leave(self, caller: Caller, conversation_id: str) -> None:
        """Let a connection leave; the other features and the application hear of it if it was joined."""
        self._context.change(caller, partial(self._leaving, caller, conversation_id))

    def put_out(self, caller: Caller, conversation_id: str) -> None:
        """Take a connection out of a conversation's room at once; hooks and other servers hear of it when it leaves."""
        self._context.change(caller, partial(self._out_of_room, conversation_id))

    @staticmethod
    def _out_of_room(conversation_id: str) -> Iterator[Change]:
        yield LeaveRoom(conversation_room(conversation_id))
        yield Left(conversation_id)

    def put_back(self, caller: Caller, conversation_id: str) -> None:
        """Let a connection that was put out into the room again, unless it has left."""
        self._context.change(caller, partial(self._into_room, caller, conversation_id))

    def _into_room(self, caller: Caller, conversation_id: str) -> Iterator[Change]:
        if not caller.closed and self._conversations.is_joined(caller.id, conversation_id):
            yield EnterRoom(conversation_room(conversation_id))

    def _leaving(self, caller: Caller, conversation_id: str) -> Iterator[Change]:
        yield LeaveRoom(conversation_room(conversation_id))
        was_joined = self._conversations.leave(caller.id, conversation_id)
        yield Left(conversation_id)
        if was_joined:
            yield Share(partial(self._conversations.share_leave, caller.id, conversation_id))
            yield Announce(self._on_leave, (caller.identity, conversation_id))

    def recovered(self, caller: Caller) -> None:
        """Join a connection that came back to the conversations whose rooms it is in; it had to leave those of a noticed loss."""
        for conversation_id in filter(None, map(conversation_of, self._context.rooms_of(caller))):
            try:
                self._context.change(caller, partial(self._rejoining, caller, conversation_id))
            except EventError:
                self.leave(caller, conversation_id)

    def _rejoining(self, caller: Caller, conversation_id: str) -> Iterator[Change]:
        if conversation_room(conversation_id) in self._context.rooms_of(caller):  # Unless it was removed this moment.
            yield from self._joining(caller, conversation_id)

    def disconnected(self, caller: Caller) -> list[Effect]:
        """Forget a closed connection."""
        conversation_ids = self._conversations.disconnected(caller.id)
        effects: list[Effect] = [Share(partial(self._conversations.share_end, caller.id))]
        if self._tells_of_leaving:
            effects += [Announce(self._on_leave, (caller.identity, conversation_id)) for conversation_id in conversation_ids]
        return effects

    @cached_property
    def _tells_of_leaving(self) -> bool:
        return self._context.is_registered(self._on_leave)

    def _require_space(self, caller: Caller, conversation_id: str) -> None:
        conversations, most = self._conversations, self._max_rooms
        if conversations.count_joined(caller.id) >= most and not conversations.is_joined(caller.id, conversation_id):
            msg = f"You have joined {most} conversations, the maximum for one connection; leave one first"
            raise TooManyRooms(msg)
