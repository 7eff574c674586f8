"""The `flask realtime admin` command: the log-in of Socket.IO's Admin UI, and where to use it."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import click
from flask import current_app
from flask.cli import with_appcontext
from werkzeug.security import generate_password_hash

from flask_realtime.extension import current_gateway
from flask_realtime.features.administration import NAMESPACE
from flask_realtime.terminal import CommandFailed, json_option, print_json

PAGE: Final = "https://admin.socket.io"
"""Where Socket.IO hosts the page."""

MIN_LENGTH: Final = 12
"""Characters of a password: nothing but its length keeps guesses from many addresses from finding it."""


@click.command("admin")
@click.option("--username", default="admin", show_default=True, help="The administrator's name.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@click.option("--development", is_flag=True, help="Show connections, rooms and events, rather than numbers alone.")
@click.option("--read-only", is_flag=True, help="Refuse every action.")
@click.option("--server", help="The URL of the server, as browsers reach it.")
@json_option
@with_appcontext
def admin(  # noqa: PLR0913 - each is an option
    username: str, server: str | None, *, password_stdin: bool, development: bool, read_only: bool, as_json: bool
) -> None:
    """Make the log-in of Socket.IO's Admin UI, and print the setting and where to use it."""
    gateway = current_gateway()
    setting: dict[str, Any] = {"username": username, "password": generate_password_hash(_password(from_stdin=password_stdin))}
    if development:
        setting["mode"] = "development"
    if read_only:
        setting["read_only"] = True
    url, path = server or _server(), f"/{gateway.path.strip('/')}/"
    if as_json:
        print_json({"setting": setting, "page": PAGE, "server": url, "namespace": NAMESPACE, "path": path})
        return
    click.echo(f"Setting:      REALTIME_ADMIN = {setting!r}")
    click.echo(f"Environment:  REALTIME_ADMIN='{json.dumps(setting)}'")
    click.echo(f"Page:         {PAGE}, or your own copy of ui/dist in npm's @socket.io/admin-ui")
    click.echo(f"Server URL:   {url}")
    click.echo(f"Namespace:    {NAMESPACE}")
    click.echo(f"Path:         {path}")
    origins = gateway.config.cors_allowed_origins
    if not gateway.allows_any_origin and not callable(origins) and PAGE not in (origins or ()):
        click.echo(f"The page's origin has to be in REALTIME_CORS_ALLOWED_ORIGINS: {PAGE}, or that of your copy.")


def _password(*, from_stdin: bool) -> str:
    password: str = (
        sys.stdin.readline().rstrip("\r\n") if from_stdin else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    if len(password) < MIN_LENGTH:
        msg = f"The password must have {MIN_LENGTH} characters or more."
        raise CommandFailed(msg)
    return password


def _server() -> str:
    name = current_app.config.get("SERVER_NAME")
    return f"{current_app.config['PREFERRED_URL_SCHEME']}://{name}" if name else "http://127.0.0.1:3000"
