"""Hooks of messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator
from flask_realtime.features.messages.sending import NewMessage, SentMessage
from flask_realtime.identity import Identity

ON_MESSAGE_SEND: Final = Hook("on_message_send", ("identity", "message"), is_single=True)

MESSAGE_ARCHIVE: Final = Hook("messages.archive", (), is_single=True)
"""Its function returns a `MessageArchive`. `Store.register` registers it."""

MAY_MODERATE: Final = Hook("may_moderate", ("identity", "conversation_id"), is_single=True, default=False)

OnMessageSend = Callable[[Identity, NewMessage], SentMessage]
MayModerate = Callable[[Identity, str], "bool | None"]
MayModerateT = TypeVar("MayModerateT", bound=MayModerate)
OnMessageSendT = TypeVar("OnMessageSendT", bound=OnMessageSend)


class MessageHooks(HookDecorators):
    """The decorators of the hooks of messages."""

    @hook_decorator
    def on_message_send(self, hook: OnMessageSendT) -> OnMessageSendT:
        """Register the hook that stores what clients send with `message:send`. There can be one; `Store.register` registers it.

        It gets the identity and a `NewMessage`, checks that the user may write there, stores the message, and returns a
        `SentMessage`. It refuses by raising `Forbidden` or another `EventError`. A message whose `client_id` the user has sent to
        that conversation before, within 24 hours, is the same message: it is not stored again, and returned with `is_new=False`.
        Without the hook, `message:send` is answered `unknown_event`.
        """
        return self.hook(ON_MESSAGE_SEND)(hook)

    @hook_decorator
    def may_moderate(self, hook: MayModerateT) -> MayModerateT:
        """Register the hook that decides who may delete the messages of others in a conversation. There can be one.

        It gets the identity and the conversation's id, and returns True for a user who may, even one who takes no part in the
        conversation, an administrator of the application for instance. A conversation's moderators and owners need no hook.
        """
        return self.hook(MAY_MODERATE)(hook)
