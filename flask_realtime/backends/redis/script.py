"""Loads and runs the Lua scripts in `lua/`.

A script names the shared pieces that it needs, each on its own line, and so does a piece:

    --- @include "leases"

The line is replaced by `lua/shared/leases.lua` when the script is loaded. Each piece is included once.
"""

from __future__ import annotations

import re
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import NoScriptError, ResponseError

from flask_realtime.backends.base import BackendUnavailable

_FOLDER: Final = Path(__file__).with_name("lua")
_INCLUDE: Final = re.compile(r'^--- @include "(\w+)"\n', re.MULTILINE)


class Script:
    """A Lua script.

    Args:
        name: Its file's name, without `.lua`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = _with_pieces(_FOLDER / f"{name}.lua", set())
        """The script with its pieces."""
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        """The name by which Redis knows it once it was run."""

    def run(self, client: Redis, base: str, *args: str | int) -> Any:
        """Run it.

        Args:
            client: The client to run it with.
            base: The prefix of the keys.
            args: Its arguments.

        Raises:
            BackendUnavailable: Redis refuses to run it now: it is out of memory, or a replica.
            RedisError: Redis cannot be reached.
        """
        try:
            try:
                return client.evalsha(self.digest, 1, base, *args)
            except NoScriptError:
                return client.eval(self.text, 1, base, *args)
        except ResponseError as error:
            raise refused(error) from error


def refused(error: ResponseError) -> BackendUnavailable:
    """Return the exception for a script that Redis refuses to run."""
    return BackendUnavailable(f"Redis refused a script: {error}")


def _with_pieces(path: Path, included: set[str]) -> str:
    def piece(found: re.Match[str]) -> str:
        name = found[1]
        if name in included:
            return ""
        included.add(name)
        return _with_pieces(_FOLDER / "shared" / f"{name}.lua", included)

    return _INCLUDE.sub(piece, path.read_text(encoding="utf-8"))
