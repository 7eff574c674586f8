"""What the servers of one application share, as one thing that is made, started and stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from flask_realtime.backends.base import ConversationBackend, PresenceBackend
from flask_realtime.backends.bus import Envelope, Receive

OnOffline = Callable[[str, int], None]
"""Told the id of a user who went offline without a server's noticing at once, and the version of that change."""


class Shared(ABC):
    """What servers share."""

    presence: PresenceBackend
    conversations: ConversationBackend

    @property
    @abstractmethod
    def is_local(self) -> bool:
        """Whether nothing here ever waits: there is one server, and everything is in its memory."""

    @abstractmethod
    def publish(self, envelope: Envelope) -> bool:
        """Send an envelope to the other servers; see `Bus.publish`. A process that is no server waits until it has arrived."""

    @abstractmethod
    def start(self, receive: Receive, on_offline: OnOffline) -> None:
        """Become one of the servers. Starting twice changes nothing.

        Args:
            receive: Handles what other servers send.
            on_offline: Told of users who went offline with a server that died.
        """

    @abstractmethod
    def stop(self, timeout: float) -> None:
        """Cease to be a server, in order, within `timeout` seconds."""

    @property
    @abstractmethod
    def is_reachable(self) -> bool:
        """Whether the other servers, and what is shared with them, can be reached now."""


class Alone(Shared):
    """The one server of an application.

    Args:
        presence: Its presence.
        conversations: Its conversations.
    """

    is_local = True
    is_reachable = True

    def __init__(self, presence: PresenceBackend, conversations: ConversationBackend) -> None:
        self.presence = presence
        self.conversations = conversations

    def publish(self, envelope: Envelope) -> bool:  # noqa: ARG002
        """Do nothing: there are no others."""
        return True

    def start(self, receive: Receive, on_offline: OnOffline) -> None:
        """Do nothing."""

    def stop(self, timeout: float) -> None:
        """Do nothing."""
