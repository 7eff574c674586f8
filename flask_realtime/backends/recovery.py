"""Recovery of connections on any server: leases that outlive their server, and the events of all servers in one order.

A server queues the changes of its leases, as it queues events for the bus. Another one takes a lease with its rooms, and reads
what their client has missed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

from flask_realtime.backends.bus import Envelope


class RecoveryOptions(NamedTuple):
    """The settings of recovery on any server.

    Args:
        seconds: Seconds for which connections may be recovered after their server last recorded that they are there.
        max_bytes: Maximum bytes of each server's events that are kept for that.
    """

    seconds: float
    max_bytes: int


class Place(NamedTuple):
    """A place in the order of the events of all servers.

    Args:
        milliseconds: When the batch that it is in was written.
        number: The number of the batch in that millisecond.
        event: The place in the batch; a number larger than any behind a whole batch.
    """

    milliseconds: int
    number: int
    event: int


class LeaseChange(NamedTuple):
    """A change of a lease, or of all leases of a user or of a token.

    Args:
        kind: `open`, `enter`, `leave`, `touch`, `lose`, `see` or `end`, of one lease; or `strike`.
        key: The lease's key.
        args: What changes, as JSON values; see `RecoveryStore`.
        turn: How often servers had taken the lease from each other by then.
    """

    kind: str
    key: str
    args: tuple[Any, ...] = ()
    turn: int = 0


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A lease as other servers see it.

    Args:
        sid: The connection's id.
        owner: The server that it is, or was, on.
        turn: How often servers have taken it from each other, this time too.
        token_id: The id of its token, as text, or an empty string.
        since: The offset at which it connected.
        known: An offset up to which everything has arrived.
        rooms: Its rooms, each with the offset at which it entered.
        seen: Servers that it was on before, each with the last of their numbers that its client has.
    """

    sid: str
    owner: str
    turn: int
    token_id: str
    since: str
    known: str
    rooms: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)


class LoggedEvent(NamedTuple):
    """An event in the order of all servers.

    Args:
        place: Its place.
        origin: The server that sent it.
        kind: The kind of its envelope.
        header: The header of its envelope.
        parts: Its encoded packet.
        is_uncertain: Whether it had an earlier place, which is lost: some servers may have received it there.
    """

    place: Place
    origin: str
    kind: str
    header: dict[str, Any]
    parts: tuple[str | bytes, ...]
    is_uncertain: bool = False


class Refusal(Enum):
    """A reason why a change was not made."""

    TAKEN = "taken"
    """Another server has the lease."""

    ENDED = "ended"
    """The client may not come back."""

    FORGOTTEN = "forgotten"
    """Nothing is known of the lease."""


class Reading(Protocol):
    """A reading of the events of all servers, in their order."""

    earlier: Sequence[LoggedEvent]
    """Those of the last seconds before the place, as far as they are kept; empty before the first call."""

    def go_on(self) -> list[LoggedEvent] | None:
        """Return the events behind the place, or the last call; None if not all of them are kept.

        Raises:
            BackendUnavailable: They cannot be read now.
        """


OnRefused = Callable[[LeaseChange, Refusal], None]


class RecoveryStore(ABC):
    """The leases and the events that servers share.

    The changes of leases, with the arguments that they have:

    - `open`: the user, and the record's `sid`, `token_id`, `since`, `known` and `rooms`
    - `enter`: a room, and the offset; `leave`: a room
    - `touch`: `known` and `token_id`, or an empty string for what stays
    - `lose`: as `touch`, and the seconds in which the client may come back
    - `see`: the record's `seen`
    - `end`: none
    - `strike`, whose key is `user:<id>` or `token:<id>`: a room that all its leases leave, or an empty string: they end
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Return the unique name of this server, of letters, digits and hyphens; a forked child has its own."""

    @property
    @abstractmethod
    def is_reachable(self) -> bool:
        """Return whether the other servers' state can be reached, as far as is known."""

    @abstractmethod
    def start(self, on_passed: Callable[[str], None], on_refused: OnRefused, on_tick: Callable[[], None]) -> None:
        """Begin to write changes.

        Args:
            on_passed: Called with the text of a place once everything that other servers sent before it was received.
            on_refused: Called for each change that was refused.
            on_tick: Called about once a second.
        """

    @abstractmethod
    def write(self, change: LeaseChange) -> None:
        """Queue a change, without waiting. Changes are made in the order queued."""

    @abstractmethod
    def wait_written(self, timeout: float) -> bool:
        """Wait until the changes queued so far are made, and return whether they are."""

    @abstractmethod
    def wait_sent(self, timeout: float) -> bool:
        """Wait until the events published so far are in the order of all servers, and return whether they are."""

    @abstractmethod
    def take(self, key: str, user_id: str, attempt: str) -> LeaseRecord | None:
        """Become the owner of a lease, and return it as it was, or None if there is no such lease of that user.

        Args:
            key: Its key.
            user_id: Its user.
            attempt: A unique name. An attempt of which it is not known whether it succeeded is made again under the same name.

        Raises:
            BackendUnavailable: Unknown.
        """

    def recall(self) -> Iterable[Envelope]:
        """Return the events that are kept from before this server started, without their parts; see `Backend.recall`."""
        return ()

    @abstractmethod
    def reading(self, after: Place, era: str) -> Reading:
        """Return a reading of the events behind a place.

        Args:
            after: The place.
            era: What the places were numbered in.
        """
