"""The extension object."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast
from weakref import WeakSet

from flask import Flask, current_app, has_app_context
from flask_socketio import SocketIO
from gevent.monkey import is_module_patched

from flask_realtime.backends.memory import MemoryConversations, MemoryPresence
from flask_realtime.backends.queue import connect
from flask_realtime.backends.shared import Alone, Shared
from flask_realtime.checks import warn_at_start
from flask_realtime.config import PREFIX, TRANSPORT_SETTINGS, RealtimeConfig
from flask_realtime.emits import Emits
from flask_realtime.errors import ConfigError, NotInitialised, RegistrationError
from flask_realtime.gateway.control import Control
from flask_realtime.gateway.gateway import Gateway
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.server import check_adoptable, create_socketio
from flask_realtime.hooks import (
    SHARED_LIMIT,
    ApplicationEvent,
    AuthorizeJoin,
    Hooks,
    OnConnect,
    OnConversation,
    OnDisconnect,
    OnError,
    OnNotificationRead,
    OnNotificationsReadAll,
    OnUser,
    PresenceAudience,
    RevokedTokens,
)
from flask_realtime.signatures import describe

EXTENSION_KEY: Final = "realtime"

MethodT = TypeVar("MethodT", bound=Callable[..., Any])
HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])
AuthorizeJoinT = TypeVar("AuthorizeJoinT", bound=AuthorizeJoin)
OnConnectT = TypeVar("OnConnectT", bound=OnConnect)
OnDisconnectT = TypeVar("OnDisconnectT", bound=OnDisconnect)
OnUserT = TypeVar("OnUserT", bound=OnUser)
OnConversationT = TypeVar("OnConversationT", bound=OnConversation)
OnNotificationReadT = TypeVar("OnNotificationReadT", bound=OnNotificationRead)
OnNotificationsReadAllT = TypeVar("OnNotificationsReadAllT", bound=OnNotificationsReadAll)
PresenceAudienceT = TypeVar("PresenceAudienceT", bound=PresenceAudience)
RevokedTokensT = TypeVar("RevokedTokensT", bound=RevokedTokens)
OnErrorT = TypeVar("OnErrorT", bound=OnError)


def _named(usage: str) -> Callable[[MethodT], MethodT]:
    """Have a decorator that lacks its argument show how it is written."""

    def decorate(method: MethodT) -> MethodT:
        @wraps(method)
        def register(self: Realtime, *args: Any, **options: Any) -> Any:
            if not args and not options.keys() & {"hook", "event"}:
                name = method.__name__
                msg = f"realtime.{name} was called without an argument: write {usage.format(name)} above the function."
                raise RegistrationError(msg)
            return method(self, *args, **options)

        return cast("MethodT", register)

    return decorate


_hook: Final = _named("@realtime.{}, without parentheses,")


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


class Realtime(Emits):
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
        self._hooks = Hooks()
        self._adopted = socketio
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set the extension up on an application; its `REALTIME_*` configuration is read now, and only now.

        Args:
            app: The application.

        Raises:
            ConfigError: A setting cannot work, what is given is no application, or the extension is set up on it already.
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
        gateway = Gateway(app, self._socketio_for(app, config), config, self._hooks, _shared(config))
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
        if not gateway.parts.shared.is_local and not is_module_patched("socket"):
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
        self._gateway().parts.shared.check()

    @property
    def socketio(self) -> SocketIO:
        """The current application's Flask-SocketIO object, for whatever the extension does not wrap.

        Raises:
            NotInitialised: There is no current application, or more than one to choose from.
        """
        return self._gateway().parts.server.socketio

    def _socketio_for(self, app: Flask, config: RealtimeConfig) -> SocketIO:
        existing = app.extensions.get("socketio")
        if self._adopted is None:
            if existing is not None:
                msg = "The application has a SocketIO object already; pass it on: Realtime(socketio=...)."
                raise ConfigError(msg)
            socketio = create_socketio(config)
            socketio.init_app(app)
            return socketio
        _refuse_settings_of_the_adopted(app)
        if self._adopted.server is None:
            self._adopted.init_app(app)
        else:
            check_adoptable(self._adopted.server)
        if app.extensions.get("socketio") is not self._adopted:
            msg = "The SocketIO object belongs to another application; each application needs one of its own."
            raise ConfigError(msg)
        return self._adopted

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

    # Hooks --------------------------------------------------------------------------------------------------------------------

    @_hook
    def authorize_join(self, hook: AuthorizeJoinT) -> AuthorizeJoinT:
        """Register the hook that decides who may join a conversation, or ask who is online in it. There can be one.

        It gets the identity and the conversation's id, and returns True to admit; False or None refuses. Without it every join is
        refused.
        """
        return self._hooks.add("authorize_join", hook)

    @_hook
    def presence_audience(self, hook: PresenceAudienceT) -> PresenceAudienceT:
        """Register the hook that says who hears that a user came online or went offline. There can be one.

        It gets the user's id, and returns the ids of the users who are told, or None for everyone. If it fails, nobody is told.
        """
        return self._hooks.add("presence_audience", hook)

    @_hook
    def on_connect(self, hook: OnConnectT) -> OnConnectT:
        """Register a hook that is called for each authenticated connection before it is admitted.

        It gets the identity. It refuses by returning False, or by raising `ConnectionRefused` with plain words for the client; True
        or None admits. What it sends to the user arrives after the client's `connect` event. If it fails, the connection is
        refused.
        """
        return self._hooks.add("on_connect", hook)

    @_hook
    def on_disconnect(self, hook: OnDisconnectT) -> OnDisconnectT:
        """Register a hook that is told of each connection that is gone: the identity, and the reason as text."""
        return self._hooks.add("on_disconnect", hook)

    @_hook
    def on_user_online(self, hook: OnUserT) -> OnUserT:
        """Register a hook that is told the id of each user who came online: whose first connection was admitted."""
        return self._hooks.add("on_user_online", hook)

    @_hook
    def on_user_offline(self, hook: OnUserT) -> OnUserT:
        """Register a hook that is told the id of each user who went offline: whose last connection is gone."""
        return self._hooks.add("on_user_offline", hook)

    @_hook
    def on_join(self, hook: OnConversationT) -> OnConversationT:
        """Register a hook that is told the identity and the conversation's id when a connection has joined.

        If it raises, the connection is taken out again and the client gets the error.
        """
        return self._hooks.add("on_join", hook)

    @_hook
    def on_leave(self, hook: OnConversationT) -> OnConversationT:
        """Register a hook that is told the identity and the conversation's id when a connection has left, or is gone."""
        return self._hooks.add("on_leave", hook)

    @_hook
    def on_notification_read(self, hook: OnNotificationReadT) -> OnNotificationReadT:
        """Register a hook that stores that a notification was read; it gets the identity and the notification's id.

        It refuses by raising `NotFound` or another `EventError`; then none of the user's devices is told, and the sender gets the
        error.
        """
        return self._hooks.add("on_notification_read", hook)

    @_hook
    def on_notifications_read_all(self, hook: OnNotificationsReadAllT) -> OnNotificationsReadAllT:
        """Register a hook that stores that all of a user's notifications were read; it gets the identity.

        If it raises, none of the user's devices is told, and the sender gets the error.
        """
        return self._hooks.add("on_notifications_read_all", hook)

    @_hook
    def revoked_tokens(self, hook: RevokedTokensT) -> RevokedTokensT:
        """Register the hook that says which of some access tokens have been revoked. There can be one.

        It gets their ids, the `jti` claims of at most 100 connections, and returns those that are revoked; their connections
        end. It is asked every `REALTIME_REVOCATION_INTERVAL` seconds, in place of Flask-JWT-Extended's blocklist loader, which
        takes one token at a time. If it fails, no connection ends. When a client connects, the loader alone is asked.
        """
        return self._hooks.add("revoked_tokens", hook)

    @_hook
    def on_error(self, hook: OnErrorT) -> OnErrorT:
        """Register a hook that is told of each unexpected exception.

        It gets the exception, and the event's name and the identity where there are any, else None.
        """
        return self._hooks.add("on_error", hook)

    @_named("@realtime.{}('my:event')")
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


def _refuse_settings_of_the_adopted(app: Flask) -> None:
    for name in TRANSPORT_SETTINGS:
        key = PREFIX + name.upper()
        if key in app.config:
            msg = f"{key} does not reach an adopted SocketIO object; give that object its own option instead."
            raise ConfigError(msg)


def _shared(config: RealtimeConfig) -> Shared:
    if config.message_queue is None:
        return Alone(MemoryPresence(native_lock()), MemoryConversations(native_lock()))
    retention, lease = config.message_queue_retention, config.server_lease
    return connect(config.message_queue, channel=config.message_queue_channel, retention=retention, lease=lease)


def _refuse_cookies(app: Flask) -> None:
    locations = app.config.get("JWT_TOKEN_LOCATION", "headers")
    if "cookies" in ([locations] if isinstance(locations, str) else locations):
        msg = (
            "REALTIME_CORS_ALLOWED_ORIGINS, or the adopted SocketIO object, allows '*', and JWT_TOKEN_LOCATION has 'cookies': "
            "any web page could act as its visitor. List the origins that may connect."
        )
        raise ConfigError(msg)
