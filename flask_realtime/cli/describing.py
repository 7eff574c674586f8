"""The commands that describe the events and requests of an application to others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import IO, Any, Final

import click
from flask import current_app
from flask.cli import with_appcontext

from flask_realtime.extension import current_gateway
from flask_realtime.feature.feature import Feature
from flask_realtime.hooks import ApplicationEvent
from flask_realtime.terminal import CommandFailed, json_option

_output: Final = click.option(
    "--output",
    type=click.File("w", encoding="utf-8", lazy=True, atomic=True),
    default="-",
    help="The file to write; without it, the output is printed.",
)


@click.command("types")
@_output
@json_option
@with_appcontext
def types(output: IO[str], *, as_json: bool) -> None:
    """Print the events and their payloads as TypeScript, for Socket.IO's typed client; as JSON it is one text."""
    from flask_realtime.describe.events import describe  # noqa: PLC0415 - other commands describe nothing
    from flask_realtime.describe.typescript import typescript  # noqa: PLC0415 - as above

    text = typescript(describe(_features(), _declared()))
    output.write(_json({"typescript": text}) if as_json else text)


@click.command("asyncapi")
@click.option("--title", help="The name of the application; by default its own.")
@click.option("--api-version", default="1.0.0", show_default=True, help="The version of the application's events.")
@_output
@json_option
@with_appcontext
def asyncapi(title: str | None, api_version: str, output: IO[str], *, as_json: bool) -> None:  # noqa: ARG001 - it always is
    """Print the events and their payloads as an AsyncAPI document, which is JSON anyway."""
    from flask_realtime.describe.asyncapi import asyncapi as document_of  # noqa: PLC0415 - see `types`
    from flask_realtime.describe.events import describe  # noqa: PLC0415 - see `types`

    path = current_gateway().path.strip("/")
    document = document_of(
        describe(_features(), _declared()), title=title or current_app.name, version=api_version, path=f"/{path}/"
    )
    output.write(_json(document))


@click.command("openapi")
@click.option("--title", help="The name of the application; by default its own.")
@click.option("--api-version", default="1.0.0", show_default=True, help="The version of the application's requests.")
@_output
@json_option
@with_appcontext
def openapi(title: str | None, api_version: str, output: IO[str], *, as_json: bool) -> None:  # noqa: ARG001 - it always is
    """Print the requests of the chat's blueprint as an OpenAPI document, which is JSON anyway."""
    from flask_realtime.describe.openapi import openapi as document_of  # noqa: PLC0415 - see `types`
    from flask_realtime.rest import RestBlueprint  # noqa: PLC0415 - see `types`

    found = [(name, blueprint) for name, blueprint in current_app.blueprints.items() if isinstance(blueprint, RestBlueprint)]
    if not found:
        msg = "The application serves no requests of the extension: register a Chat's, app.register_blueprint(chat.blueprint)."
        raise CommandFailed(msg)
    name, blueprint = found[0]
    prefix = blueprint.prefix_in(current_app, name)
    document = document_of(blueprint.routes, title=title or current_app.name, version=api_version, prefix=prefix)
    output.write(_json(document))


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _features() -> Iterable[Feature[Any]]:
    return current_gateway().features


def _declared() -> Iterable[ApplicationEvent]:
    return current_gateway().application_events
