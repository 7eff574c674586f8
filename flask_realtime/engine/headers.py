"""Reads the headers of a request where they are plain, as nearly all are.

gevent has Python's parser for e-mail read them, which makes up a fifth of what it costs to accept a WebSocket.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gevent.pywsgi import WSGIHandler

# No continuation lines, nothing but printable ASCII, and no more lines than Python's parser takes.
_PLAIN: Final = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*\r\n){0,99}\r\n")
_Headers: Final[Any] = type(WSGIHandler.headers)


def read_plain_headers(rfile: Any) -> tuple[Any, bool]:
    """Read a request's headers, if all of them are there and plain.

    Args:
        rfile: The connection's buffered reader, behind the request's first line.

    Returns:
        The headers, as gevent's own function returns them, and whether the reader holds nothing else; None where that function has
        to read them.
    """
    received = rfile.peek()
    match = _PLAIN.match(received)
    if match is None:
        return None, False
    rfile.read(match.end())
    headers = _Headers()
    for line in match[0].decode("ascii").split("\r\n")[:-2]:
        name, _, value = line.partition(":")
        headers.set_raw(name, value.lstrip(" \t"))
    return headers, match.end() == len(received)
