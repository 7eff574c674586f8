"""The `Feature` class."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

from flask_realtime.contract.answers import Acknowledgement
from flask_realtime.contract.effects import Effect
from flask_realtime.contract.events import MAX_EVENT_NAME_LENGTH, OWN_PREFIX, RESERVED_NAMES, IncomingEvent, OutgoingEvent
from flask_realtime.contract.parsing import Parse
from flask_realtime.errors import RegistrationError
from flask_realtime.feature.context import FeatureContext
from flask_realtime.feature.hook import Hook
from flask_realtime.feature.payloads import parser_of
from flask_realtime.feature.routes import Route
from flask_realtime.signatures import check_factory, check_hook

StateT = TypeVar("StateT")
PayloadT = TypeVar("PayloadT")
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
Listener = Callable[..., "Iterable[Effect] | None"]
ListenerT = TypeVar("ListenerT", bound=Listener)

_STATE_AND_CALLER: Final = 2

_LIFE_CYCLE: Final = {"connect": "on_connect is its hook.", "disconnect": "on_disconnect is its hook."}

SHARED_LIMIT: Final = "application"
"""The limit of an event that has none of its own: all such events share one allowance."""


@dataclass(frozen=True)
class Listeners:
    """Listeners of a feature to connections and to the server: functions that never wait, and may return events to send."""

    admitted: list[Listener] = field(default_factory=list)
    connected: list[Listener] = field(default_factory=list)
    recovered: list[Listener] = field(default_factory=list)
    joined: list[Listener] = field(default_factory=list)
    left: list[Listener] = field(default_factory=list)
    disconnected: list[Listener] = field(default_factory=list)
    serving: list[Listener] = field(default_factory=list)
    relayed: dict[str, Callable[..., object]] = field(default_factory=dict)


class Feature(Generic[StateT]):
    """A part of an application: its events in both directions, its handlers, hooks and state.

    Like Flask's `Blueprint` it records what is declared on it. `Realtime.register` adds it to the applications that a `Realtime`
    object is initialised on, each of which gets its own state.

    Args:
        name: The feature's name; no two features of an application share one.
        state: Makes the state of one application from a `FeatureContext`.
        requires: Features whose states this one uses; they are registered with it.
        section: The heading of its events in the reference.

    Raises:
        RegistrationError: `state` cannot be called with a context.
    """

    def __init__(
        self,
        name: str,
        *,
        state: Callable[[FeatureContext], StateT],
        requires: Sequence[Feature[Any]] = (),
        section: str | None = None,
    ) -> None:
        check_factory(f"{name}: state", state, ("context",))
        self.name: Final = name
        self.requires: Final = tuple(requires)
        self.section: Final = section or name.replace("_", " ").capitalize()
        self.make_state: Final[Callable[[FeatureContext], StateT]] = state
        self.incoming: Final[dict[str, IncomingEvent]] = {}
        self.requests: Final[dict[str, IncomingEvent]] = {}
        self.routes: Final[list[Route]] = []
        self.outgoing_events: Final[dict[str, OutgoingEvent[Any]]] = {}
        self.commands: Final[dict[str, Callable[..., object]]] = {}
        self.hooks: Final[dict[str, Hook]] = {}
        self.listeners: Final = Listeners()
        self._is_sealed = False

    def __repr__(self) -> str:
        return f"<Feature {self.name}>"

    def event(  # noqa: PLR0913 - what an event can say of itself; all but the name have defaults
        self,
        name: str,
        *,
        payload: Any = None,
        parse: Parse | None = None,
        argument: str = "payload",
        answer: Any = Acknowledgement,
        limit: str | None = SHARED_LIMIT,
        binary: bool = False,
        inline: bool | Callable[[FeatureContext], bool] = False,
        app_context: bool = True,
        summary: str | None = None,
        hint: str = "",
        in_every_namespace: bool = False,
    ) -> Callable[[FunctionT], FunctionT]:
        """Declare an event that clients send, and register its handler.

        The handler gets the feature's state, the `Caller`, and the payload where there is one. It returns an `Outcome`, or just the
        answer; None stands for `{"ok": true}`. It refuses by raising an `EventError`.

        Args:
            name: The event's name on the wire.
            payload: The type of the only argument: a dataclass, pydantic model, or anything else that pydantic can check. None for
                an event without arguments.
            parse: Checks the arguments in place of pydantic: gets their list and the settings, and returns the handler's payload,
                or raises `BadRequest`. The declared payload is then only a description.
            argument: The argument's name in the reference and in TypeScript.
            answer: The type of the answer, for the reference and TypeScript.
            limit: How often one user may send it, as a rate such as `"5/minute"`; the name of a limit of `REALTIME_LIMITS` that it
                draws on; or None for no limit.
            binary: Whether it may carry binary attachments, which arrive as `bytes`.
            inline: Whether the handler never waits, or a function of the context that says so, asked when the first client
                connects. It is then called at once, in the event loop and without an application context: a database, another
                server or a sleep would block every connection.
            app_context: Whether the handler is called in an application context; one that only asks hooks needs none.
            summary: The event's description in the reference; by default the first paragraph of the handler's docstring.
            hint: The advice of the error when a handler of this name is registered with `Realtime.on`: which hooks it asks.
            in_every_namespace: Whether it exists in the application's own namespaces too, which it registers through
                `Realtime.socketio`.

        Raises:
            RegistrationError: The name is taken or reserved, the handler cannot be called with its arguments, or the feature is
                registered already. A limit that is not a rate is an error of `init_app`, which knows the limits' names.
        """
        self._require_open(f"event({name!r})")
        check_name(name)
        if name in self.incoming:
            msg = f"{self.name}: the event {name!r} has a handler already."
            raise RegistrationError(msg)
        parsed = ("state", "caller", "payload") if payload is not None or parse is not None else ("state", "caller")

        def register(handler: FunctionT) -> FunctionT:
            self._require_takes(handler, parsed, f"event({name!r})")
            self.incoming[name] = IncomingEvent(
                name=name,
                handler=handler,
                parse=parse or parser_of(name, payload, f"{self.name}: event({name!r})"),
                has_payload=len(parsed) > _STATE_AND_CALLER,
                payload=payload,
                argument=argument,
                answer=answer,
                limit=limit,
                binary=binary,
                inline=inline,
                app_context=app_context,
                summary=summary if summary is not None else _first_paragraph(handler),
                hint=hint,
                in_every_namespace=in_every_namespace,
            )
            return handler

        return register

    def request(  # noqa: PLR0913 - as above
        self,
        method: str,
        path: str,
        *,
        payload: Any,
        parse: Parse,
        answer: Any,
        limit: str | None = SHARED_LIMIT,
        status: HTTPStatus = HTTPStatus.OK,
        summary: str | None = None,
    ) -> Callable[[FunctionT], FunctionT]:
        """Declare an HTTP request that no event does, and register its handler, which is as for `event`.

        Args:
            method: The HTTP method.
            path: The path; see `Route`.
            payload: The type of its payload: what is in the path, the query or the JSON body.
            parse: Checks the payload, of which the values in path and query are text; see `event`.
            answer: The type of the response's body; None for the status 204.
            limit: As for `event`.
            status: The status of a successful response.
            summary: As for `event`.

        Raises:
            RegistrationError: There is such a request already, or the handler cannot be called with its arguments.
        """
        name = f"{method} {path}"
        self._require_open(f"request({name!r})")
        if name in self.requests:
            msg = f"{self.name}: the request {name!r} has a handler already."
            raise RegistrationError(msg)

        def register(handler: FunctionT) -> FunctionT:
            self._require_takes(handler, ("state", "caller", "payload"), f"request({name!r})")
            self.requests[name] = IncomingEvent(
                name=name,
                handler=handler,
                parse=parse,
                has_payload=True,
                payload=payload,
                argument="payload",
                answer=answer,
                limit=limit,
                binary=False,
                inline=False,
                app_context=True,
                summary=summary if summary is not None else _first_paragraph(handler),
                hint="",
            )
            self.routes.append(Route(method, path, name, status))
            return handler

        return register

    def add_routes(self, *routes: Route) -> None:
        """Declare HTTP requests that do what events of this feature do.

        Raises:
            RegistrationError: There is no such event, or the feature is registered already.
        """
        for route in routes:
            self._require_open(f"add_routes({route.path!r})")
            if route.name not in self.incoming:
                msg = f"{self.name}: there is no event {route.name!r} for {route.method} {route.path}; declare it first."
                raise RegistrationError(msg)
            self.routes.append(route)

    def repeats(self, name: str) -> Callable[[FunctionT], FunctionT]:
        """Register a fast path for an inline event that clients repeat unchanged, such as `typing:start`.

        The function gets the state, the caller, the payload, and the caller's allowance. It returns None, or a function that
        handles the event again and returns whether it could: if not, the event is handled like any other.

        Args:
            name: The event, whose handler is registered already.
        """
        self._require_open(f"repeats({name!r})")

        def register(function: FunctionT) -> FunctionT:
            self.incoming[name] = replace(self.incoming[name], repeat=function)
            return function

        return register

    def outgoing(  # noqa: PLR0913 - as above
        self,
        name: str,
        payload: Any,
        *,
        audience: str,
        summary: str,
        argument: str = "payload",
        volatile: bool = False,
    ) -> OutgoingEvent[Any]:
        """Declare an event that the server sends.

        Args:
            name: The event's name on the wire.
            payload: The type of its only argument; None for an event without arguments.
            audience: The receivers, for the reference.
            summary: When it is sent, for the reference.
            argument: The argument's name in the reference and in TypeScript.
            volatile: Whether it may be dropped for a client that is far behind.

        Raises:
            RegistrationError: The name is taken or reserved, or the feature is registered already.
        """
        event: OutgoingEvent[Any] = OutgoingEvent(name, payload, audience, summary, argument, volatile=volatile)
        self.add_outgoing(event)
        return event

    def add_outgoing(self, *events: OutgoingEvent[Any]) -> None:
        """Declare existing outgoing events, such as those of a module of their own."""
        for event in events:
            self._require_open(f"outgoing({event.name!r})")
            check_name(event.name)
            if event.name in self.outgoing_events:
                msg = f"{self.name}: the outgoing event {event.name!r} is declared already."
                raise RegistrationError(msg)
            self.outgoing_events[event.name] = event

    def hook(self, name: str, parameters: Sequence[str], *, single: bool = False, default: Any = None) -> Hook:
        """Declare a hook, for which an application registers functions with `Realtime.hook`.

        Args:
            name: The hook's name, for errors and the log.
            parameters: The names of its functions' arguments, by position.
            single: Whether it has at most one function, whose return value is used.
            default: The value if there is no function, or it returns None.
        """
        return self.add_hook(Hook(f"{self.name}.{name}", tuple(parameters), single, default))

    def add_hook(self, hook: Hook) -> Hook:
        """Declare an existing hook."""
        self._require_open(f"hook({hook.name!r})")
        self.hooks[hook.name] = hook
        return hook

    def command(self, name: str) -> Callable[[FunctionT], FunctionT]:
        """Register a function that `FeatureContext.everywhere` runs on every server; it gets the state and JSON arguments."""
        self._require_open(f"command({name!r})")

        def register(function: FunctionT) -> FunctionT:
            self.commands[name] = function
            return function

        return register

    def on_admitted(self, listener: ListenerT) -> ListenerT:
        """Register a listener for each connection of a user, in any namespace; as for `on_connected`."""
        return self._listen(self.listeners.admitted, listener, ("state", "caller"))

    def on_connected(self, listener: ListenerT) -> ListenerT:
        """Register a listener for each connection, called once its client has been told that it is connected.

        It gets the state and the `Caller`, must not wait, and may return events to send.
        """
        return self._listen(self.listeners.connected, listener, ("state", "caller"))

    def on_recovered(self, listener: ListenerT) -> ListenerT:
        """Register a listener for each connection whose client came back after a loss, and is in the same rooms as before.

        It is called after the listeners of `on_connected`, which a connection whose loss was not noticed does not reach again. It
        may wait; otherwise as for `on_connected`.
        """
        return self._listen(self.listeners.recovered, listener, ("state", "caller"))

    def on_joined(self, listener: ListenerT) -> ListenerT:
        """Register a listener for each connection that joined a conversation.

        It gets the state, the `Caller` and the conversation's id; otherwise as for `on_connected`.
        """
        return self._listen(self.listeners.joined, listener, ("state", "caller", "conversation_id"))

    def on_left(self, listener: ListenerT) -> ListenerT:
        """Register a listener for each connection that left a conversation and stays open; as for `on_joined`."""
        return self._listen(self.listeners.left, listener, ("state", "caller", "conversation_id"))

    def on_disconnected(self, listener: ListenerT) -> ListenerT:
        """Register a listener for each closed connection; as for `on_connected`."""
        return self._listen(self.listeners.disconnected, listener, ("state", "caller"))

    def on_serving(self, listener: ListenerT) -> ListenerT:
        """Register a listener that is called once a process begins to serve; it gets the state, and must not wait.

        It is not called in a process that serves nobody, such as a command.
        """
        return self._listen(self.listeners.serving, listener, ("state",))

    def on_relayed(self, name: str) -> Callable[[FunctionT], FunctionT]:
        """Register a listener for a volatile event that another server sent, called once this server's clients have been sent it.

        It gets the state and the payload as JSON text, must not wait, and should leave the text unread as long as it can: each such
        event calls it. Equal payloads of one server are equal texts.

        Args:
            name: The event, which is declared already, with a payload and as volatile.

        Raises:
            RegistrationError: It is not, has a listener already, or the feature is registered already.
        """
        self._require_open(f"on_relayed({name!r})")
        event = self.outgoing_events.get(name)
        if event is None or not event.volatile or event.payload is None or name in self.listeners.relayed:
            msg = f"{self.name}: on_relayed({name!r}) needs a volatile outgoing event with a payload, and no listener yet."
            raise RegistrationError(msg)

        def register(function: FunctionT) -> FunctionT:
            self._require_takes(function, ("state", "payload"), f"on_relayed({name!r})")
            self.listeners.relayed[name] = function
            return function

        return register

    def seal(self) -> None:
        """Refuse further declarations; `Realtime.register` calls this."""
        self._is_sealed = True

    def _listen(self, listeners: list[Listener], listener: ListenerT, takes: tuple[str, ...]) -> ListenerT:
        name = getattr(listener, "__name__", repr(listener))
        self._require_open(name)
        self._require_takes(listener, takes, name)
        listeners.append(listener)
        return listener

    def _require_open(self, what: str) -> None:
        if self._is_sealed:
            msg = f"{self.name}: {what} came after Realtime.register and would have no effect; declare everything before it."
            raise RegistrationError(msg)

    def _require_takes(self, function: Callable[..., Any], takes: tuple[str, ...], what: str) -> None:
        check_hook(f"{self.name}: {what}", function, takes)


def stateless(context: FeatureContext) -> FeatureContext:
    """Make the state of a stateless feature: its handlers get the context itself."""
    return context


def check_name(name: object) -> None:
    """Check the name of an application's own event.

    Raises:
        RegistrationError: It is invalid, or reserved for Socket.IO or the extension.
    """
    if not isinstance(name, str) or not 0 < len(name) <= MAX_EVENT_NAME_LENGTH:
        msg = f"An event's name is a string of 1 to {MAX_EVENT_NAME_LENGTH} characters, not {name!r}."
        raise RegistrationError(msg)
    if name in RESERVED_NAMES or name.startswith(OWN_PREFIX):
        msg = f"The event name {name!r} is reserved. {_LIFE_CYCLE.get(name, 'There is no hook for it.')}"
        raise RegistrationError(msg)


def _first_paragraph(function: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
