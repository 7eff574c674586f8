"""Signatures of hooks and handlers: checked on registration, so that an error points to the line that caused it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from flask_realtime.errors import RegistrationError

_ANYTHING: Final = inspect.signature(lambda *_args, **_options: None)
"""Stands in for functions written in C that expose no signature."""

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def describe(function: object) -> str:
    """Return a function's qualified name, for error messages."""
    name = getattr(function, "__qualname__", None)
    return repr(function) if name is None else f"{getattr(function, '__module__', None)}.{name}"


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return a function's signature, following `__wrapped__` where a decorator sets it."""
    return _signature(function, follow_wrapped=True)


def check_hook(name: str, hook: object, parameters: Sequence[str]) -> None:
    """Check that a hook can be called with its arguments.

    Args:
        name: The hook's name.
        hook: The registered object, of any type.
        parameters: The names of its arguments.

    Raises:
        RegistrationError: It cannot.
    """
    function = _plain_function(name, hook, ", ".join(parameters))
    _check_call(name, function, parameters)


def check_factory(name: str, factory: object, parameters: Sequence[str]) -> None:
    """Check that a class, or a function that makes an object, can be called with its arguments; as `check_hook`."""
    function = _plain_function(name, factory, ", ".join(parameters), or_class=True)
    _check_call(name, function, parameters)


def check_options(call: str, options: Mapping[str, tuple[object, Sequence[str]]]) -> None:
    """Check that the functions among a call's arguments can be called with theirs; None stands for the default.

    Args:
        call: The call, without parentheses.
        options: The argument and the names of its arguments, by the argument's name.

    Raises:
        RegistrationError: One cannot.
    """
    for option, (function, parameters) in options.items():
        if function is not None:
            check_hook(f"{call}({option}=...)", function, parameters)


def check_handler(event: str, handler: object, *, has_payload: bool) -> None:
    """Check that an event's handler takes the identity first, and requires nothing that an event cannot supply.

    Args:
        event: The event's name.
        handler: The registered object, of any type.
        has_payload: Whether the event has a declared payload, which is then its only argument.

    Raises:
        RegistrationError: It does not.
    """
    name = f"on({event!r})"
    function = _plain_function(name, handler, "identity, payload" if has_payload else "identity, *arguments")
    if has_payload:
        _check_call(name, function, ("identity", "payload"))
        return
    # As many arguments as it requires: the client decides how many it sends.
    wanted = [
        item for item in _own_signature(function).parameters.values() if item.kind in _POSITIONAL and item.default is item.empty
    ]
    names = ["identity", *(item.name for item in wanted[1:])]
    _check_call(name, function, names, "the identity and the event's arguments, by position")


def _plain_function(name: str, function: object, expected: str, *, or_class: bool = False) -> Callable[..., Any]:
    if not callable(function):
        msg = f"{name} takes a function{' or class' * or_class} ({expected}), not {function!r}."
        raise RegistrationError(msg)
    inner = function.func if isinstance(function, partial) else function
    for is_one, kind, reason in _UNFIT[or_class:]:
        if is_one(inner) or is_one(type(inner).__call__):
            msg = f"{name}: {describe(inner)} is {kind}; {reason} Register a plain function ({expected})."
            raise RegistrationError(msg)
    return function


_UNFIT: Final[tuple[tuple[Callable[[object], bool], str, str], ...]] = (
    # The first: a class may be what makes an object.
    (inspect.isclass, "a class", "calling it would only create an object."),
    # Its return value, a coroutine, is truthy: an authorization check written as one would admit everyone.
    (inspect.iscoroutinefunction, "a coroutine function", "nothing would await it."),
    (inspect.isasyncgenfunction, "an asynchronous generator function", "nothing would iterate over it."),
    (inspect.isgeneratorfunction, "a generator function", "calling it would run none of its code."),
)


def _check_call(name: str, function: Callable[..., Any], parameters: Sequence[str], gets: str | None = None) -> None:
    signature = _own_signature(function)
    expected = f"({', '.join(parameters)})"
    problem = f"{name}: {describe(function)}{signature} cannot be called with {gets or expected}"
    if next(iter(signature.parameters), None) in {"self", "cls"}:
        msg = f"{problem}: it is a method without its object. Register the method of an instance, once there is one."
        raise RegistrationError(msg)
    try:
        signature.bind(*parameters)
    except TypeError as error:
        msg = f"{problem}: {error}. Its parameters must be {expected}; more need defaults."
        raise RegistrationError(msg) from None


def _own_signature(function: Callable[..., Any]) -> inspect.Signature:
    # A decorator may supply arguments to the function that it wraps.
    return _signature(function, follow_wrapped=False)


def _signature(function: Callable[..., Any], *, follow_wrapped: bool) -> inspect.Signature:
    try:
        return inspect.signature(function, follow_wrapped=follow_wrapped)
    except ValueError:
        return _ANYTHING
