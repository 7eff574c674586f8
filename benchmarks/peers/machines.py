"""Runs a server on several machines, each a network namespace, and their Redis on another: what all cost is counted together."""

import os
import shutil
import subprocess
import sys

from benchmarks.namespaces import FIRST, REDIS, TEMPORARY, Network, address


def main() -> None:
    """Run the command that the arguments end with, once on each machine; they begin with the number of those, and the port."""
    machines, port, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    program = shutil.which("redis-server")
    if program is None:
        message = "There is no redis-server on the PATH"
        raise SystemExit(message)
    network = Network(port)
    redis = [program, "--port", str(port), "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no"]  # noqa: S104
    environment = {**os.environ, "TMPDIR": TEMPORARY, "FLASK_REALTIME_MESSAGE_QUEUE": f"redis://{address(port, REDIS)}:{port}"}
    subprocess.Popen([*network.add(REDIS), *redis])  # noqa: S603 - our own commands
    servers = [
        subprocess.Popen([*network.add(number), *command], env=environment)  # noqa: S603
        for number in range(FIRST, FIRST + machines)
    ]
    servers[0].wait()


if __name__ == "__main__":
    main()
