"""Backend: the shared state of one application's servers, which is started and stopped as a whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable

from flask_realtime.backends.base import ConnectedUsers, Tracker, tracker_name
from flask_realtime.backends.bus import Envelope, Receive

OnStatusChange = Callable[[str, bool, int], None]
"""Called for a status change that no operation reported: the user's id, whether online, the change's version."""


class Backend(ABC):
    """The state that servers share."""

    connected_users: ConnectedUsers
    leaves_entries = False
    """Whether the entries of connections that this server ends stay; see `begin_to_leave`."""

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
        """Announce that this server is about to stop, and that its clients will reconnect to others.

        If others can detect later who has not reconnected, the entries of this server's connections stay, and nobody goes offline
        before that.
        """

    @property
    @abstractmethod
    def is_local(self) -> bool:
        """Return whether no call ever waits, because there is only one server, with everything in its memory."""

    @abstractmethod
    def publish(self, envelope: Envelope) -> bool:
        """Send an envelope to the other servers; see `Bus.publish`. A process that is not a server waits until it has arrived."""

    @abstractmethod
    def start(self, receive: Receive, on_status_change: OnStatusChange) -> None:
        """Become one of the servers. Starting twice changes nothing.

        Args:
            receive: Handles envelopes from other servers.
            on_status_change: Called for status changes that no operation reported, such as those of a server that died.
        """

    @abstractmethod
    def stop(self, timeout: float) -> None:
        """Stop being a server, in order, within `timeout` seconds."""

    @abstractmethod
    def check(self) -> None:
        """Check that the shared state can be reached and written; waits a second or two at most.

        The write or message that this needs is sent once a second at most, however many calls are made.

        Raises:
            BackendUnavailable: It cannot, or does not.
        """

    def warnings(self) -> list[str]:
        """Return warnings about the setup of the shared state: a line each, with the right setting.

        Raises:
            BackendUnavailable: It cannot be reached now.
        """
        return []


class LocalBackend(Backend):
    """The back end of an application with a single server.

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
        """Do nothing: there are no other servers."""
        return True

    def start(self, receive: Receive, on_status_change: OnStatusChange) -> None:
        """Do nothing."""

    def stop(self, timeout: float) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing."""
