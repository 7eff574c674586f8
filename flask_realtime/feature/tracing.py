"""Tracing, as features use it for what they do later, perhaps in another process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Tracing(Protocol):
    """Records spans of what is done later."""

    def carry(self) -> dict[str, str]:
        """Return the context of the current span, to be kept with what is done later; nothing if there is none."""

    def later(self, name: str, carried: Mapping[str, str], **attributes: str | int) -> AbstractContextManager[object]:
        """Make the span of what is done later the current one: it begins a trace, with a link to the span that caused it.

        Args:
            name: Its name.
            carried: The context of the span that caused it.
            attributes: Its attributes.
        """


class NoTracing:
    """Records nothing."""

    def carry(self) -> dict[str, str]:
        """Return nothing."""
        return {}

    def later(self, name: str, carried: Mapping[str, str], **attributes: str | int) -> AbstractContextManager[object]:  # noqa: ARG002
        """Do nothing."""
        return nullcontext()
