"""What a developer is told who runs the development server."""

from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from flask_realtime.gateway.serving import development

SECONDS = 10.0


def serving(address: tuple[Any, ...] = ("127.0.0.1", 3000), *, ssl: bool = False, started: bool = True) -> Any:
    return SimpleNamespace(wsgi_server=SimpleNamespace(address=address, ssl_enabled=ssl, started=started))


def announced(socketio: Any, capsys: pytest.CaptureFixture[str]) -> str:
    """Announce, and return what is printed, which is waited for."""
    development.announce(socketio)
    printed = ""
    with gevent.Timeout(SECONDS):
        while not printed:
            gevent.sleep(0.001)
            printed = capsys.readouterr().out
    return printed.strip()


@pytest.mark.parametrize(
    ("address", "ssl", "url"),
    [
        (("127.0.0.1", 3000), False, "http://127.0.0.1:3000"),
        (("127.0.0.1", 443), True, "https://127.0.0.1:443"),
        (("::1", 3000, 0, 0), False, "http://[::1]:3000"),
    ],
)
def test_the_address_is_printed_as_a_browser_takes_it(
    capsys: pytest.CaptureFixture[str], address: tuple[Any, ...], url: str, *, ssl: bool
) -> None:
    assert announced(serving(address, ssl=ssl), capsys) == f"* Running on {url}"


def test_it_is_printed_once_the_server_listens(capsys: pytest.CaptureFixture[str]) -> None:
    socketio = SimpleNamespace(wsgi_server=None)
    later = serving(started=False)
    gevent.spawn_later(0.2, setattr, socketio, "wsgi_server", later.wsgi_server)
    gevent.spawn_later(0.4, later.wsgi_server.__dict__.update, started=True)
    assert announced(socketio, capsys).endswith(":3000")
    assert later.wsgi_server.started
    gevent.sleep(0.2)
    assert capsys.readouterr().out == "", "once is enough"


def test_who_has_not_patched_the_standard_library_is_warned(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for is_patched, warnings in ((True, 0), (False, 1)):
        monkeypatch.setattr(development, "is_module_patched", lambda _name, is_patched=is_patched: is_patched)
        development.warn_unpatched()
        assert caplog.text.count("patch_all() was not called") == warnings
