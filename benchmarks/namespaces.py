"""Namespaces that stand for machines: each has a network stack, an address behind one bridge, and a folder for temporary files.

They are held by processes and have no names, so that nothing is left of them when those are killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

NETWORK = "10.213.{}.{}"
REDIS = 2
FIRST = 10
"""The last number of the first machine's address."""

COMMANDS = ("ip", "mount", "nsenter", "unshare")
TEMPORARY = "/mnt"
"""The folder for temporary files of a machine, in which its servers, and no others, may find each other."""


def addresses(port: int, machines: int) -> tuple[str, ...]:
    """Return the addresses of machines.

    Args:
        port: The port of their servers, which chooses the network: two benchmarks may run at the same time.
        machines: How many there are.
    """
    return tuple(address(port, FIRST + machine) for machine in range(machines))


def address(port: int, number: int) -> str:
    """Return an address in the network of a port."""
    return NETWORK.format(port % 256, number)


@cache
def allowed() -> bool:
    """Return whether this process may make network namespaces."""
    if os.geteuid() or not all(map(shutil.which, COMMANDS)):
        return False
    return subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False).returncode == 0  # noqa: S607


class Network:
    """A bridge and what is connected to it, of which this process is one.

    Args:
        port: The port that chooses the network.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._bridge = _hold()
        _run(*inside(self._bridge), "ip", "link", "add", "bridge", "up", "type", "bridge")
        outside = f"bench{port}"
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", "outside", "netns", str(self._bridge))
        _run("ip", "address", "add", f"{address(port, 1)}/24", "dev", outside)
        _run("ip", "link", "set", outside, "up")
        self._attach("outside")

    def add(self, number: int) -> list[str]:
        """Connect another machine, and return what goes before a command that is to run on it.

        Args:
            number: The last number of its address.
        """
        machine, port = _hold(), f"machine{number}"
        _run("ip", "link", "add", port, "netns", str(self._bridge), "type", "veth", "peer", "name", "eth0", "netns", str(machine))
        self._attach(port)
        within = inside(machine)
        _run(*within, "ip", "address", "add", f"{address(self._port, number)}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _run(*within, "ip", "link", "set", device, "up")
        return within

    def _attach(self, port: str) -> None:
        _run(*inside(self._bridge), "ip", "link", "set", port, "master", "bridge", "up")


def inside(pid: int) -> list[str]:
    """Return what goes before a command that is to run in a process's namespaces."""
    return ["nsenter", "--target", str(pid), "--net", "--mount", f"--wd={Path.cwd()}"]


def _hold() -> int:
    """Make a namespace, and return the process that holds it."""
    command = ["unshare", "--net", "--mount", "sh", "-c", f"mount -t tmpfs none {TEMPORARY}; echo; exec sleep infinity"]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    assert holder.stdout is not None  # noqa: S101 - for the type checker
    holder.stdout.readline()
    return holder.pid


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603 - our own commands
