"""Settings of users: the state that one has set, until when, and what others may hear of typing and reading.

Where they are kept is a `SettingsPlace`: records that servers share, or the store's table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Final, Literal, NamedTuple, Protocol

SetState = Literal["online", "away", "busy", "invisible"]
"""A state that a user can set."""

STATES: Final[tuple[SetState, ...]] = ("online", "away", "busy", "invisible")
MAX_TEXT_LENGTH: Final = 100

_ZERO_WIDTH_JOINER: Final = "\u200d"
"""Not printable by itself, and a part of many emoji."""


def utc_now() -> datetime:
    """Return the current time, with UTC as its time zone."""
    return datetime.now(timezone.utc)


def is_text(text: str) -> bool:
    """Return whether a user may set a text: it is short, and one printable line."""
    return len(text) <= MAX_TEXT_LENGTH and text.replace(_ZERO_WIDTH_JOINER, "").isprintable()


@dataclass(frozen=True)
class PresenceSettings:
    """The settings of one user.

    Args:
        state: The state: online for whoever has set none.
        text: A text that goes with it, or None.
        until: When the user is plain online again, or None for never.
        sends_typing: Whether others hear that the user types.
        sends_receipts: Whether others hear what the user has got and read.
        version: The sequence number of the change that made them; 0 for a user who has set nothing.
    """

    state: SetState = "online"
    text: str | None = None
    until: datetime | None = None
    sends_typing: bool = True
    sends_receipts: bool = True
    version: int = 0

    @property
    def is_invisible(self) -> bool:
        """Return whether others are to see the user as offline, as long as the time has not passed."""
        return self.state == "invisible"

    @property
    def is_plain(self) -> bool:
        """Return whether the user is online without further ado."""
        return self.state == "online" and self.text is None

    @property
    def is_exception(self) -> bool:
        """Return whether every server has to know them."""
        return not (self.is_plain and self.sends_typing)

    def at(self, now: datetime) -> PresenceSettings:
        """Return what is left of them at a time."""
        is_over = self.until is not None and self.until <= now
        return replace(self, state="online", text=None, until=None) if is_over else self

    def with_state(self, state: SetState, text: str | None, until: datetime | None) -> PresenceSettings:
        """Return them with another state; plain online has no end."""
        kept_until = None if state == "online" and text is None else until
        return replace(self, state=state, text=text, until=kept_until)

    def with_privacy(self, *, send_typing: bool | None, send_receipts: bool | None) -> PresenceSettings:
        """Return them with other answers to who hears of typing and reading; None leaves one as it is."""
        typing = self.sends_typing if send_typing is None else send_typing
        receipts = self.sends_receipts if send_receipts is None else send_receipts
        return replace(self, sends_typing=typing, sends_receipts=receipts)

    def to_json(self) -> list[Any]:
        """Return them as JSON has them."""
        until = None if self.until is None else self.until.isoformat()
        return [self.state, self.text, until, self.sends_typing, self.sends_receipts, self.version]

    @staticmethod
    def from_json(fields: Sequence[Any]) -> PresenceSettings:
        """Return what `to_json` made JSON of."""
        state, text, until, *rest = fields
        return PresenceSettings(state, text, None if until is None else datetime.fromisoformat(until), *rest)


PLAIN: Final = PresenceSettings()
"""The settings of a user who has set nothing."""


class Settled(NamedTuple):
    """A change of a user's settings.

    Args:
        before: What they were, even if their time had passed.
        after: What they are now.
    """

    before: PresenceSettings
    after: PresenceSettings


Edit = Callable[[PresenceSettings], PresenceSettings]
"""Makes a user's new settings of the present ones; it may be called again, and must have no other effect."""


class SettingsPlace(Protocol):
    """Place where settings are kept. Its methods may wait; they are called in an application context."""

    def exceptions(self) -> Iterable[tuple[str, PresenceSettings]]:
        """Return the users who are not plain online, or keep something to themselves, with their settings."""

    def settings(self, user_id: str) -> PresenceSettings:
        """Return a user's settings."""

    def last_seen(self, user_ids: Sequence[str]) -> Mapping[str, datetime]:
        """Map users to when others last saw them go offline; those who were never seen are left out."""

    def change(self, user_id: str, edit: Edit) -> Settled:
        """Change a user's settings; changes of one user have one order on all servers.

        Raises:
            NotFound: There is no such user.
        """

    def seen(self, times: Mapping[str, datetime]) -> None:
        """Record when users were last seen."""
