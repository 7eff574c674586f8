"""Offsets: positions in what a server has sent, which clients send back.

An offset is `<server>.<number>`: the client has what that server sent up to that number. Where servers share an order of events, it
is `<server>.<number>.<era>-<place>`: of what other servers sent, the client has what is up to that place, which the server had
received by then. With a tilde in front, another server has brought it forward in the name of that one, whose own numbers of what
others sent it does not know.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from flask_realtime.backends.recovery import Place

_FORM: Final = re.compile(
    r"(~?)([\w-]{1,32})\.(0|[1-9][0-9]{0,15})(?:\.([0-9a-z]{1,16})-([0-9]{1,15})-([0-9]{1,15})-([0-9]{1,6}))?", re.ASCII
)

_BEGINNING: Final = Place(0, 0, 0)


class Offset(NamedTuple):
    """An offset, taken apart.

    Args:
        server: The server's name.
        number: The last number of that server's.
        era: What the places are numbered in; empty where there is no order.
        place: The last place.
        is_brought_forward: Whether another server has brought it forward.
    """

    server: str
    number: int
    era: str = ""
    place: Place = _BEGINNING
    is_brought_forward: bool = False

    def __str__(self) -> str:
        """Return it as clients get it."""
        place = f".{self.era}-{'-'.join(map(str, self.place))}" if self.era else ""
        return f"{'~' * self.is_brought_forward}{self.server}.{self.number}{place}"

    def with_known(self, other: Offset | None) -> Offset:
        """Return the offset of a client that has what both say, or this one if they cannot be compared."""
        if other is None or (other.server, other.era) != (self.server, self.era):
            return self
        return self._replace(number=max(self.number, other.number), place=max(self.place, other.place))

    def is_before(self, origin: str, number: int | None, place: Place) -> bool:
        """Return whether a client with this offset lacks an event.

        Args:
            origin: The server that sent it.
            number: Its number there; None if it has none, since that server's own clients did not get it.
            place: Its place.
        """
        return number is not None and number > self.number if origin == self.server else place > self.place


def parse_offset(text: object) -> Offset | None:
    """Parse an offset, or return None.

    Args:
        text: Anything that a client sent.
    """
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    tilde, server, number, era, *place = match.groups()
    known = _BEGINNING if era is None else Place(*map(int, place))
    return Offset(server, int(number), era or "", known, is_brought_forward=bool(tilde))


class Offsets:
    """The offsets of one server.

    An offset is no secret. One that a client invents brings it nothing that was not sent to it.

    Args:
        server_id: The server's unique name, of letters, digits, underscores and hyphens.
    """

    def __init__(self, server_id: str) -> None:
        self.server_id = server_id
        """The server's unique name."""
        self.earlier: set[str] = set()
        """The names of its predecessors, whose events it has, with smaller numbers."""

    def text(self, number: int, place: str = "") -> str:
        """Return the offset of a client that has everything up to a number.

        Args:
            number: The number.
            place: The era and the place up to which it has what other servers sent, or an empty string.
        """
        return f"{self.server_id}.{number}.{place}" if place else f"{self.server_id}.{number}"

    def number(self, offset: object) -> int | None:
        """Return the number of an offset, or None for one that is not this server's, nor a predecessor's.

        Args:
            offset: Anything that a client sent.
        """
        parsed = parse_offset(offset)
        if parsed is None or parsed.is_brought_forward:
            return None
        return parsed.number if parsed.server == self.server_id or parsed.server in self.earlier else None
