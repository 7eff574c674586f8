"""What a developer is told who runs the development server."""

import errno
import os
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


TAKEN = "Stop the program that listens there, or choose another port, as in realtime.run(app, port="


@pytest.mark.parametrize(
    ("number", "port", "remedy"),
    [
        (errno.EADDRINUSE, 3000, f"{TAKEN}3001)."),
        (errno.EADDRINUSE, 65_535, f"{TAKEN}1)."),
        (errno.EACCES, 80, "Ports below 1024 are for administrators: choose another, as in realtime.run(app, port=3000)."),
        (errno.EADDRNOTAVAIL, 80, "It is not an address of this machine: leave host out, or choose 0.0.0.0 for all of them."),
    ],
)
def test_why_a_server_cannot_listen_is_said_with_what_to_do(number: int, port: int, remedy: str) -> None:
    told = development.cannot_listen(OSError(number, "any"), "192.0.2.1", port)
    assert told == f"Cannot listen on 192.0.2.1, port {port}: {os.strerror(number)}. {remedy}"


def test_another_error_has_no_explanation() -> None:
    assert development.cannot_listen(OSError(errno.EIO, "any"), "127.0.0.1", 3000) is None
