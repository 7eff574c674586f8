"""Offsets: positions in a server's history, which clients send back."""

from __future__ import annotations

import re
from typing import Final

_FORM: Final = re.compile(r"([\w-]{1,32})\.(0|[1-9][0-9]{0,15})", re.ASCII)


class Offsets:
    """The offsets of one server.

    An offset is no secret. One that a client invents brings it nothing that was not sent to it.

    Args:
        server_id: The server's unique name, of letters, digits, underscores and hyphens.
    """

    def __init__(self, server_id: str) -> None:
        self._server_id = server_id

    def text(self, number: int) -> str:
        """Return the offset of a client that has everything up to a number."""
        return f"{self._server_id}.{number}"

    def number(self, offset: object) -> int | None:
        """Return the number of an offset, or None for one that is not this server's.

        Args:
            offset: Anything that a client sent.
        """
        match = _FORM.fullmatch(offset) if isinstance(offset, str) else None
        return int(match[2]) if match is not None and match[1] == self._server_id else None
