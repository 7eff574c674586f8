"""Backend: the shared state of one application's servers, which is started and stopped as a whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Final

from flask_realtime.backends.base import ConnectedUsers, Tracker, shared_name
from flask_realtime.backends.bus import Bus, Envelope, Receive
from flask_realtime.backends.links.interest import Interest
from flask_realtime.backends.record import Record
from flask_realtime.backends.recovery import RecoveryStore
from flask_realtime.errors import RegistrationError

MIN_TTL: Final = 0.001
"""The shortest time after which Redis can let something expire, in seconds."""

MAX_TTL: Final = 10 * 365 * 86400.0
"""Ten years, in seconds: a mistaken unit is an error."""

OnStatusChange = Callable[[str, bool, int], None]
"""Called for a status change that no operation reported: the user's id, whether online, the change's version."""


class Backend(ABC):
    """The state that servers share."""

    connected_users: ConnectedUsers
    recovery: RecoveryStore | None = None
    """Leases of connections that other servers can take; None where there are no others, or they cannot."""
    bus: Bus | None = None
    """What carries envelopes to the other servers; None where there are none."""
    interest: Interest | None = None
    """Is told in which rooms there is somebody; None if no other server asks."""
    leaves_entries = False
    """Whether the entries of connections that this server ends stay; see `begin_to_leave`."""

    def __init__(self) -> None:
        self._trackers: dict[str, Tracker] = {}
        self._records: dict[str, tuple[Record, float]] = {}

    def tracker(self, feature: str, kind: str) -> Tracker:
        """Return what keeps the members of a feature's topics.

        Args:
            feature: The feature's name.
            kind: What it keeps, for a feature that has several.

        Raises:
            RegistrationError: The names are taken by something else.
        """
        name = shared_name(feature, kind)
        if name in self._records:
            msg = f"The feature {feature!r} has a record {kind!r}: give the tracker another name."
            raise RegistrationError(msg)
        if name not in self._trackers:
            self._trackers[name] = self._new_tracker(name)
        return self._trackers[name]

    def record(self, feature: str, kind: str, ttl: float) -> Record:
        """Return what keeps a feature's values by id.

        Args:
            feature: The feature's name.
            kind: What it keeps, for a feature that has several.
            ttl: Seconds for which a value is kept after it was last written.

        Raises:
            RegistrationError: The names are taken by something else, or the time is not one.
        """
        name = shared_name(feature, kind)
        if name in self._trackers:
            msg = f"The feature {feature!r} has a tracker {kind!r}: give the record another name."
            raise RegistrationError(msg)
        if not MIN_TTL <= ttl <= MAX_TTL:
            msg = f"The record {kind!r} of the feature {feature!r} needs a ttl of {MIN_TTL} to {MAX_TTL:.0f} seconds, not {ttl}."
            raise RegistrationError(msg)
        record, its_ttl = self._records.setdefault(name, (self._new_record(name, ttl), ttl))
        if its_ttl != ttl:
            msg = f"The record {kind!r} of the feature {feature!r} has a ttl of {its_ttl} seconds already; it cannot be {ttl} too."
            raise RegistrationError(msg)
        return record

    def watch(self, feature: str, kind: str, record_ids: Callable[[], Iterable[str]], lost: Callable[[], object]) -> None:  # noqa: B027 - optional
        """Have a function called within a lease after values of a record were lost, so that a feature can write them again.

        What is in this process's memory is not lost. Only a server is told.

        Args:
            feature: The feature's name.
            kind: What the record keeps.
            record_ids: Returns the ids of the values that there should be, a few; it must not wait, nor raise an exception.
            lost: Called if one of them is missing, or may be outdated; it must not wait, nor raise an exception.
        """

    @abstractmethod
    def _new_tracker(self, name: str) -> Tracker:
        """Make a tracker.

        Args:
            name: The prefix of its topics on all servers.
        """

    @abstractmethod
    def _new_record(self, name: str, ttl: float) -> Record:
        """Make a record.

        Args:
            name: The prefix of its ids on all servers.
            ttl: Seconds for which a value is kept after it was last written.
        """

    def begin_to_leave(self) -> None:  # noqa: B027 - optional
        """Announce that this server is about to stop, and that its clients will reconnect to others.

        If others can detect later who has not reconnected, the entries of this server's connections stay, and nobody goes offline
        before that.
        """

    @property
    @abstractmethod
    def is_local(self) -> bool:
        """Return whether no call ever waits, because there is only one server, with everything in its memory."""

    @property
    def server_id(self) -> str:
        """Return the id of this server among all; empty if there is only one."""
        return ""

    def servers(self) -> list[str] | None:
        """Return the ids of the servers that are alive, or that died lately; None if nobody knows them, as over a broker.

        Raises:
            BackendUnavailable: They cannot be read now.
        """
        return [self.server_id]

    @abstractmethod
    def publish(self, envelope: Envelope) -> bool:
        """Send an envelope to the other servers; see `Bus.publish`. A process that is not a server waits until it has arrived."""

    def wait_sent(self, timeout: float) -> bool:  # noqa: ARG002
        """Wait until the envelopes published so far are on their way to all servers, and return whether they are.

        Args:
            timeout: The maximum number of seconds.
        """
        return True

    def wait_passed(self, timeout: float) -> bool:
        """Wait until no server gets anything that is published later, by whichever server, before what was published so far.

        What a server sends to its own clients is another matter where it does not answer: they get it at once.

        Args:
            timeout: The maximum number of seconds until the message queue has it; half a second more may pass where servers of one
                machine are linked.

        Returns:
            Whether that is certain.
        """
        return self.wait_sent(timeout)

    def recall(self) -> Iterable[Envelope]:
        """Return the envelopes that servers sent lately, this one too, without their parts, as far as they are kept; it may wait.

        Raises:
            BackendUnavailable: They cannot be read now.
        """
        return () if self.recovery is None else self.recovery.recall()

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
        new_record: Makes a record whose values are kept for a number of seconds.
    """

    is_local = True

    def __init__(
        self, connected_users: ConnectedUsers, new_tracker: Callable[[], Tracker], new_record: Callable[[float], Record]
    ) -> None:
        super().__init__()
        self.connected_users = connected_users
        self._make_tracker = new_tracker
        self._make_record = new_record

    def _new_tracker(self, name: str) -> Tracker:  # noqa: ARG002 - only shared state needs a name
        return self._make_tracker()

    def _new_record(self, name: str, ttl: float) -> Record:  # noqa: ARG002
        return self._make_record(ttl)

    def publish(self, envelope: Envelope) -> bool:  # noqa: ARG002
        """Do nothing: there are no other servers."""
        return True

    def start(self, receive: Receive, on_status_change: OnStatusChange) -> None:
        """Do nothing."""

    def stop(self, timeout: float) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing."""
