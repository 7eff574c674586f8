"""The extension object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar
from weakref import WeakSet

from flask import Flask, current_app, has_app_context
from flask_socketio import SocketIO
from gevent.monkey import is_module_patched

from flask_realtime.backends.backend import Backend, LocalBackend
from flask_realtime.backends.memory import MemoryConversations, MemoryPresence
from flask_realtime.backends.queue import connect
from flask_realtime.checks import warn_at_start
from flask_realtime.config import PREFIX, TRANSPORT_SETTINGS, RealtimeConfig
from flask_realtime.errors import ConfigError, NotInitialised, RegistrationError
from flask_realtime.feature.calls import Sending
from flask_realtime.feature.feature import SHARED_LIMIT, Feature
from flask_realtime.feature.hook import Hook, hook_decorator, named
from flask_realtime.features.authentication import AuthenticationCalls, AuthenticationHooks, authenticate, authentication
from flask_realtime.features.conversations import ConversationCalls, ConversationHooks, conversations
from flask_realtime.features.messages import MessageCalls, messages
from flask_realtime.features.notifications import NotificationCalls, NotificationHooks, notifications
from flask_realtime.features.orders import OrderCalls, orders
from flask_realtime.features.presence import PresenceCalls, PresenceHooks, presence
from flask_realtime.features.typing_indicators import typing_indicators
from flask_realtime.gateway.delivery.control import Control
from flask_realtime.gateway.gateway import Essential, Gateway
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.serving.server import check_existing, create_socketio
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
    notifications,
    orders,
    presence,
    authentication,
)
"""The features that every application has, in the order of the reference."""

_ESSENTIAL: Final = Essential(presence, authenticate)


class Calls(Sending, ConversationCalls, MessageCalls, NotificationCalls, OrderCalls, PresenceCalls, AuthenticationCalls):
    """The calls of the built-in features."""


class Realtime(Calls, ConversationHooks, NotificationHooks, PresenceHooks, AuthenticationHooks):
    """Real-time messaging, notifications, typing indicators and presence for Flask applications.

    One object may serve several applications: what belongs to one of them is kept in its `extensions`. The object holds the hooks,
    and remembers where it was initialised so that its methods work without an application context as long as there is one
    application.

    Args:
        app: The application, or None to call `init_app` later.
        socketio: A Flask-SocketIO object that the application already has; its own handlers go on working. One object can be
            adopted for one application.

    Raises:
        ConfigError: As for `init_app`.
    """

    def __init__(self, app: Flask | None = None, *, socketio: SocketIO | None = None) -> None:
        self._hooks = Hooks(BUILT_IN)
        self._existing = socketio
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set the extension up on an application; its `REALTIME_*` configuration is read now, and only now.

        Args:
            app: The application.

        Raises:
            ConfigError: A setting cannot work, what is given is no application, or the extension is set up on it already.
            RegistrationError: An event of a feature names a limit that is none.
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
        gateway = Gateway(app, self._socketio_for(app, config), config, self._hooks, _backend(config), _ESSENTIAL)
        if gateway.parts.server.allows_any_origin:
            _refuse_cookies(app)
        app.extensions[EXTENSION_KEY] = gateway
        warn_at_start(app, gateway)
        self._apps.add(app)

    def run(self, app: Flask, host: str = "127.0.0.1", port: int = 3000, **options: Any) -> None:
        """Serve an application under gevent, for development. Production has gunicorn; see the documentation.

        It prints where it listens. The caller should have called `gevent.monkey.patch_all()` before importing anything else:
        without it, which is logged as a warning, code that waits for a database or another server makes everybody wait.

        Args:
            app: The application.
            host: The address to listen on.
            port: The port to listen on.
            options: Passed on to `SocketIO.run`.

        Raises:
            ConfigError: There is a message queue, and `patch_all` was not called.
        """
        gateway = gateway_of(app)
        if not gateway.parts.backend.is_local and not is_module_patched("socket"):
            msg = (
                "With a message queue, waiting for it would hold up everybody: "
                "call gevent.monkey.patch_all() before importing anything else."
            )
            raise ConfigError(msg)
        gateway.parts.server.run(app, host, port, options)

    def check_message_queue(self) -> None:
        """Ask whether the message queue can be reached and takes what is written, which a health check wants.

        Waits a second or two at most. It is tried with a real write to Redis, or a message to a broker, once a second at most;
        whoever asks meanwhile shares the outcome.

        Raises:
            BackendUnavailable: It cannot, or does not; the text says why. Without `REALTIME_MESSAGE_QUEUE` nothing can fail.
        """
        self._gateway().parts.backend.check()

    @property
    def socketio(self) -> SocketIO:
        """The current application's Flask-SocketIO object, for whatever the extension does not wrap.

        Raises:
            NotInitialised: There is no current application, or more than one to choose from.
        """
        return self._gateway().parts.server.socketio

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
            "This Realtime object serves several applications: push the application context of the one that is meant."
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
            RegistrationError: There is one already where there can be one only, it comes after the first connection, or it is a
                coroutine function.
        """

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
        if self._apps:
            msg = f"The feature {feature.name!r} was registered after init_app and would not be served; register it before."
            raise RegistrationError(msg)
        self._hooks.add_feature(feature)

    @hook_decorator
    def on_connect(self, hook: OnConnectT) -> OnConnectT:
        """Register a hook that is called for each authenticated connection before it is admitted.

        It gets the identity. It refuses by returning False, or by raising `ConnectionRefused` with plain words for the client; True
        or None admits. What it sends to the user arrives after the client's `connect` event. If it fails, the connection is
        refused.
        """
        return self._hooks.add(ON_CONNECT, hook)

    @hook_decorator
    def on_disconnect(self, hook: OnDisconnectT) -> OnDisconnectT:
        """Register a hook that is told of each connection that is gone: the identity, and the reason as text."""
        return self._hooks.add(ON_DISCONNECT, hook)

    @hook_decorator
    def on_error(self, hook: OnErrorT) -> OnErrorT:
        """Register a hook that is told of each unexpected exception.

        It gets the exception, and the event's name and the identity where there are any, else None.
        """
        return self._hooks.add(ON_ERROR, hook)

    @named("@realtime.{}('my:event')")
    def on(
        self, event: str, *, payload: Any = None, binary: bool = False, limit: str | None = SHARED_LIMIT
    ) -> Callable[[HandlerT], HandlerT]:
        """Register a handler for an event of the application's own.

        It gets the identity and the event's arguments. What it returns is what the client's callback gets; None stands for
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
            RegistrationError: The name is taken or none, the limit is no rate, pydantic is needed and not installed, or the handler
                cannot be called with what it gets.
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
        return LocalBackend(MemoryPresence(native_lock()), MemoryConversations(native_lock()))
    retention, lease = config.message_queue_retention, config.server_lease
    return connect(config.message_queue, channel=config.message_queue_channel, retention=retention, lease=lease)


def _refuse_cookies(app: Flask) -> None:
    locations = app.config.get("JWT_TOKEN_LOCATION", "headers")
    if "cookies" in ([locations] if isinstance(locations, str) else locations):
        msg = (
            "REALTIME_CORS_ALLOWED_ORIGINS, or the existing SocketIO object, allows '*', and JWT_TOKEN_LOCATION has 'cookies': "
            "any web page could act as its visitor. List the origins that may connect."
        )
        raise ConfigError(msg)
