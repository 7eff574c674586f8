"""The bus of several servers over a message broker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from secrets import token_hex
from time import monotonic
from typing import Final

from flask_realtime.backends.broker.batches import read, write
from flask_realtime.backends.broker.carrier import Carrier
from flask_realtime.backends.broker.send_queue import QueuedEnvelope, SendQueue
from flask_realtime.backends.bus import Bus, Envelope, Receive
from flask_realtime.backends.forks import after_fork
from flask_realtime.backends.packing import pack, unpack
from flask_realtime.backends.sequences import SequenceTracker
from flask_realtime.jitter import jitter
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_PUBLISH_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 1.0
_PAUSES: Final = (0.05, 2.0)
"""Seconds before the first attempt to reconnect to the broker, and the maximum before each further one."""


class BrokerBus(Bus):
    """Queues envelopes while the broker is unreachable, and receives each envelope once, those of one server in order.

    Messages that the broker loses, for instance by a restart, are lost. Threads and connections are created by the first call that
    needs them; a forked child has its own, and starts empty.

    Args:
        carrier: Makes the carrier; called once in each process.
        server_id: This server's unique name.
        retention: Seconds for which unsent envelopes are kept.
    """

    def __init__(self, carrier: Callable[[], Carrier], server_id: str, retention: float = 60.0) -> None:
        self._make_carrier = carrier
        self._origin = server_id
        self._retention = retention
        self._carrier: Carrier | None = None
        self._receive: Receive | None = None
        self._threads: list[threading.Thread] = []
        self._begin()
        after_fork(self._begin_in_child)

    @property
    def is_connected(self) -> bool:
        """Return whether the broker can be reached, as far as is known."""
        return self._can_send and (self._receive is None or self._is_listening)

    @property
    def pending(self) -> int:
        """Return how many envelopes wait to be sent."""
        return self._queue.pending

    @property
    def dropped(self) -> int:
        """Return how many envelopes were dropped, because they could not be sent in time."""
        return self._queue.dropped

    @property
    def lost(self) -> int:
        """Return how many envelopes of other servers are known to be lost."""
        return self._sequences.lost

    def publish(self, envelope: Envelope) -> bool:
        """Queue an envelope to be sent, without waiting; see `Bus.publish`.

        Raises:
            TypeError: Its header is not JSON.
        """
        return self._add(envelope) is not None and self._can_send

    def publish_now(self, envelope: Envelope) -> bool:
        """Send an envelope, and return whether the broker has it; waits a second at most."""
        item = self._add(envelope)
        return item is not None and self._queue.wait(lambda: item.is_sent, _PUBLISH_SECONDS)

    def start(self, receive: Receive) -> None:
        """Start receiving envelopes that other servers publish from now on. Starting twice changes nothing."""
        self._start_sender()
        with self._lock:
            if self._receive is not None:
                return
            self._receive = receive
        self._start_thread(self._listen)

    def stop(self, timeout: float) -> None:
        """Send pending envelopes, for `timeout` seconds at most, and stop receiving."""
        deadline = monotonic() + timeout
        self._queue.close()
        self._queue.wait(lambda: not self._queue.pending, timeout)
        self._ended.set()
        self._queue.wake()
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._queue = SendQueue(self._retention)
        self._sequences = SequenceTracker(self._retention)
        self._carrier = None
        self._receive = None
        self._threads = []
        self._is_sending = self._is_listening = False
        self._can_send = True

    def _begin_in_child(self) -> None:
        # The child counts from 0, which the other servers would take for repeats of the parent's events.
        self._origin = f"{self._origin}.{token_hex(4)}"
        self._begin()

    def _add(self, envelope: Envelope) -> QueuedEnvelope | None:
        packed = pack(envelope)
        self._start_sender()
        return self._queue.add(packed)

    def _start_sender(self) -> None:
        with self._lock:
            if self._is_sending:
                return
            self._is_sending = True
            self._carrier = self._make_carrier()
        self._start_thread(self._send)

    def _start_thread(self, work: Callable[[Carrier], None]) -> None:
        # Without the lock: one created before gevent's patches would block the whole process if a greenlet waited for it.
        thread = threading.Thread(target=work, args=(self._carrier,), name=f"realtime-broker{work.__name__}", daemon=True)
        thread.start()
        self._threads.append(thread)

    # Sending ----------------------------------------------------------------------------------------------------------------------

    def _send(self, carrier: Carrier) -> None:
        pause = _PAUSES[0]
        while not self._ended.is_set():
            items = self._queue.wait_for_batch(_IDLE_SECONDS)
            if not items:
                continue
            try:
                carrier.send(write(self._origin, items[0].number, [item.packed for item in items]), self._origin)
            except Exception as error:  # noqa: BLE001 - each transport has its own exceptions
                self._cannot_send(carrier, error)
                self._ended.wait(jitter.uniform(0, pause))  # Keeps servers from reconnecting at the same time.
                pause = min(2 * pause, _PAUSES[1])
            else:
                self._sent(items)
                pause = _PAUSES[0]
        carrier.stop_sending()

    def _cannot_send(self, carrier: Carrier, error: Exception) -> None:
        if self._can_send:
            self._can_send = False
            logger.warning("The message broker cannot be reached: %s", type(error).__name__)
        carrier.stop_sending()

    def _sent(self, items: list[QueuedEnvelope]) -> None:
        self._queue.confirm(items)
        if not self._can_send:
            self._can_send = True
            logger.info("The message broker is back")

    # Receiving --------------------------------------------------------------------------------------------------------------------

    def _listen(self, carrier: Carrier) -> None:
        pause = _PAUSES[0]
        while not self._ended.is_set():
            try:
                for message in carrier.listen(lambda: not self._ended.is_set()):
                    self._is_listening, pause = True, _PAUSES[0]
                    if message:
                        self._deliver(message)
            except Exception as error:  # noqa: BLE001 - as above
                if self._is_listening:
                    logger.warning("Nothing can be received from the message broker: %s", type(error).__name__)
                self._is_listening = False
                self._ended.wait(jitter.uniform(0, pause))
                pause = min(2 * pause, _PAUSES[1])
        self._is_listening = False

    def _deliver(self, message: bytes) -> None:
        try:
            batch = read(message)
            if batch.origin == self._origin:
                return
            known = self._sequences.receive(batch.origin, batch.first, len(batch.heads))
            for index, envelope in enumerate(unpack(batch.heads, batch.body)):
                if index >= known:
                    self._hand_on(envelope)
        except (TypeError, ValueError) as error:
            logger.warning("A message of the broker cannot be read: %s", error)

    def _hand_on(self, envelope: Envelope) -> None:
        try:
            if self._receive is not None:
                self._receive(envelope)
        except Exception:
            logger.exception("What another server sent could not be handled")
