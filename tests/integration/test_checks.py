"""`flask realtime check`, as an operator runs it: a process of its own, its exit code and what it prints."""

import json
import os
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_realtime import Realtime
from flask_realtime.checks import find_all, find_certain
from flask_realtime.checks.setup import check_workers
from flask_realtime.checks.surroundings import check_queue, check_versions
from flask_realtime.checks.tokens import check_tokens
from flask_realtime.extension import gateway_of
from tests.redis_server import RedisServer, free_port
from tests.warm_python import WarmPython

KEY = "0123456789abcdef" * 2
WHOLE = f"""
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_realtime import Realtime

app = Flask("chat")
app.config["JWT_SECRET_KEY"] = "{KEY}"
# settings
realtime = Realtime(app)
JWTManager(app)
# afterwards

@realtime.authorize_join
def may_join(identity, conversation_id):
    return True
"""


class Checked:
    """What the command said of an application.

    Args:
        folder: Where the application is written.
        source: Its source.
        environment: Variables of the command.
        python: What runs it.
    """

    def __init__(self, folder: Path, source: str, environment: dict[str, str], python: WarmPython) -> None:
        self._python = python
        (folder / "app.py").write_text(dedent(source), encoding="utf-8")
        self._folder = folder
        inherited = {name: value for name, value in os.environ.items() if name not in {"WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"}}
        self._environment = {**inherited, **environment}
        done = self.run()
        self.status, self.lines, self.errors = done.returncode, done.stdout.splitlines(), done.stderr

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the command with options."""
        command = ("-m", "flask", "--app", "app", "realtime", "check", *options)
        return self._python.run(*command, folder=self._folder, environment=self._environment)


@pytest.fixture(scope="module")
def warm_python() -> Iterator[WarmPython]:
    with WarmPython() as warm:
        yield warm


@pytest.fixture
def check(tmp_path: Path, warm_python: WarmPython) -> Any:
    """Checks the application above, with some of its lines replaced."""

    def run(*replacements: tuple[str, str], **environment: str) -> Checked:
        source = WHOLE
        for old, new in replacements:
            assert old in source
            source = source.replace(old, new)
        return Checked(tmp_path, source, environment, warm_python)

    return run


def test_an_application_that_is_set_up_is_fine(check: Any) -> None:
    checked = check()
    assert (checked.status, checked.lines, checked.errors) == (0, ["OK: no problem was found."], "")
    assert json.loads(checked.run("--json").stdout) == {"ok": True, "findings": []}


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        ("JWTManager(app)\n", "\n", "jwt_manager_missing", "Call JWTManager(app) before the application serves."),
        (f'"{KEY}"', "None", "jwt_key_missing", "JWT_SECRET_KEY or flask SECRET_KEY must be set"),
        (KEY, "secret", "jwt_key_short", "has 6 bytes, and HS256 wants 32 or more"),
        ("@realtime.authorize_join", "", "authorize_join_missing", "Register one with @realtime.authorize_join"),
        (
            "# afterwards",
            "from flask_realtime import Feature; realtime.hook(Feature('votes', state=id).hook('on_vote', ['identity']))(id)",
            "hook_of_no_feature",
            "The functions registered for votes.on_vote are never called: the feature that has this hook is not registered.",
        ),
        (
            "# settings",
            "app.config['REALTIME_ORIGINS'] = '*'",
            "setup_failed",
            "REALTIME_ORIGINS is not a setting of flask_realtime.",
        ),
        (
            "# settings",
            "app.config['REALTIME_MAX_ROOMS'] = 0",
            "setup_failed",
            "REALTIME_MAX_ROOMS must be an integer above 0, not 0",
        ),
        (
            "# settings",
            "app.config['REALTIME_AFTER_COMMIT'] = True",
            "after_commit_without_database",
            "REALTIME_AFTER_COMMIT is True, and Flask-SQLAlchemy is not set up on the application",
        ),
        ("# afterwards", "app.config['REALTIME_MAX_ROOMS'] = 5", "setting_late", "REALTIME_MAX_ROOMS was changed after init_app"),
        (
            "# afterwards",
            "app.config['REALTIME_ROOMS'] = 5",
            "setting_invalid",
            "REALTIME_ROOMS is not a setting of flask_realtime.",
        ),
        ("realtime = Realtime(app)", "realtime = Realtime()", "setup_failed", "Did you forget to call 'init_app'?"),
        (
            "def may_join(identity, ",
            "def may_join(",
            "setup_failed",
            "authorize_join: app.may_join(conversation_id) cannot be called",
        ),
        (
            "# settings",
            "from werkzeug.middleware.proxy_fix import ProxyFix; app.wsgi_app = ProxyFix(app.wsgi_app)",
            "proxy_fix_inside",
            "ProxyFix was added before init_app",
        ),
    ],
)
def test_what_is_wrong_is_one_line_that_says_how_to_mend_it(check: Any, old: str, new: str, code: str, told: str) -> None:
    checked = check((old, new))
    assert (checked.status, checked.errors) == (1, "")
    assert [line.partition(": ")[0] for line in checked.lines] == [f"problem {code}", "1 problem"]
    assert told in checked.lines[0]


def test_several_findings_have_a_line_each(check: Any) -> None:
    checked = check(
        ("JWTManager(app)\n", "\n"),
        ("@realtime.authorize_join", ""),
        ("# settings", "app.config['REALTIME_CORS_ALLOWED_ORIGINS'] = '*'"),
    )
    codes = [line.partition(": ")[0] for line in checked.lines]
    assert codes == ["problem jwt_manager_missing", "problem authorize_join_missing", "hint any_origin", "2 problems"]
    printed = checked.run("--json")
    answer = json.loads(printed.stdout)
    assert (printed.returncode, answer["ok"]) == (1, False)
    assert [f"{finding['level']} {finding['code']}" for finding in answer["findings"]] == codes[:-1]
    assert answer["findings"][0].keys() == {"code", "problem", "remedy", "level"}


def test_a_hint_is_no_problem(check: Any) -> None:
    checked = check(("# settings", "app.config['PREFERRED_URL_SCHEME'] = 'https'"))
    assert (checked.status, checked.lines[1:]) == (0, ["OK: no problem was found."])
    assert checked.lines[0].startswith("hint proxy_fix_missing: PREFERRED_URL_SCHEME is https, and there is no ProxyFix")


def test_a_message_queue_is_asked(check: Any) -> None:
    with RedisServer() as redis:
        setting = ("# settings", f"app.config['REALTIME_MESSAGE_QUEUE'] = '{redis.url}'")
        assert check(setting).lines == ["OK: no problem was found."]
    checked = check(setting)
    assert checked.status == 1
    assert checked.lines[0].startswith("problem queue_unreachable: The message queue cannot be reached: ")


def test_a_package_that_the_queue_needs_is_named(check: Any) -> None:
    hidden = "import sys; sys.modules['redis'] = None; app.config['REALTIME_MESSAGE_QUEUE'] = 'redis://127.0.0.1'"
    checked = check(("# settings", hidden))
    assert (checked.status, checked.lines[0]) == (
        1,
        "problem setup_failed: A message queue needs redis-py: pip install 'flask-realtime[redis]'",
    )


@pytest.mark.parametrize(
    "environment", [{"WEB_CONCURRENCY": "4"}, {"GUNICORN_CMD_ARGS": "--workers=4"}, {"GUNICORN_CMD_ARGS": "--bind :80 -w 4"}]
)
def test_several_workers_without_a_queue_are_a_problem(check: Any, environment: dict[str, str]) -> None:
    checked = check(**environment)
    assert (checked.status, checked.lines[1]) == (1, "1 problem")
    assert checked.lines[0].startswith(
        "problem workers_without_queue: gunicorn is set to start 4 workers, and without REALTIME_MESSAGE_QUEUE"
    )


# In parts ---------------------------------------------------------------------------------------------


def make_app(**config: Any) -> Flask:
    app = Flask("chat")
    app.config.update({"JWT_SECRET_KEY": KEY, "REALTIME_ASYNC_MODE": "threading", **config})
    return app


def codes(app: Flask) -> set[str]:
    return {finding.code for finding in find_all(app, gateway_of(app))}


@pytest.mark.parametrize(("algorithm", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_its_algorithm_wants(algorithm: str, least: int) -> None:
    for length, found in ((least, []), (least - 1, ["jwt_key_short"])):
        app = make_app(JWT_SECRET_KEY="x" * length, JWT_ALGORITHM=algorithm)
        JWTManager(app)
        assert [finding.code for finding in check_tokens(app)] == found


@pytest.mark.parametrize(
    ("key", "found"), [("ü" * 16, []), ("ü" * 15, ["jwt_key_short"]), (b"\xff" * 32, []), (b"\xff" * 31, ["jwt_key_short"])]
)
def test_the_length_of_a_secret_is_that_of_its_bytes(key: str | bytes, found: list[str]) -> None:
    app = make_app(JWT_SECRET_KEY=key)
    JWTManager(app)
    assert [finding.code for finding in check_tokens(app)] == found


def test_keys_of_other_kinds_are_not_measured() -> None:
    app = make_app(JWT_ALGORITHM="RS256", JWT_PUBLIC_KEY="short")
    manager = JWTManager(app)
    assert list(check_tokens(app)) == []
    app.config["JWT_PUBLIC_KEY"] = None
    assert [finding.code for finding in check_tokens(app)] == ["jwt_key_missing"]
    manager.decode_key_loader(lambda _header, _claims: "the key of a tenant")
    assert list(check_tokens(app)) == []


def test_a_proxy_fix_outside_is_fine() -> None:
    app = make_app(PREFERRED_URL_SCHEME="https")
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    Realtime(app)
    assert "proxy_fix_inside" in codes(app)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    assert not {"proxy_fix_inside", "proxy_fix_missing"} & codes(app)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("sqlite:///chat.db", "database_sqlite"),
        ("postgresql+psycopg2://localhost/chat", "database_driver_blocks"),
        ("mysql+mysqldb://localhost/chat", "database_driver_blocks"),
        ("postgresql+psycopg://localhost/chat", None),
        ("no such thing", None),
        (None, None),
    ],
)
def test_a_driver_that_waits_for_itself_is_a_hint(url: str | None, code: str | None) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI=url)
    Realtime(app)
    app.extensions["sqlalchemy"] = object()
    assert {name for name in codes(app) if name.startswith("database")} == ({code} if code else set())
    assert not [finding for finding in find_certain(app, gateway_of(app)) if finding.level == "hint"]


def test_a_server_logs_definite_problems_once_at_its_first_request(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(PREFERRED_URL_SCHEME="https")
    app.add_url_rule("/", view_func=lambda: "served")
    Realtime(app)
    client = app.test_client()
    app.config["REALTIME_MAX_ROOMS"] = 7
    assert caplog.messages == [], "the setup may still go on"
    assert [client.get("/").text for _ in range(2)] == ["served"] * 2
    found = find_certain(app, gateway_of(app))
    assert [finding.code for finding in found] == ["jwt_manager_missing", "setting_late"]
    assert [line for line in caplog.messages if line.startswith("chat: ")] == [f"chat: {finding}" for finding in found]


def test_workers_with_a_queue_are_no_problem() -> None:
    alone, together = make_app(), make_app(REALTIME_MESSAGE_QUEUE=f"redis://127.0.0.1:{free_port()}")
    for app in (alone, together):
        Realtime(app)
    assert [finding.code for finding in check_workers(gateway_of(alone), {"WEB_CONCURRENCY": "2"})] == ["workers_without_queue"]
    assert list(check_workers(gateway_of(together), {"WEB_CONCURRENCY": "2"})) == []
    for environment in (
        {},
        {"WEB_CONCURRENCY": "1"},
        {"WEB_CONCURRENCY": "x"},
        {"WEB_CONCURRENCY": "3", "GUNICORN_CMD_ARGS": "-w 1"},
    ):
        assert list(check_workers(gateway_of(alone), environment)) == []


def test_what_is_doubtful_about_a_queue_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    Realtime(app)
    shared = gateway_of(app).backend
    monkeypatch.setattr(shared, "warnings", lambda: ["Redis may evict what servers share. Set maxmemory-policy to noeviction."])
    (finding,) = check_queue(gateway_of(app))
    assert (finding.code, finding.level, str(finding)) == ("queue_doubtful", "problem", shared.warnings()[0])


def test_packages_that_are_too_old_are_named() -> None:
    installed = {"Flask": "2.3.9", "gevent": "24.2", "redis": "5.0.1", "gunicorn": "22.0rc1", "kombu": "5.4.99"}

    def version_of(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    requirements = [
        *("Flask>=3.0", "gevent>=24.2.0", "orjson>=3.9", 'redis>=5.0; extra == "redis"', 'redis>=5.0; extra == "dev"'),
        *(
            'gunicorn>=22.0; extra == "server"',
            'kombu[x]>=5.5; extra == "amqp"',
            'pydantic>=2.5; extra == "validation"',
            "types-gevent",
        ),
    ]
    assert [(finding.code, str(finding)) for finding in check_versions(requirements, version_of)] == [
        (
            "package_old",
            "Flask 2.3.9 is older than 3.0, the oldest version that flask_realtime works with. Run: pip install 'Flask>=3.0'",
        ),
        ("package_missing", "orjson is not installed. Run: pip install 'orjson>=3.9'"),
        (
            "package_old",
            "kombu 5.4.99 is older than 5.5, the oldest version that flask_realtime works with. Run: pip install 'kombu>=5.5'",
        ),
    ]


def test_the_packages_that_are_here_are_new_enough() -> None:
    assert list(check_versions()) == []


def test_a_folder_for_recovery_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def is_found(folder: str | None) -> bool:
        app = make_app(REALTIME_RECOVERY_FOLDER=folder)
        Realtime(app)
        return "recovery_folder_unusable" in codes(app)

    assert is_found(str(tmp_path / "file" / "folder"))
    assert not is_found(str(tmp_path / "not yet there" / "folder"))
    assert not is_found(None)
