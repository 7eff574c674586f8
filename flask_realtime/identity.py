"""Identity of the user behind a connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Identity:
    """The user behind a connection, as identified by its access token and the application's user lookup.

    Args:
        user_id: The token's subject as text: the `userId` on the wire.
        claims: All claims of the token.
        user: The user object that the application's `user_lookup_loader` returned, or None without one. A database object is
            detached from its session: its loaded columns can be read, anything else has to be queried again.
    """

    user_id: str
    claims: Mapping[str, Any] = field(repr=False)
    user: Any = field(default=None, repr=False)
