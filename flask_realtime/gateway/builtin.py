"""The contract's own events: what each does and answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Final

from flask_realtime.contract import events
from flask_realtime.contract.payloads import ACKNOWLEDGED, Acknowledgement, Refreshed, UserStatus
from flask_realtime.contract.requests import Empty, NewToken, OneConversation, OneNotification, OneUser, SomeUsers
from flask_realtime.errors import NotJoined
from flask_realtime.features import notifications
from flask_realtime.features.limits import Allowance
from flask_realtime.features.typing_indicators import TypingState
from flask_realtime.gateway.connection import Connection
from flask_realtime.gateway.expiry import TokenExpiry
from flask_realtime.gateway.membership import Membership
from flask_realtime.gateway.parts import Parts
from flask_realtime.gateway.timer import DeadlineTimer

Handler = Callable[[Connection, Any], Any]


class BuiltinEvents:
    """Handles the events of the contract.

    Args:
        parts: The gateway's parts.
        membership: Which connections are in which conversations.
        typing_timer: Ends typing states.
        expiry: Takes new tokens.
    """

    def __init__(self, parts: Parts, membership: Membership, typing_timer: DeadlineTimer, expiry: TokenExpiry) -> None:
        self._parts = parts
        self._membership = membership
        self._typing_timer = typing_timer
        self._expiry = expiry
        self._conversations = parts.features.conversations
        self._typing = parts.features.typing
        self._send = parts.delivery.send
        self._send_again = parts.delivery.send_again
        self.handlers: Final[dict[str, Handler]] = {
            events.JOIN_CONVERSATION: self.join,
            events.LEAVE_CONVERSATION: self.leave,
            events.TYPING_START: self.typing_start,
            events.TYPING_STOP: self.typing_stop,
            events.GET_ONLINE_USERS: self.online_users,
            events.NOTIFICATION_READ: self.notification_read,
            events.NOTIFICATIONS_READ_ALL: self.notifications_read_all,
            events.USER_GET_STATUS: self.user_status,
            events.USERS_GET_STATUS: self.user_statuses,
            events.AUTH_REFRESH: self.auth_refresh,
        }
        self._plain = {events.TYPING_START, events.TYPING_STOP}
        if parts.shared.is_local:
            self._plain |= {events.USER_GET_STATUS, events.USERS_GET_STATUS}

    def may_wait(self, event: str) -> bool:
        """Say whether handling an event may wait: for the application's code, or for what servers share."""
        return event not in self._plain

    def join(self, connection: Connection, request: OneConversation) -> Acknowledgement:
        """Handle `join:conversation`."""
        self._membership.join(connection, request.conversation_id)
        return ACKNOWLEDGED

    def leave(self, connection: Connection, request: OneConversation) -> Acknowledgement:
        """Handle `leave:conversation`."""
        self._membership.leave(connection, request.conversation_id)
        return ACKNOWLEDGED

    def typing_start(self, connection: Connection, request: OneConversation) -> Acknowledgement:
        """Handle `typing:start`."""
        conversation_id, wire_id = request
        self._require_joined(connection, conversation_id)
        self._send(self._typing.start(connection.id, connection.user_id, conversation_id, wire_id))
        self._typing_timer.wake()
        return ACKNOWLEDGED

    def repeat(self, event: str, connection: Connection, request: Any, allowance: Allowance) -> Callable[[], bool] | None:
        """Return what does again what a connection just asked for, in less time; None for what does not come again and again.

        Args:
            event: The event.
            connection: The connection that sent it.
            request: Its arguments, parsed.
            allowance: What the connection has left for such events.

        Returns:
            A function, which returns whether it could: if not, the event is to be handled like any other.
        """
        if event != events.TYPING_START:
            return None
        state = self._typing.state(connection.id, request.conversation_id)
        return None if state is None else partial(self._go_on_typing, state, allowance)

    def _go_on_typing(self, state: TypingState, allowance: Allowance) -> bool:
        now = monotonic()
        # What has ended, or is too much, is for the usual way to count and to refuse.
        if state.started is None or not allowance.take(now):
            return False
        # A typing state ends when its connection leaves the conversation, or altogether, so whoever has one may go on.
        started = self._typing.go_on(state, now)
        if started is None:
            return False
        try:
            self._send_again(started)
        except Exception:  # noqa: BLE001 - the usual way reports it
            return False
        return True

    def typing_stop(self, connection: Connection, request: OneConversation) -> Acknowledgement:
        """Handle `typing:stop`."""
        conversation_id, wire_id = request
        self._require_joined(connection, conversation_id)
        self._send(self._typing.stop(connection.id, connection.user_id, conversation_id, wire_id))
        return ACKNOWLEDGED

    def online_users(self, connection: Connection, request: OneConversation) -> list[str]:
        """Handle `conversation:get-online-users`."""
        if not self._conversations.is_joined(connection.id, request.conversation_id):
            self._membership.authorize(connection, request.conversation_id, events.GET_ONLINE_USERS)
        return self._conversations.online_users(request.conversation_id)

    def notification_read(self, connection: Connection, request: OneNotification) -> Acknowledgement:
        """Handle `notification:read`."""
        application = self._parts.application
        for hook in application.hooks.on_notification_read:
            args = (connection.identity, request.notification_id)
            application.call(hook, *args, connection=connection, event=events.NOTIFICATION_READ)
        self._send(notifications.notification_read(connection.user_id, request.wire_id))
        return ACKNOWLEDGED

    def notifications_read_all(self, connection: Connection, _request: Empty) -> Acknowledgement:
        """Handle `notifications:read-all`."""
        application = self._parts.application
        for hook in application.hooks.on_notifications_read_all:
            application.call(hook, connection.identity, connection=connection, event=events.NOTIFICATIONS_READ_ALL)
        self._send(notifications.all_notifications_read(connection.user_id))
        return ACKNOWLEDGED

    def user_status(self, _connection: Connection, request: OneUser) -> UserStatus:
        """Handle `user:get-status`."""
        return self._parts.features.presence.status(request.user_id)

    def user_statuses(self, _connection: Connection, request: SomeUsers) -> list[UserStatus]:
        """Handle `users:get-status`."""
        return self._parts.features.presence.statuses(request.user_ids)

    def auth_refresh(self, connection: Connection, request: NewToken) -> Refreshed:
        """Handle `auth:refresh`."""
        return self._expiry.refresh(connection, request.token)

    def _require_joined(self, connection: Connection, conversation_id: str) -> None:
        if not self._conversations.is_joined(connection.id, conversation_id):
            raise NotJoined
