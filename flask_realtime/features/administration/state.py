"""State of the administration in one application: who watches, where, and what they may do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from secrets import token_urlsafe
from typing import Any, Final

from flask_realtime.errors import Forbidden, UnknownEvent
from flask_realtime.feature.connections import ServedConnection
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.administration.actions import Actions, check
from flask_realtime.features.administration.audience import Audience
from flask_realtime.features.administration.events import (
    CONFIG,
    DISCONNECT,
    EMIT,
    JOIN,
    LEAVE,
    NAMESPACE,
    SESSION,
    Action,
    Item,
    config_payload,
    parse_action,
    parse_log_in,
)
from flask_realtime.features.administration.leases import RENEWAL_SECONDS, Leases
from flask_realtime.features.administration.login import SESSION_SECONDS, LogIns
from flask_realtime.features.administration.reporter import Reporter
from flask_realtime.features.administration.settings import AdminSettings, read_settings
from flask_realtime.features.authentication import AUTH_REFRESH
from flask_realtime.identity import Identity
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

WATCH: Final = "watch"
UNWATCH: Final = "unwatch"
LIST: Final = "list"
REPORT: Final = "report"
ACT: Final = "act"

_NEW_SESSION: Final = "new session"


class Administration:
    """The administration, which does nothing where `REALTIME_ADMIN` is not set.

    ::

        page ─► its server ── watch, list, act ──► every server: observe, list, act
        page ◄─ its server ◄─────── report ─────── every server, as long as the lease of a watching one lasts

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        settings = read_settings(context.config.admin)
        self.watch: Watch | None = None
        if settings is not None:
            self.watch = Watch(context, settings)
            context.serve_namespace(NAMESPACE, self.watch, is_counted=False)


class Watch:
    """Serves the administrators' namespace, and what servers tell each other because of it.

    Args:
        context: The surroundings of the feature.
        settings: The log-in, and what it allows.
    """

    def __init__(self, context: FeatureContext, settings: AdminSettings) -> None:
        self._context = context
        self._settings = settings
        record = context.record("sessions", ttl=SESSION_SECONDS)
        self._log_ins = LogIns(settings, record, context.compute, context.lock(), context.clock)
        self._actions = Actions(context)
        self._audience = Audience(context, self._load)
        self._reporter = Reporter(context, self._report, frozenset({AUTH_REFRESH}), shows_events=settings.is_development)
        self._leases = Leases()
        self._renew_at = 0.0
        self._timer = context.timer(self._next_deadline, self._do_due)

    @cached_property
    def _origin(self) -> str:
        # Made when it is first needed: workers are forked before.
        return token_urlsafe(8)

    @property
    def is_watched(self) -> bool:
        """True while somebody watches this server."""
        return self._reporter.is_running

    # The namespace ------------------------------------------------------------------------------------------------------------

    def authenticate(self, auth: object, address: str) -> Identity:
        """Check a log-in; see `ServedNamespace`."""
        return Identity("", {_NEW_SESSION: self._log_ins.authenticate(parse_log_in(auth), address)})

    def connected(self, caller: ServedConnection) -> None:
        """Begin to tell an administrator what happens."""
        settings = self._settings
        self._audience.add(caller)
        if session_id := caller.identity.claims[_NEW_SESSION]:
            self._audience.send(caller.id, (SESSION, (session_id,)))
        payload = config_payload(is_development=settings.is_development, is_read_only=settings.is_read_only)
        self._audience.send(caller.id, (CONFIG, (payload,)))
        self._renew()
        if settings.is_development:
            self._audience.load(caller.id)
        self._timer.wake_by(self._context.clock())

    def receive(self, caller: ServedConnection, event: str, args: list[Any]) -> object:
        """Perform an action, on every server."""
        if event not in {EMIT, JOIN, LEAVE, DISCONNECT}:
            msg = f"The server does not know the event {event}"
            raise UnknownEvent(msg)
        if self._settings.is_read_only:
            msg = "The administration is read-only"
            raise Forbidden(msg)
        action = parse_action(event, args)
        check(action)
        told = (action.kind, action.namespace, action.room, caller.id, caller.address)
        logger.info("administration: action=%s namespace=%s room=%s by=%s address=%s", *told)
        self._context.everywhere(ACT, *action)
        return {"ok": True}

    def disconnected(self, caller: ServedConnection) -> None:
        """Stop all servers' reports with the last administrator."""
        self._audience.remove(caller)
        if not self._audience:
            self._context.elsewhere(UNWATCH, self._origin)
            self._stop_if_unwatched()

    # What servers tell each other -----------------------------------------------------------------------------------------------

    def watched_by(self, other: str) -> None:
        """Report to another server from now on."""
        self._leases.renew(other, self._context.clock())
        self._reporter.start()
        self._timer.wake_by(self._context.clock())

    def unwatched_by(self, other: str) -> None:
        """Report to another server no more."""
        self._leases.end(other)
        self._stop_if_unwatched()

    def list_for(self, admin_id: str) -> None:
        """List this server's connections to an administrator, wherever that is."""
        self._reporter.start()
        self._reporter.list_for(admin_id)
        self._timer.wake_by(self._context.clock())

    def take(self, origin: str, admin_id: str | None, items: Sequence[Item]) -> None:
        """Tell the administrators here what a server reports."""
        if self._audience:
            self._audience.take(origin, admin_id, items)
            self._wake()

    def act(self, action: Action) -> None:
        """Perform an action on this server's connections."""
        self._actions.perform(action)

    def _report(self, admin_id: str | None, items: list[Item]) -> None:
        if self._leases:
            self._context.elsewhere(REPORT, self._origin, admin_id, items)
        self.take(self._origin, admin_id, items)

    def _load(self, admin_id: str) -> None:
        self._context.everywhere(LIST, admin_id)

    def _renew(self) -> None:
        self._renew_at = self._context.clock() + RENEWAL_SECONDS
        self._reporter.start()
        self._context.elsewhere(WATCH, self._origin)

    def _stop_if_unwatched(self) -> None:
        if not self._audience and not self._leases:
            self._reporter.stop()

    def _wake(self) -> None:
        deadline = self._next_deadline()
        if deadline is not None:
            self._timer.wake_by(deadline)

    def _next_deadline(self) -> float | None:
        renewal = self._renew_at if self._audience else None
        deadlines = (renewal, self._reporter.next_deadline(), self._audience.next_deadline(), self._leases.next_end())
        return min((due for due in deadlines if due is not None), default=None)

    def _do_due(self) -> tuple[()]:
        now = self._context.clock()
        self._leases.expire(now)
        self._stop_if_unwatched()
        if self._audience and now >= self._renew_at:
            self._renew()
        self._reporter.report_due()
        self._audience.do_due()
        return ()
