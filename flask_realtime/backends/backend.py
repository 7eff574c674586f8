"""What the servers of one application share, as one thing that is made, started and stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable

from flask_realtime.backends.base import ConnectedUsers, Tracker, tracker_name
from flask_realtime.backends.bus import Envelope, Receive

OnStatusChange = Callable[[str, bool, int], None]
"""Told of a user who came online or went offline without an operation's noticing: the id, whether online, the change's version."""


class Backend(ABC):
    """What servers share."""

    connected_users: ConnectedUsers
    leaves_entries = False
    """Whether what is noted of connections that this server ends is to stay; see `begin_to_leave`."""

    @abstractmethod
    def tracker(self, feature: str, kind: str) -> Tracker:
        """Return what keeps the members of a feature's topics.

        Args:
            feature: The feature's name.
            kind: What it keeps, for a feature that has several.

        Raises:
            RegistrationError: The names are taken by something else.
        """

    def begin_to_leave(self) -> None:  # noqa: B027 - not everyone has anything to do
        """Note that this server is to stop, and its clients come back to others.

        Where others can tell later who has not come back, what is noted of this server's connections stays, and nobody goes offline
        with it before.
        """

    @property
    @abstractmethod
    def is_local(self) -> bool:
        """Whether nothing here ever waits: there is one server, and everything is in its memory."""

    @abstractmethod
    def publish(self, envelope: Envelope) -> bool:
        """Send an envelope to the other servers; see `Bus.publish`. A process that is no server waits until it has arrived."""

    @abstractmethod
    def start(self, receive: Receive, on_status_change: OnStatusChange) -> None:
        """Become one of the servers. Starting twice changes nothing.

        Args:
            receive: Handles what other servers send.
            on_status_change: Told of users who came or went without an operation's noticing, with a server that died for one.
        """

    @abstractmethod
    def stop(self, timeout: float) -> None:
        """Cease to be a server, in order, within `timeout` seconds."""

    @abstractmethod
    def check(self) -> None:
        """Ask whether what is shared can be reached, and takes what is written; waits a second or two at most.

        What that takes of others, a write or a message, is done once a second at most, however many ask.

        Raises:
            BackendUnavailable: It cannot, or does not.
        """

    def warnings(self) -> list[str]:
        """Return what is doubtful about the way in which what is shared is set up: a line each, with what to set instead.

        Raises:
            BackendUnavailable: It cannot be asked now.
        """
        return []


class LocalBackend(Backend):
    """The one server of an application.

    Args:
        connected_users: The users who have connections.
        new_tracker: Makes a tracker.
    """

    is_local = True

    def __init__(self, connected_users: ConnectedUsers, new_tracker: Callable[[], Tracker]) -> None:
        self.connected_users = connected_users
        self._trackers: dict[str, Tracker] = defaultdict(new_tracker)

    def tracker(self, feature: str, kind: str) -> Tracker:
        """Return what keeps the members of a feature's topics."""
        return self._trackers[tracker_name(feature, kind)]

    def publish(self, envelope: Envelope) -> bool:  # noqa: ARG002
        """Do nothing: there are no others."""
        return True

    def start(self, receive: Receive, on_status_change: OnStatusChange) -> None:
        """Do nothing."""

    def stop(self, timeout: float) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing."""
