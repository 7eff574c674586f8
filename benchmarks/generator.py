"""Drives the load generator, a C program: see load.c for what it does and why it is one."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.build import LOAD

T = TypeVar("T")


class GeneratorError(Exception):
    """The load could not be put on the server, or not all of it arrived."""


@dataclass
class Generator:
    """One running load generator.

    Args:
        process: The program, with pipes for its input and output.
    """

    process: subprocess.Popen[str]
    at_marks: list[Callable[[], None]] = field(default_factory=list)

    def connect(self, count: int, *, room_size: int, in_flight: int) -> dict[str, Any]:
        """Open connections, and join each to its room.

        Args:
            count: How many more.
            room_size: Members of one room.
            in_flight: How many may be between opening and joined at once.

        Raises:
            GeneratorError: Not all of them joined.
        """
        answer = self._command(f"connect {count} {in_flight} {room_size}")
        if answer["connected"] != count:
            message = f"{answer['connected']} of {count} connections joined: {answer['failure'] or 'time is over'}"
            raise GeneratorError(message)
        return answer

    def load(self, command: str) -> dict[str, Any]:
        """Put a load on the server; `at_marks` are called when the measured time begins and when it ends.

        Args:
            command: A line that load.c knows, such as `typing 20 10 20 1 3`.

        Raises:
            GeneratorError: Something was lost or refused.
        """
        answer = self._command(command)
        if answer["failure"] or answer["lost_connections"] or answer["undelivered"]:
            message = f"{command}: {answer}"
            raise GeneratorError(message)
        return answer

    def wait(self, seconds: float) -> dict[str, Any]:
        """Answer pings and do nothing else.

        Raises:
            GeneratorError: Connections were lost meanwhile.
        """
        answer = self._command(f"wait {seconds}")
        if answer["lost_connections"]:
            message = f"{answer['lost_connections']} idle connections were lost"
            raise GeneratorError(message)
        return answer

    def close(self) -> dict[str, Any]:
        """Close every connection at once."""
        return self._command("close")

    def _command(self, line: str) -> dict[str, Any]:
        if self.process.stdin is None or self.process.stdout is None:
            message = "the generator has no pipes"
            raise GeneratorError(message)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        for text in self.process.stdout:
            answer: dict[str, Any] = json.loads(text)
            if "mark" not in answer:
                return answer
            for call in self.at_marks:
                call()
        message = f"the generator ended during {line!r}"
        raise GeneratorError(message)


@contextmanager
def generator(port: int, tokens: Path, prefix: list[str], hosts: Sequence[str] = ()) -> Iterator[Generator]:
    """Run a load generator.

    Args:
        port: The server's.
        tokens: A file with one access token a line, one for each connection that there will be.
        prefix: What goes before the command: `taskset` and its arguments, or nothing.
        hosts: The addresses of the machines that connections are divided among; 127.0.0.1 if there are none.
    """
    command = [*prefix, str(LOAD), str(port), str(tokens), *([",".join(hosts)] if hosts else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            yield Generator(process)
        finally:
            process.kill()
