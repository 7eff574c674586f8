"""`python -m example_app`: what it prints, what it serves, and the line with which it ends where it cannot start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.redis_server import free_port

MODULE = ("-m", "example_app")
# Ends where the server would begin to serve.
UNSERVED = """
import json
from gevent.monkey import is_module_patched
from example_app import __main__

def run(app, **options):
    print(json.dumps([app.name, options, is_module_patched("socket")]))

__main__.realtime.run = run
__main__.main()
"""
PATIENCE_SECONDS = 60.0
UNUSABLE = "cannot be used"
REMEDY = (
    "Set DATABASE_URL to another, such as "
    "sqlite:////folder/you/can/write/to/example.sqlite3 or postgresql://user:password@host/name."
)


def start(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start the example with variables of the environment, and wait until it has ended."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REALTIME_")}
    files = {"DATABASE_URL": f"sqlite:///{folder}/chat.sqlite3", "JWT_SECRET_KEY": "long enough for HS256, surely it is"}
    return subprocess.run(
        [sys.executable, *command],
        env={**inherited, "PORT": str(free_port()), **files, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def test_it_says_where_to_log_in_as_whom_and_serves_there(tmp_path: Path) -> None:
    port = free_port()
    done = start(tmp_path, "-c", UNSERVED, HOST="127.0.0.1", PORT=str(port))
    assert (done.returncode, done.stderr) == (0, "")
    *banner, served = done.stdout.splitlines()
    assert json.loads(served) == ["example_app", {"host": "127.0.0.1", "port": port}, True]
    url = f"http://127.0.0.1:{port}"
    assert banner[:2] == [
        f"Open {url} in two browser windows, and log in as two of the users to chat.",
        "Users: alice, bob, carol; the password is 'demo'. alice is an administrator.",
    ]
    assert [line.strip() for line in banner[-3:-1]] == [
        f"curl -X POST {url}/api/auth/login -H 'Content-Type: application/json' \\",
        """-d '{"username": "alice", "password": "demo"}'""",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PORT", "x", "PORT=x is not a port. Set a number from 1 to 65535, as in PORT=3000 make run."),
        ("REALTIME_ROOMS", "7", "REALTIME_ROOMS is not a setting of flask_realtime. Did you mean REALTIME_MAX_ROOMS?"),
        ("DATABASE_URL", "sqlite:////proc", f"sqlite:////proc {UNUSABLE}: unable to open database file. {REMEDY}"),
        ("DATABASE_URL", "a://u:secret@h/x", f"a://u:***@h/x {UNUSABLE}: Can't load plugin: sqlalchemy.dialects:a. {REMEDY}"),
        ("DATABASE_URL", "x", f"in DATABASE_URL {UNUSABLE}: Could not parse SQLAlchemy URL from given URL string. {REMEDY}"),
    ],
)
def test_what_cannot_work_is_one_line_that_names_the_variable(tmp_path: Path, variable: str, value: str, told: str) -> None:
    done = start(tmp_path, *MODULE, **{variable: value})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.removeprefix("The database ").splitlines() == [told]
