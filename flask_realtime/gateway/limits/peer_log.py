"""Log budget of each peer: beyond a few lines a second, further ones are counted, and summed up in one later line."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask_realtime.allowances import TokenBucket, network
from flask_realtime.gateway.dispatch.mailbox import Concurrency, Event
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.timer import DeadlineTimer
from flask_realtime.logs import get_logger
from flask_realtime.rates import Rate, parse_rate

logger = get_logger(__name__)

LINES: Final = parse_rate("3/second, burst 10")
"""Rate of lines that one peer may cause."""

ALL_LINES: Final = parse_rate("50/second, burst 200")
"""Rate of lines that all peers may cause together, since one may have many addresses."""

SUMMARY_DELAY: Final = 5.0
"""Seconds over which dropped lines are summed up."""

_PEERS: Final = 1000
"""Maximum number of remembered peers; beyond it, those quiet for longest are forgotten."""

_OTHERS: Final = "others"


@dataclass(slots=True)
class _Silence:
    """The dropped lines of one peer.

    Args:
        since: The time of the first.
        logger: The logger of the last one.
        lines: Their number.
    """

    since: float
    logger: logging.Logger
    lines: int = 0


class PeerLog:
    """Writes the log lines that a peer can cause.

    Args:
        concurrency: Starts the greenlet or thread that sums up.
        new_event: Makes an event of the same kind.
        clock: Returns the time in seconds; it never goes back.
        rate: The rate of lines of one peer.
    """

    def __init__(
        self,
        concurrency: Concurrency,
        new_event: Callable[[], Event],
        clock: Callable[[], float] = time.monotonic,
        rate: Rate = LINES,
    ) -> None:
        self._clock = clock
        self._rate = rate
        self._lock = native_lock()
        self._all = TokenBucket(ALL_LINES)
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()
        self._silences: OrderedDict[str, _Silence] = OrderedDict()
        self._timer = DeadlineTimer(concurrency, new_event, clock, self._next_summary, self._sum_up)

    def write(
        self, to: logging.Logger, level: int, peer: str, message: str, *args: Any, error: BaseException | None = None
    ) -> None:
        """Write a line, or count it if its peer has used up its rate.

        Args:
            to: The logger of the line's module.
            level: Its level.
            peer: The peer that caused it: an address, of which an IPv6 one counts by its /64, or a user from `user_peer`.
            message: The line's text, with placeholders for its arguments.
            args: Its arguments.
            error: The exception to log.
        """
        if not to.isEnabledFor(level):
            return
        if self._may_write(to, network(peer)):
            to.log(level, message, *args, exc_info=error)
        else:
            self._timer.wake()

    def _may_write(self, to: logging.Logger, peer: str) -> bool:
        now = self._clock()
        with self._lock:
            is_within_own = self._bucket(peer).take(now)
            if is_within_own and self._all.take(now):
                return True
            # A storm of many peers, none of which wrote too much, is summed up in one line.
            known = _OTHERS if is_within_own or not self._has_room(peer) else peer
            silence = self._silences.setdefault(known, _Silence(now, to))
            silence.logger = to
            silence.lines += 1
            return False

    def _has_room(self, peer: str) -> bool:
        return peer in self._silences or len(self._silences) < _PEERS

    def _bucket(self, peer: str) -> TokenBucket:
        bucket = self._buckets.setdefault(peer, TokenBucket(self._rate))
        self._buckets.move_to_end(peer)
        if len(self._buckets) > _PEERS:
            self._buckets.popitem(last=False)
        return bucket

    def _next_summary(self) -> float | None:
        with self._lock:
            first = next(iter(self._silences.values()), None)
        return None if first is None else first.since + SUMMARY_DELAY

    def _sum_up(self) -> None:
        """Write one summary; the timer calls again for the next one."""
        with self._lock:
            peer, silence = self._silences.popitem(last=False)
        seconds = self._clock() - silence.since
        silence.logger.warning("left out: lines=%d peer=%s seconds=%.0f", silence.lines, peer, seconds)


def user_peer(user_id: str, address: str) -> str:
    """Return the peer of a connection: its user, or without one its address."""
    return f"user {user_id}" if user_id else address
