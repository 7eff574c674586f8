"""The documentation as it is built, and what its generated pages hold."""

import html
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest
from realtime_reference.commands import contexts

from flask_realtime.cli import commands
from flask_realtime.config import PREFIX, RealtimeConfig
from flask_realtime.describe.reference import entries
from flask_realtime.errors import EventError
from flask_realtime.extension import BUILT_IN
from tests.docs.pages import DOCS, ROOT

SECONDS = 100.0

CONNECT_CODES = {
    "token_missing",
    "token_malformed",
    "token_expired",
    "token_not_yet_valid",
    "token_invalid",
    "token_revoked",
    "token_not_access",
    "user_unknown",
    "connection_refused",
    "too_many_connections",
    "rate_limited",
    "server_unsuitable",
    "internal_error",
}


COMMANDS = list(contexts(commands, click.Context(commands, info_name="flask realtime")))


def options(context: click.Context) -> list[str]:
    """The options of a command."""
    return [name for item in context.command.params if isinstance(item, click.Option) for name in item.opts]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the documentation as HTML, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", "-d", str(folder / ".doctrees"), str(DOCS), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def text_of(page: Path) -> str:
    """A built page's text, without the navigation around it."""
    article = page.read_text(encoding="utf-8").partition('<article role="main"')[2].partition("</article>")[0]
    return html.unescape(re.sub(r"<[^>]+>", "", article))


def test_the_page_of_events_has_a_section_for_every_event_of_the_contract(built: Path) -> None:
    page = built / "reference" / "events.html"
    headings = re.findall(r"<h3>(.*?)<a", page.read_text(encoding="utf-8"), re.DOTALL)
    assert [re.sub(r"<[^>]+>", "", heading) for heading in headings] == [entry.name for entry in entries(BUILT_IN)]


def test_the_page_of_events_shows_payloads_as_json(built: Path) -> None:
    text = text_of(built / "reference" / "events.html")
    assert "{ conversationId: string | number, messageIds: (string | number)[], userId?: string, upTo?: string | number }" in text
    assert "{ userId: string, status: 'online' | 'offline' }[]" in text
    assert "{ error: { code: string, message: string, retryAfter?: number }, event: string }" in text
    assert "{ ok: true }" in text


def test_the_page_of_settings_has_every_setting(built: Path) -> None:
    text = text_of(built / "reference" / "configuration.html")
    for item in fields(RealtimeConfig):
        assert PREFIX + item.name.upper() in text
        assert item.metadata["doc"].replace("`", "") in text


def test_the_page_of_commands_has_every_command_and_option(built: Path) -> None:
    page = text_of(built / "reference" / "commands.html")
    names = [context.command_path.removeprefix("flask realtime ") for context in COMMANDS]
    assert {"check", "connections", "kick", "log show"} <= set(names)
    headings = re.findall(r"<h2>(.*?)<a", (built / "reference" / "commands.html").read_text(encoding="utf-8"), re.DOTALL)
    assert [re.sub(r"<[^>]+>", "", heading) for heading in headings] == names
    missing = [
        (context.command_path, option)
        for context in COMMANDS
        for option in options(context)
        if option not in page.partition(f"Usage: {context.command_path} ")[2].partition("Usage: ")[0]
    ]
    assert missing == []


def test_every_command_takes_json() -> None:
    assert [context.command_path for context in COMMANDS if "--json" not in options(context)] == []


def test_the_page_of_errors_has_every_code_of_an_event_error(built: Path) -> None:
    text = text_of(built / "reference" / "errors.html").partition("Errors of events")[2]
    assert [kind.code for kind in EventError.__subclasses__() if kind.code not in text] == []


def test_the_page_of_errors_has_the_codes_of_refused_connections() -> None:
    text = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8").partition("## Errors of events")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == CONNECT_CODES


def test_the_package_refuses_with_documented_codes_alone() -> None:
    folders = (ROOT / "flask_realtime" / "gateway", ROOT / "flask_realtime" / "features")
    source = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py"))
    used = set(re.findall(r'\bcode="(\w+)"', source)) | set(re.findall(r'Error, "(\w+)", "', source))
    assert used == CONNECT_CODES - {"connection_refused"}
