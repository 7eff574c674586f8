"""The package as its users get it: built, installed into an empty environment, and used there."""

import tarfile
import zipfile
from pathlib import Path

from tests.packaging.conftest import EnvironmentWith
from tests.packaging.environments import ROOT

TINY_APPLICATION = """
from flask import Flask
from flask_jwt_extended import JWTManager
import flask_realtime
from flask_realtime import Realtime

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = "a key that is long enough for this signature"
JWTManager(app)
realtime = Realtime(app)
with app.app_context():
    assert flask_realtime.get_online_users_count() == 0
    realtime.send_to_user("7", "greeting", "hello")
answer = app.test_client().get("/socket.io/?EIO=4&transport=polling")
assert answer.status_code == 200, answer.text
assert answer.text.startswith("0{"), answer.text
print(flask_realtime.__file__)
"""


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"flask_realtime"}
    assert "flask_realtime/py.typed" in names


def test_the_wheel_holds_every_module(wheel: Path) -> None:
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "flask_realtime").rglob("*.py")}
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_every_script_of_redis(wheel: Path) -> None:
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "flask_realtime").rglob("*.lua")}
    assert expected
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def test_the_source_distribution_holds_what_its_tests_need(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert {"LICENSE", "Makefile", "README.md", "tests/conftest.py", "example_app/__main__.py"} <= names
    assert {"tests/e2e/js/package-lock.json", ".ci/run"} <= names
    assert not any("node_modules" in name for name in names)


def test_an_application_runs_with_the_installed_wheel(environment_with: EnvironmentWith) -> None:
    environment = environment_with()
    location = environment.run(TINY_APPLICATION)
    assert Path(location.strip()).is_relative_to(environment.folder)


def test_a_type_checker_sees_the_installed_package_as_typed(environment_with: EnvironmentWith) -> None:
    source = "from importlib.resources import files; print(files('flask_realtime').joinpath('py.typed').is_file())"
    assert environment_with().run(source) == "True\n"
