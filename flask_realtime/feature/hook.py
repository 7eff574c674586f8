"""Hooks of features, by which an application decides or is notified."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from flask_realtime.errors import RegistrationError

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def named(usage: str) -> Callable[[FunctionT], FunctionT]:
    """Make a decorator without its argument raise an error that shows the correct form."""

    def decorate(method: FunctionT) -> FunctionT:
        @wraps(method)
        def register(self: object, *args: Any, **options: Any) -> Any:
            if not args and not options.keys() & {"hook", "event"}:
                name = method.__name__
                msg = f"realtime.{name} was called without an argument: write {usage.format(name)} above the function."
                raise RegistrationError(msg)
            return method(self, *args, **options)

        return cast("FunctionT", register)

    return decorate


hook_decorator = named("@realtime.{}, without parentheses,")
"""Decorates a method of `HookDecorators` that registers a function."""


@dataclass(frozen=True, eq=False)
class Hook:
    """A hook, for which an application registers functions with `Realtime.hook`.

    Args:
        name: The hook's name, for errors and the log; no two hooks share one.
        parameters: The names of its functions' arguments, by position.
        is_single: Whether it has at most one function, whose return value is used.
        default: The value if there is no function, or it returns None.
    """

    name: str
    parameters: tuple[str, ...]
    is_single: bool = False
    default: Any = None


class HookDecorators(ABC):
    """The decorators of one feature's hooks; `Realtime` inherits those of all built-in ones."""

    @abstractmethod
    def hook(self, hook: Hook) -> Callable[[FunctionT], FunctionT]:
        """Register a function for a feature's hook.

        Args:
            hook: The hook, as `Feature.hook` returned it.

        Raises:
            RegistrationError: A single hook has a function already, it comes after the first connection, or it
                cannot be called with its arguments.
        """
