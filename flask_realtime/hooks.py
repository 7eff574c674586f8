"""What the application decides: the registry of its hooks.

Hooks belong to a `Realtime` object and serve every application that it is initialised on. Nothing is allowed by default: without an
`authorize_join` hook every join is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from flask_realtime.contract import events as contract
from flask_realtime.contract.events import BY_NAME, MAX_EVENT_NAME_LENGTH, RESERVED_NAMES, RateClass
from flask_realtime.contract.ids import WireId
from flask_realtime.contract.requests import listed
from flask_realtime.errors import BadRequest, RegistrationError
from flask_realtime.identity import Identity
from flask_realtime.rates import InvalidRate, Rate, parse_rate
from flask_realtime.signatures import check_handler, check_hook, describe, signature_of

AuthorizeJoin = Callable[[Identity, str], "bool | None"]
OnConnect = Callable[[Identity], "bool | None"]
OnDisconnect = Callable[[Identity, str], None]
OnUser = Callable[[str], None]
OnConversation = Callable[[Identity, str], None]
OnNotificationRead = Callable[[Identity, str], None]
OnNotificationsReadAll = Callable[[Identity], None]
PresenceAudience = Callable[[str], "Iterable[WireId] | None"]
RevokedTokens = Callable[[Sequence[str]], Iterable[str]]
OnError = Callable[[Exception, "str | None", "Identity | None"], None]
EventHandler = Callable[..., Any]

HookT = TypeVar("HookT", bound=Callable[..., Any])

OWN_PREFIX = "realtime:"

_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "authorize_join": ("identity", "conversation_id"),
    "presence_audience": ("user_id",),
    "revoked_tokens": ("token_ids",),
    "on_connect": ("identity",),
    "on_disconnect": ("identity", "reason"),
    "on_user_online": ("user_id",),
    "on_user_offline": ("user_id",),
    "on_join": ("identity", "conversation_id"),
    "on_leave": ("identity", "conversation_id"),
    "on_notification_read": ("identity", "notification_id"),
    "on_notifications_read_all": ("identity",),
    "on_error": ("error", "event", "identity"),
}
"""What each hook gets."""

_HOOKS_OF_EVENTS: Final[Mapping[str, str]] = {
    "connect": "on_connect is its hook.",
    "disconnect": "on_disconnect is its hook.",
    contract.JOIN_CONVERSATION: "authorize_join is the hook that decides who may join, on_join the one that is told.",
    contract.LEAVE_CONVERSATION: "on_leave is its hook.",
    contract.GET_ONLINE_USERS: "authorize_join is the hook that decides who may ask.",
    contract.NOTIFICATION_READ: "on_notification_read is its hook.",
    contract.NOTIFICATIONS_READ_ALL: "on_notifications_read_all is its hook.",
}
_NO_HOOK: Final = "There is no hook for it."

SHARED_LIMIT = RateClass.APPLICATION.value
"""The limit of an event that has none of its own: it draws on what all such events share."""


class PayloadValidator(Protocol):
    """What checks an application event's payload: pydantic's `TypeAdapter`, or anything with its method."""

    def validate_python(self, value: object, /) -> Any:
        """Return the checked payload, or raise `ValueError`."""


@dataclass(frozen=True)
class ApplicationEvent:
    """An event that the application handles.

    Args:
        name: The event's name on the wire.
        handler: Called with the identity and the event's arguments; what it returns answers the callback.
        payload: The declared type of the only argument, or None: a dataclass, pydantic model, or anything else that
            pydantic can check.
        binary: Whether the event may carry binary attachments.
        limit: How often one user may send it, as a rate; None for no limit, `SHARED_LIMIT` for none of its own.

    Raises:
        RegistrationError: A payload type is declared and pydantic is not installed, the limit is no rate, or the handler cannot be
            called with what it gets.
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
        object.__setattr__(self, "validator", None if self.payload is None else payload_validator(self.payload))
        object.__setattr__(self, "signature", signature_of(self.handler))

    @property
    def shares_limit(self) -> bool:
        """Whether it has no limit of its own."""
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
            args = [self._validated(self.validator, args)]
        try:
            self.signature.bind(None, *args)
        except TypeError:
            msg = f"{self.name} does not take {len(args)} argument{'' if len(args) == 1 else 's'}"
            raise BadRequest(msg) from None
        return args

    def _validated(self, validator: PayloadValidator, args: list[Any]) -> Any:
        if len(args) != 1:
            msg = f"{self.name} takes one argument, not {len(args)}"
            raise BadRequest(msg)
        try:
            return validator.validate_python(args[0])
        except ValueError as error:
            raise BadRequest(_problems(error)) from None


def _problems(error: ValueError) -> str:
    """Name every field that pydantic found wrong, without repeating what the client sent there."""
    problems = getattr(error, "errors", None)
    return listed(map(_problem, problems())) if callable(problems) else str(error)


def _problem(problem: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in problem["loc"]) or "payload"
    return f"{place}: {problem['msg']}"


def payload_validator(payload: Any) -> PayloadValidator:
    """Return the validator for a declared payload type."""
    try:
        from pydantic import TypeAdapter  # noqa: PLC0415 - only applications that declare payload types need pydantic
    except ImportError:
        msg = "Declaring a payload type needs pydantic: pip install 'flask-realtime[validation]'"
        raise RegistrationError(msg) from None
    validator: PayloadValidator = TypeAdapter(payload)
    return validator


@dataclass
class Hooks:
    """The hooks of one `Realtime` object, by name."""

    authorize_join: AuthorizeJoin | None = None
    presence_audience: PresenceAudience | None = None
    revoked_tokens: RevokedTokens | None = None
    on_connect: list[OnConnect] = field(default_factory=list)
    on_disconnect: list[OnDisconnect] = field(default_factory=list)
    on_user_online: list[OnUser] = field(default_factory=list)
    on_user_offline: list[OnUser] = field(default_factory=list)
    on_join: list[OnConversation] = field(default_factory=list)
    on_leave: list[OnConversation] = field(default_factory=list)
    on_notification_read: list[OnNotificationRead] = field(default_factory=list)
    on_notifications_read_all: list[OnNotificationsReadAll] = field(default_factory=list)
    on_error: list[OnError] = field(default_factory=list)
    events: dict[str, ApplicationEvent] = field(default_factory=dict)
    sealed: bool = False

    def add(self, name: str, hook: HookT) -> HookT:
        """Register a hook.

        Args:
            name: The hook's name, which is a field of this class.
            hook: The application's function.

        Raises:
            RegistrationError: It comes too late, cannot be called with what it gets, or takes a place already taken.
        """
        self._refuse_late(name)
        check_hook(name, hook, _PARAMETERS[name])
        place = getattr(self, name)
        if isinstance(place, list):
            place.append(hook)
        elif place is None:
            setattr(self, name, hook)
        else:
            msg = f"{name} is registered already ({describe(place)}); there can be only one."
            raise RegistrationError(msg)
        return hook

    def add_event(self, event: ApplicationEvent) -> None:
        """Register an application's own event.

        Raises:
            RegistrationError: As for `add`, and for a name that the contract or Socket.IO has taken.
        """
        self._refuse_late(f"on({event.name!r})")
        _check_event_name(event.name)
        if event.name in self.events:
            msg = f"The event {event.name!r} has a handler already ({describe(self.events[event.name].handler)})."
            raise RegistrationError(msg)
        self.events[event.name] = event

    def _refuse_late(self, name: str) -> None:
        if self.sealed:
            msg = f"{name} was registered after the first connection; register hooks before the application serves any."
            raise RegistrationError(msg)


def _check_event_name(name: object) -> None:
    if not isinstance(name, str) or not name or len(name) > MAX_EVENT_NAME_LENGTH:
        msg = f"An event's name is a string of 1 to {MAX_EVENT_NAME_LENGTH} characters, not {name!r}."
        raise RegistrationError(msg)
    if name in RESERVED_NAMES or name.startswith(OWN_PREFIX):
        msg = f"The event name {name!r} is reserved. {_HOOKS_OF_EVENTS.get(name, _NO_HOOK)}"
        raise RegistrationError(msg)
    known = BY_NAME.get(name)
    if known is not None and known.from_client is not None:
        msg = f"The event {name!r} is built in, and needs no handler. {_HOOKS_OF_EVENTS.get(name, _NO_HOOK)}"
        raise RegistrationError(msg)
