"""Hooks of features: what an application decides, or wants to be told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class Hook:
    """A place for functions of the application's, which registers them with `Realtime.hook`.

    Args:
        name: The hook's name, for errors and the log; no two hooks share one.
        is_single: Whether there can be one function only, whose return value counts.
        default: What counts where there is none, or it returns None.
    """

    name: str
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
            RegistrationError: There is one already where there can be one only, it comes after the first connection, or it is a
                coroutine function.
        """
