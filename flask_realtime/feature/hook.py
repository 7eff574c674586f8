"""Hooks of features: what an application decides, or wants to be told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from flask_realtime.errors import RegistrationError

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def named(usage: str) -> Callable[[FunctionT], FunctionT]:
    """Have a decorator that lacks its argument show how it is written."""

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
"""For a method of `HookDecorators` that registers a function."""


@dataclass(frozen=True, eq=False)
class Hook:
    """A place for functions of the application's, which registers them with `Realtime.hook`.

    Args:
        name: The hook's name, for errors and the log; no two hooks share one.
        parameters: The names of what its functions get, by position.
        is_single: Whether there can be one function only, whose return value counts.
        default: What counts where there is none, or it returns None.
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
            RegistrationError: There is one already where there can be one only, it comes after the first connection, or it
                cannot be called with what it gets.
        """
