"""Offsets: positions in what a server has sent, which clients send back.

An offset is `<server>.<number>`: the client has what that server sent up to that number. Where servers share an order of events, it
is `<server>.<number>.<era>-<place>`: of what other servers sent, the client has what is up to that place, which the server had
received by then.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from flask_realtime.backends.recovery import Place

_FORM: Final = re.compile(
    r"([\w-]{1,32})\.(0|[1-9][0-9]{0,15})(?:\.([0-9a-z]{1,16})-([0-9]{1,15})-([0-9]{1,15})-([0-9]{1,6}))?", re.ASCII
)

_BEGINNING: Final = Place(0, 0, 0)


class Offset(NamedTuple):
    """An offset, taken apart.

    Args:
        server: The server's name.
        number: The last number of that server's.
        era: What the places are numbered in; empty where there is no order.
        place: The last place.
    """

    server: str
    number: int
    era: str = ""
    place: Place = _BEGINNING

    def __str__(self) -> str:
        """Return it as clients get it."""
        return f"{self.server}.{self.number}" + (f".{self.era}-{'-'.join(map(str, self.place))}" if self.era else "")

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
    server, number, era, *place = match.groups()
    return Offset(server, int(number)) if era is None else Offset(server, int(number), era, Place(*map(int, place)))


class Offsets:
    """The offsets of one server.

    An offset is no secret. One that a client invents brings it nothing that was not sent to it.

    Args:
        server_id: The server's unique name, of letters, digits, underscores and hyphens.
    """

    def __init__(self, server_id: str) -> None:
        self.server_id = server_id
        """The server's unique name."""

    def text(self, number: int, place: str = "") -> str:
        """Return the offset of a client that has everything up to a number.

        Args:
            number: The number.
            place: The era and the place up to which it has what other servers sent, or an empty string.
        """
        return f"{self.server_id}.{number}.{place}" if place else f"{self.server_id}.{number}"

    def number(self, offset: object) -> int | None:
        """Return the number of an offset, or None for one that is not this server's.

        Args:
            offset: Anything that a client sent.
        """
        parsed = parse_offset(offset)
        return parsed.number if parsed is not None and parsed.server == self.server_id else None
