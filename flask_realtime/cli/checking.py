"""The command that checks an application's setup."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import click
from flask import Flask
from flask.cli import ScriptInfo

from flask_realtime.checks import Finding, find_all
from flask_realtime.errors import RealtimeError
from flask_realtime.extension import gateway_of
from flask_realtime.terminal import coloured, count, json_option, print_json, print_line

_COLOURS: Final = {"problem": "red", "hint": "yellow"}


@click.command("check")
@json_option
@click.pass_context
def check(context: click.Context, *, as_json: bool) -> None:
    """Check the application's setup, and print the remedy for each problem.

    Exits with 1 if something is definitely wrong; hints do not affect the exit status.
    """
    findings = _findings(context.ensure_object(ScriptInfo).load_app)
    problems = sum(finding.level == "problem" for finding in findings)
    if as_json:
        print_json({"ok": not problems, "findings": [finding._asdict() for finding in findings]})
    else:
        for finding in findings:
            print_line(f"{coloured(finding.level, _COLOURS.get(finding.level))} {finding.code}: {finding}")
        print_line(coloured(count(problems, "problem"), "red") if problems else coloured("OK: no problem was found.", "green"))
    sys.exit(1 if problems else 0)


def _findings(load: Callable[[], Flask]) -> list[Finding]:
    try:
        app = load()
        return find_all(app, gateway_of(app))
    except RealtimeError as error:  # Its message names the remedy already.
        return [Finding("setup_failed", str(error), "")]
