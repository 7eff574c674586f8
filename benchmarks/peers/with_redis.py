"""Runs a command beside a Redis server of its own, whose address the extension gets: what both cost is counted together."""

import os
import shutil
import subprocess
import sys

from benchmarks.servers import free_port


def main() -> None:
    """Run the command that the arguments are."""
    program = shutil.which("redis-server")
    if program is None:
        message = "There is no redis-server on the PATH"
        raise SystemExit(message)
    port = free_port()
    options = ["--port", str(port), "--save", "", "--appendonly", "no"]
    with subprocess.Popen([program, *options]):  # noqa: S603 - our own command
        environment = {**os.environ, "FLASK_REALTIME_MESSAGE_QUEUE": f"redis://127.0.0.1:{port}"}
        subprocess.run(sys.argv[1:], env=environment, check=False)  # noqa: S603 - as above


if __name__ == "__main__":
    main()
