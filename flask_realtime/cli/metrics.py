"""The command that serves metrics, or prints them once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from flask_realtime.extension import current_gateway
from flask_realtime.terminal import CommandFailed, json_option, print_json, print_line


@click.command("metrics")
@click.option("--port", type=int, default=9464, show_default=True, help="The port to listen on; 0 for a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@json_option
@with_appcontext
def metrics(port: int, host: str, *, as_json: bool) -> None:
    """Serve the metrics of this machine's workers for Prometheus, at /metrics, until it is stopped; or print them once, as JSON.

    The workers need REALTIME_METRICS = True, or the blueprint. Requests from other machines need the bearer token in
    METRICS_TOKEN.
    """
    with _extra_needed():
        if as_json:
            _print()
        else:
            _serve(host, port)


@contextmanager
def _extra_needed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        msg = f"{error}. Install it: pip install 'flask-realtime[metrics]'"
        raise CommandFailed(msg) from None


def _print() -> None:
    from flask_realtime.metrics.collector import AnswersCollector  # noqa: PLC0415 - only this command needs prometheus-client

    answers = current_gateway().workers.ask_others()
    samples = [sample for family in AnswersCollector(answers).collect() for sample in family.samples]
    print_json({"metrics": [{"name": sample.name, "labels": sample.labels, "value": sample.value} for sample in samples]})


def _serve(host: str, port: int) -> None:
    from flask_realtime.metrics.server import metrics_server  # noqa: PLC0415 - as above

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the documented way
    try:
        server = metrics_server(app, host, port)
    except OSError as error:
        msg = f"{host} port {port} cannot be listened on: {error.strerror}"
        raise CommandFailed(msg) from None
    print_line(f"Metrics are at http://{host}:{server.port}/metrics")
    server.serve_forever()
