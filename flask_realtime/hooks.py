"""Registry of the application's hooks and event handlers.

Hooks belong to a `Realtime` object and serve every application that it is initialised on. Nothing is allowed by default: without an
`authorize_join` hook every join is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from flask_realtime.errors import BadRequest, RegistrationError
from flask_realtime.feature.feature import SHARED_LIMIT, Feature, check_name
from flask_realtime.feature.hook import Hook
from flask_realtime.feature.order import in_order
from flask_realtime.feature.payloads import PayloadValidator, payload_validator, validated
from flask_realtime.identity import Identity
from flask_realtime.rates import InvalidRate, Rate, parse_rate
from flask_realtime.signatures import check_handler, check_hook, describe, signature_of

OnConnect = Callable[[Identity], "bool | None"]
OnDisconnect = Callable[[Identity, str], None]
OnError = Callable[[Exception, "str | None", "Identity | None"], None]
EventHandler = Callable[..., Any]

ON_CONNECT: Final = Hook("on_connect", ("identity",))
ON_DISCONNECT: Final = Hook("on_disconnect", ("identity", "reason"))
ON_ERROR: Final = Hook("on_error", ("error", "event", "identity"))

TABLES: Final = Hook("store.tables", (), is_single=True)
"""Its function returns the `Tables` of the store, for checks. `Store.register` registers it."""

_OWN: Final = frozenset(hook.name for hook in (ON_CONNECT, ON_DISCONNECT, ON_ERROR, TABLES))

HookT = TypeVar("HookT", bound=Callable[..., Any])


class Tables(Protocol):
    """The tables that a store needs."""

    def is_set_up(self, extensions: Mapping[str, object]) -> bool:
        """Return whether an application, by its extensions, has the store's database."""

    def missing(self) -> tuple[list[str], list[str], list[str]]:
        """Return the tables that the current application's database lacks, and the columns and parts of the others."""


@dataclass(frozen=True)
class ApplicationEvent:
    """An event with a handler of the application's.

    Args:
        name: The event's name on the wire.
        handler: Called with the identity and the event's arguments; its return value answers the callback.
        payload: The declared type of the only argument, or None: a dataclass, pydantic model, or anything else that
            pydantic can check.
        binary: Whether the event may carry binary attachments.
        limit: How often one user may send it, as a rate; None for no limit, `SHARED_LIMIT` for none of its own.

    Raises:
        RegistrationError: A payload type is declared that pydantic, if it is installed, cannot check, the limit is not a rate, or
            the handler cannot be called with its arguments.
    """

    name: str
    handler: EventHandler
    payload: Any = None
    binary: bool = False
    limit: str | None = SHARED_LIMIT
    rate: Rate | None = field(init=False, repr=False)
    validator: PayloadValidator | None = field(init=False, repr=False)
    signature: inspect.Signature = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_handler(self.name, self.handler, has_payload=self.payload is not None)
        object.__setattr__(self, "rate", self._parsed_limit())
        validator = None if self.payload is None else payload_validator(self.payload, f"on({self.name!r})")
        object.__setattr__(self, "validator", validator)
        object.__setattr__(self, "signature", signature_of(self.handler))

    @property
    def shares_limit(self) -> bool:
        """Return whether it has no limit of its own."""
        return self.limit == SHARED_LIMIT

    def _parsed_limit(self) -> Rate | None:
        if self.shares_limit or self.limit is None:
            return None
        try:
            return parse_rate(self.limit)
        except InvalidRate as error:
            msg = f"on({self.name!r}): limit must be None or a rate such as '10/second, burst 20', not {self.limit!r}: {error}"
            raise RegistrationError(msg) from None

    def arguments(self, args: list[Any]) -> list[Any]:
        """Check the event's arguments against the declared payload and the handler's signature.

        Raises:
            BadRequest: They do not fit.
        """
        if self.validator is not None:
            args = [validated(self.name, self.validator, args)]
        try:
            self.signature.bind(None, *args)
        except TypeError:
            msg = f"{self.name} does not take {len(args)} argument{'' if len(args) == 1 else 's'}"
            raise BadRequest(msg) from None
        return args


class Hooks:
    """Registrations on one `Realtime` object: functions for hooks, features, and handlers of events.

    Args:
        features: The built-in features.
    """

    def __init__(self, features: Iterable[Feature[Any]] = ()) -> None:
        self.features = in_order(features)
        self.events: dict[str, ApplicationEvent] = {}
        self.sealed = False
        self._functions: dict[Hook, list[Callable[..., Any]]] = {}
        self.labels: dict[int, str] = {}
        """The hook that a function is registered for, by the function's `id`."""

    def functions(self, hook: Hook) -> list[Callable[..., Any]]:
        """Return the functions that are registered for a hook."""
        return self._functions.get(hook, [])

    def of_no_feature(self) -> list[Hook]:
        """Return the hooks whose functions nobody calls, since the features that declare them are not registered."""
        declared = {*_OWN, *(name for feature in self.features for name in feature.hooks)}
        # A hook for each of several names has the name behind its own: notification_channel('email').
        return [hook for hook in self._functions if hook.name.partition("(")[0] not in declared]

    def add(self, hook: Hook, function: HookT) -> HookT:
        """Register a function for a hook.

        Args:
            hook: The hook.
            function: The application's function.

        Raises:
            RegistrationError: It comes too late, cannot be called with its arguments, or is a second function of a single hook.
        """
        self._refuse_late(hook.name)
        check_hook(hook.name, function, hook.parameters)
        functions = self._functions.setdefault(hook, [])
        if hook.is_single and functions:
            msg = f"{hook.name} is registered already ({describe(functions[0])}); there can be only one."
            raise RegistrationError(msg)
        functions.append(function)
        self.labels[id(function)] = hook.name.partition("(")[0]
        return function

    def add_feature(self, feature: Feature[Any]) -> None:
        """Register a feature, and those that it requires.

        Raises:
            RegistrationError: Its name is taken, or one of its events.
        """
        features = in_order([*self.features, feature])
        added = features[len(self.features) :]
        for name in (name for one in added for name in one.incoming):
            if name in self.events:
                msg = f"The event {name!r} has a handler already ({describe(self.events[name].handler)})."
                raise RegistrationError(msg)
        for one in added:
            one.seal()
        self.features = features

    def add_event(self, event: ApplicationEvent) -> None:
        """Register an application's own event.

        Raises:
            RegistrationError: As for `add`, and for a name that the contract or Socket.IO uses.
        """
        self._refuse_late(f"on({event.name!r})")
        check_name(event.name)
        self._refuse_taken(event.name)
        if event.name in self.events:
            msg = f"The event {event.name!r} has a handler already ({describe(self.events[event.name].handler)})."
            raise RegistrationError(msg)
        self.events[event.name] = event

    def _refuse_taken(self, name: str) -> None:
        for feature in self.features:
            if name in feature.incoming:
                msg = f"The event {name!r} is handled by the feature {feature.name!r}, and needs no other handler."
                raise RegistrationError(f"{msg} {feature.incoming[name].hint}".rstrip())

    def _refuse_late(self, name: str) -> None:
        if self.sealed:
            msg = f"{name} was registered after the first connection; register hooks before the application serves any."
            raise RegistrationError(msg)
