"""Serve the example under gevent: `python -m example_app`."""

# ruff: noqa: E402, T201 - gevent patches the standard library before anything uses it; the banner is for a person.
from gevent import monkey

monkey.patch_all()

import os

from example_app.database import DEMO_PASSWORD, DEMO_USERS
from example_app.extensions import realtime
from example_app.factory import create_app

BANNER = """\
Open {url} in two browser windows, and log in as two of the users to chat.
Users: {users}; the password is {password!r}. {administrator} is an administrator.
Without a browser:

  curl -X POST {url}/api/auth/login -H 'Content-Type: application/json' \\
    -d '{{"username": "{administrator}", "password": "{password}"}}'
"""


def main() -> None:
    """Serve on `HOST` and `PORT`, by default http://127.0.0.1:3000."""
    host = os.environ.get("HOST") or "127.0.0.1"
    port = int(os.environ.get("PORT") or "3000")
    app = create_app()
    print(
        BANNER.format(
            url=f"http://{host}:{port}",
            users=", ".join(DEMO_USERS),
            administrator=DEMO_USERS[0],
            password=DEMO_PASSWORD,
        ),
        flush=True,
    )
    realtime.run(app, host=host, port=port)


if __name__ == "__main__":
    main()
