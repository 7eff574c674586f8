"""Identity of the user behind a connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """The user behind a connection, as identified by its access token or the application's `authenticate` hook.

    Args:
        user_id: The user's id as text, the token's subject: the `userId` on the wire.
        claims: All claims of the token; with a hook, any data that it chooses.
        user: The user object from the application's `user_lookup_loader`, or from the hook, or None. A database object is
            detached from its session: its loaded columns can be read, anything else has to be queried again.
        expires_at: The Unix time in seconds at which it expires, or None if it does not expire.
    """

    user_id: str
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    user: Any = field(default=None, repr=False)
    expires_at: float | None = None
