"""The extension object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar
from weakref import WeakSet

from flask import Flask, current_app, has_app_context
from flask_socketio import SocketIO
from gevent.monkey import is_module_patched

from flask_realtime.backends.backend import Backend, LocalBackend
from flask_realtime.backends.memory import MemoryConnectedUsers, MemoryRecord, MemoryTracker
from flask_realtime.backends.queue import connect
from flask_realtime.checks import warn_at_start
from flask_realtime.config import PREFIX, TRANSPORT_SETTINGS, RealtimeConfig
from flask_realtime.errors import ConfigError, NotInitialised, RegistrationError
from flask_realtime.feature.calls import Sending
from flask_realtime.feature.feature import SHARED_LIMIT, Feature
from flask_realtime.feature.hook import Hook, hook_decorator, named
from flask_realtime.features.administration import administration
from flask_realtime.features.analytics import AnalyticsHooks, analytics
from flask_realtime.features.authentication import AuthenticationCalls, AuthenticationHooks, authentication
from flask_realtime.features.conversations import ConversationCalls, ConversationHooks, conversations
from flask_realtime.features.log import LogCalls, log
from flask_realtime.features.messages import MessageCalls, MessageHooks, messages
from flask_realtime.features.notifications import NotificationCalls, NotificationHooks, notifications
from flask_realtime.features.orders import OrderCalls, orders
from flask_realtime.features.presence import PresenceCalls, PresenceHooks, presence
from flask_realtime.features.reactions import reactions
from flask_realtime.features.receipts import ReceiptCalls, ReceiptHooks, receipts
from flask_realtime.features.search import search
from flask_realtime.features.typing_indicators import typing_indicators
from flask_realtime.gateway.delivery.control import Control
from flask_realtime.gateway.gateway import Essential, Gateway
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.parts import ChooseParts
from flask_realtime.gateway.recovery.setup import recovery_options
from flask_realtime.gateway.serving.existing import check_existing
from flask_realtime.gateway.serving.factory import create_socketio
from flask_realtime.hooks import ON_CONNECT, ON_DISCONNECT, ON_ERROR, ApplicationEvent, Hooks, OnConnect, OnDisconnect, OnError
from flask_realtime.signatures import describe

EXTENSION_KEY: Final = "realtime"

HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])
OnConnectT = TypeVar("OnConnectT", bound=OnConnect)
OnDisconnectT = TypeVar("OnDisconnectT", bound=OnDisconnect)
OnErrorT = TypeVar("OnErrorT", bound=OnError)


def gateway_of(app: Flask) -> Gateway:
    """Return an application's gateway.

    Raises:
        NotInitialised: `init_app` was not called on it.
    """
    gateway = app.extensions.get(EXTENSION_KEY)
    if not isinstance(gateway, Gateway):
        msg = f"flask_realtime is not set up on the application {app.name!r}. Did you forget to call 'init_app'?"
        raise NotInitialised(msg)
    return gateway


def current_gateway() -> Gateway:
    """Return the current application's gateway.

    Raises:
        NotInitialised: There is no current application, or it has none.
    """
    if not has_app_context():
        msg = "There is no current application: push an application context, or call the Realtime object's method."
        raise NotInitialised(msg)
    return gateway_of(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 - the documented way


BUILT_IN: Final[tuple[Feature[Any], ...]] = (
    conversations,
    typing_indicators,
    messages,
    receipts,
    reactions,
    notifications,
    orders,
    log,
    search,
    presence,
    authentication,
    administration,
    analytics,
)
"""The features that every application has, in the order of the reference."""

_ESSENTIAL: Final = Essential(presence, authentication)


class Calls(
    Sending,
    ConversationCalls,
    MessageCalls,
    ReceiptCalls,
    NotificationCalls,
    OrderCalls,
    PresenceCalls,
    LogCalls,
    AuthenticationCalls,
):
    """The calls of the built-in features."""


class Realtime(
    Calls, ConversationHooks, MessageHooks, ReceiptHooks, NotificationHooks, PresenceHooks, AuthenticationHooks, AnalyticsHooks
):
    """Real-time messaging, notifications, typing indicators and presence for Flask applications.

    One object may serve several applications: their state is kept in each one's `extensions`. The object holds the hooks,
    and remembers where it was initialised so that its methods work without an application context as long as there is one
    application.

    Args:
        app: The application, or None to call `init_app` later.
        socketio: A Flask-SocketIO object that the application already has; its own handlers keep working. One object can be
            adopted for one application.

    Raises:
        ConfigError: As for `init_app`.
    """

    def __init__(self, app: Flask | None = None, *, socketio: SocketIO | None = None) -> None:
        self._hooks = Hooks(BUILT_IN)
        self._choose_parts: ChooseParts | None = None
        self._existing = socketio
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set the extension up on an application: read its `REALTIME_*` settings; later changes have no effect.

        Args:
            app: The application.

        Raises:
            ConfigError: A setting cannot work, the argument is not a Flask application, or the extension is set up on it already.
            RegistrationError: The limit of a feature's event is not a rate.
        """
        if not isinstance(app, Flask):
            msg = (
                f"Realtime is set up on a Flask application, not on {app!r}: Realtime(app), or Realtime(socketio=...) to adopt one."
            )
            raise ConfigError(msg)
        if EXTENSION_KEY in app.extensions:
            msg = f"flask_realtime is set up on the application {app.name!r} already; call init_app once."
            raise ConfigError(msg)
        config = RealtimeConfig.from_mapping(app.config)
        gateway = Gateway(
            app, self._socketio_for(app, config), config, self._hooks, _backend(config), _ESSENTIAL, self._choose_parts
        )
        gateway.workers.watch(gateway.control.state_of(log).figures)
        jobs = gateway.control.state_of(notifications)
        gateway.workers.watch(jobs.figures)
        jobs.on_jobs = gateway.workers.on_jobs
        if gateway.allows_any_origin:
            _refuse_cookies(app)
        app.extensions[EXTENSION_KEY] = gateway
        warn_at_start(app, gateway)
        self._apps.add(app)

    def run(self, app: Flask, host: str = "127.0.0.1", port: int = 3000, **options: Any) -> None:
        """Serve an application under gevent, for development. Use gunicorn in production; see the documentation.

        It prints the address. Call `gevent.monkey.patch_all()` before importing anything else: without it, which is logged as
        a warning, code that waits for a database or another server blocks every connection.

        Args:
            app: The application.
            host: The address to listen on.
            port: The port to listen on.
            options: Passed on to `SocketIO.run`.

        Raises:
            ConfigError: There is a message queue, and `patch_all` was not called.
            SystemExit: The server cannot listen there; the message says why.
        """
        gateway = gateway_of(app)
        if not gateway.backend.is_local and not is_module_patched("socket"):
            msg = (
                "REALTIME_MESSAGE_QUEUE needs gevent.monkey.patch_all() before any other import: "
                "otherwise waiting for the queue blocks every connection."
            )
            raise ConfigError(msg)
        gateway.run(app, host, port, options)

    def check_message_queue(self) -> None:
        """Check that the message queue can be reached and accepts writes, for health checks.

        Waits a second or two at most. It tries a real write to Redis, or a message to a broker, once a second at most;
        concurrent calls share the outcome.

        Raises:
            BackendUnavailable: It cannot, or does not; the message says why. Without `REALTIME_MESSAGE_QUEUE` nothing can fail.
        """
        self._gateway().backend.check()

    @property
    def socketio(self) -> SocketIO:
        """The current application's Flask-SocketIO object, for whatever the extension does not wrap.

        Raises:
            NotInitialised: There is no current application, or more than one to choose from.
        """
        return self._gateway().socketio

    def _socketio_for(self, app: Flask, config: RealtimeConfig) -> SocketIO:
        existing = app.extensions.get("socketio")
        if self._existing is None:
            if existing is not None:
                msg = "The application has a SocketIO object already; pass it on: Realtime(socketio=...)."
                raise ConfigError(msg)
            socketio = create_socketio(config)
            socketio.init_app(app)
            return socketio
        _refuse_settings_of_existing(app)
        if self._existing.server is None:
            self._existing.init_app(app)
        else:
            check_existing(self._existing.server)
        if app.extensions.get("socketio") is not self._existing:
            msg = "The SocketIO object belongs to another application; each application needs one of its own."
            raise ConfigError(msg)
        return self._existing

    def _target(self) -> Control:
        return self._gateway().control

    def _gateway(self) -> Gateway:
        if has_app_context():
            return current_gateway()
        apps = list(self._apps)
        if len(apps) == 1:
            return gateway_of(apps[0])
        msg = (
            "This Realtime object serves several applications: push the application context of one of them."
            if apps
            else "flask_realtime is not set up on an application. Did you forget to call 'init_app'?"
        )
        raise NotInitialised(msg)

    # Hooks and features -------------------------------------------------------------------------------------------------------

    def hook(self, hook: Hook) -> Callable[[HandlerT], HandlerT]:
        """Register a function for a feature's hook.

        Args:
            hook: The hook, as `Feature.hook` returned it.

        Raises:
            RegistrationError: A single hook has a function already, it comes after the first connection, or it is a
                coroutine function; or `hook` is no hook.
        """
        if not isinstance(hook, Hook):
            msg = f"realtime.hook takes a hook, as Feature.hook returned it, not {hook!r}; write a built-in one @realtime.on_join."
            raise RegistrationError(msg)

        def register(function: HandlerT) -> HandlerT:
            return self._hooks.add(hook, function)

        return register

    def register(self, feature: Feature[Any]) -> None:
        """Add a feature, and those that it requires, to the applications that this object is initialised on from now on.

        Args:
            feature: The feature; it takes no further declarations.

        Raises:
            RegistrationError: An application is initialised already, or the feature's name or one of its events is taken.
        """
        if not isinstance(feature, Feature):
            msg = f"realtime.register takes a Feature, not {feature!r}."
            raise RegistrationError(msg)
        if self._apps:
            msg = (
                f"The feature {feature.name!r} was registered after init_app and would not be served; register it before init_app."
            )
            raise RegistrationError(msg)
        self._hooks.add_feature(feature)

    def replace_parts(self, choose_parts: ChooseParts) -> None:
        """Replace parts of the gateways of the applications that this object is initialised on from now on.

        It is how `flask_realtime.tracing` gets at what it records; there is no need for it in an application.

        Args:
            choose_parts: Returns the parts of one of them.

        Raises:
            RegistrationError: An application is initialised already.
        """
        if self._apps:
            msg = "It was called after init_app and would record nothing; call it before: Realtime(), then it, then init_app(app)."
            raise RegistrationError(msg)
        self._choose_parts = choose_parts

    @hook_decorator
    def on_connect(self, hook: OnConnectT) -> OnConnectT:
        """Register a hook that is called for each authenticated connection before it is admitted.

        It gets the identity. It refuses by returning False, or by raising `ConnectionRefused` with plain words for the client; True
        or None admits. Events that it sends to the user arrive after the client's `connect` event. If it fails, the connection is
        refused.
        """
        return self._hooks.add(ON_CONNECT, hook)

    @hook_decorator
    def on_disconnect(self, hook: OnDisconnectT) -> OnDisconnectT:
        """Register a hook that is called for each closed connection, with the identity, and the reason as text."""
        return self._hooks.add(ON_DISCONNECT, hook)

    @hook_decorator
    def on_error(self, hook: OnErrorT) -> OnErrorT:
        """Register a hook that is called for each unexpected exception.

        It gets the exception, and the event's name and the identity if there are any, else None.
        """
        return self._hooks.add(ON_ERROR, hook)

    @named("@realtime.{}('my:event')")
    def on(
        self, event: str, *, payload: Any = None, binary: bool = False, limit: str | None = SHARED_LIMIT
    ) -> Callable[[HandlerT], HandlerT]:
        """Register a handler for an event of the application's own.

        It gets the identity and the event's arguments. Its return value is passed to the client's callback; None stands for
        `{"ok": true}`. It refuses by raising an `EventError`. Arguments that its signature does not take are answered
        `bad_request`.

        Args:
            event: The event's name.
            payload: The type of the only argument: a dataclass, pydantic model, or anything else that pydantic can
                check. The handler gets the checked value; anything that does not fit is answered `bad_request`.
            binary: Whether clients may send binary attachments with it, which arrive as `bytes`.
            limit: How often one user may send it, all connections together, instead of the limits of application events:
                `"5/minute"`, or `"5/minute, burst 10"`. None for no limit.

        Raises:
            RegistrationError: The name is taken or invalid, the limit is not a rate, pydantic is needed and not installed or
                cannot check the payload, or the handler cannot be called with its arguments.
        """
        if callable(event):
            msg = f"on takes the event's name: write @realtime.on('my:event') above {describe(event)}, not @realtime.on."
            raise RegistrationError(msg)

        def register(handler: HandlerT) -> HandlerT:
            self._hooks.add_event(ApplicationEvent(event, handler, payload, binary, limit))
            return handler

        return register


def _refuse_settings_of_existing(app: Flask) -> None:
    for name in TRANSPORT_SETTINGS:
        key = PREFIX + name.upper()
        if key in app.config:
            msg = f"{key} does not reach an existing SocketIO object; give that object its own option instead."
            raise ConfigError(msg)


def _backend(config: RealtimeConfig) -> Backend:
    if config.message_queue is None:
        return LocalBackend(
            MemoryConnectedUsers(native_lock()), lambda: MemoryTracker(native_lock()), lambda ttl: MemoryRecord(ttl, native_lock())
        )
    retention, lease = config.message_queue_retention, config.server_lease
    channel, recovery = config.message_queue_channel, recovery_options(config)
    return connect(
        config.message_queue,
        channel=channel,
        retention=retention,
        lease=lease,
        recovery=recovery,
        direct_links=config.direct_links,
        offline_delay=config.offline_delay,
    )


def _refuse_cookies(app: Flask) -> None:
    locations = app.config.get("JWT_TOKEN_LOCATION", "headers")
    if "cookies" in ([locations] if isinstance(locations, str) else locations):
        msg = (
            "REALTIME_CORS_ALLOWED_ORIGINS, or the existing SocketIO object, allows '*', and JWT_TOKEN_LOCATION has 'cookies': "
            "any web page could act as its visitor. List the origins that may connect."
        )
        raise ConfigError(msg)
