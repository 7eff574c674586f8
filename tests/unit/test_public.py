"""The package's own names, which are imported when they are asked for."""

import subprocess
import sys

import pytest

import flask_realtime
from flask_realtime import public


def test_the_package_has_every_public_name() -> None:
    found: dict[str, object] = {}
    exec("from flask_realtime import *", found)  # noqa: S102 - a test can only be a function, and a star is for modules
    assert {name: found.get(name) for name in public.__all__} == {name: getattr(public, name) for name in public.__all__}


def test_it_has_no_others() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        flask_realtime.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nothing' from 'flask_realtime'"):
        exec("from flask_realtime import nothing")  # noqa: S102


def test_gunicorns_master_imports_nothing_of_it_with_the_worker() -> None:
    code = "import sys, flask_realtime.worker; print(*sorted(name for name in sys.modules if name.startswith('flask_realtime')))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.split() == ["flask_realtime", "flask_realtime.worker"]
