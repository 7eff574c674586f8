"""Who a connection speaks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """The user behind a connection, as its access token or the application's `authenticate` hook named it.

    Args:
        user_id: The user's id as text, the token's subject: the `userId` on the wire.
        claims: All claims of the token; with a hook, whatever that wants to know again.
        user: What the application's `user_lookup_loader`, or the hook, returned, or None. A database object is detached from its
            session: its loaded columns can be read, anything else has to be queried again.
        expires_at: The Unix time in seconds from which it is accepted no more, or None where it does not expire.
    """

    user_id: str
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    user: Any = field(default=None, repr=False)
    expires_at: float | None = None
