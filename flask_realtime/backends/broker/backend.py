"""Backend over a message broker: servers share events, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import Final

from flask_realtime.backends.backend import Backend, OnStatusChange
from flask_realtime.backends.base import BackendUnavailable, Tracker
from flask_realtime.backends.broker.bus import BrokerBus
from flask_realtime.backends.broker.carrier import Carrier
from flask_realtime.backends.bus import Envelope, Receive
from flask_realtime.backends.memory import MemoryConnectedUsers, MemoryRecord, MemoryTracker
from flask_realtime.backends.probe import Probe
from flask_realtime.backends.record import Record

_NOTHING: Final = Envelope("nothing", {})


class BrokerBackend(Backend):
    """A bus over a broker; connected users, trackers and records are in this process's memory, so each server knows only its own.

    Args:
        carrier: Makes the carrier; called once in each process.
        retention: Seconds for which an event is kept while the broker cannot be reached.
    """

    def __init__(self, carrier: Callable[[], Carrier], *, retention: float) -> None:
        super().__init__()
        server_id = token_hex(6)
        self.connected_users = MemoryConnectedUsers(server_id=server_id, orders_by_time=True)
        self.bus = self._bus = BrokerBus(carrier, server_id, retention)
        self._probe = Probe(self._send_something)
        self._is_server = False

    @property
    def is_local(self) -> bool:
        """Return False: there are other servers."""
        return False

    def servers(self) -> None:
        """Return None: a broker does not tell who listens."""

    def publish(self, envelope: Envelope) -> bool:
        """Send an envelope to the other servers."""
        return self._bus.publish(envelope) if self._is_server else self._bus.publish_now(envelope)

    def start(self, receive: Receive, on_status_change: OnStatusChange) -> None:  # noqa: ARG002 - this server's own operations report every change
        """Become one of the servers."""
        self._is_server = True
        self._bus.start(receive)

    def check(self) -> None:
        """Check that the broker can be reached, by sending it, once a second at most, a message that all servers ignore."""
        self._probe.check()
        if not self._bus.is_connected:
            raise _unreachable()

    def stop(self, timeout: float) -> None:
        """Stop being a server."""
        self._bus.stop(timeout)

    def _new_tracker(self, name: str) -> Tracker:  # noqa: ARG002 - only shared state needs a name
        return MemoryTracker()

    def _new_record(self, name: str, ttl: float) -> Record:  # noqa: ARG002
        return MemoryRecord(ttl)

    def _send_something(self) -> None:
        if not self._bus.publish_now(_NOTHING):
            raise _unreachable()


def _unreachable() -> BackendUnavailable:
    return BackendUnavailable("The message broker cannot be reached")
