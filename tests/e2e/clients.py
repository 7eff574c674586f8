"""Real Socket.IO clients with one interface: the JavaScript one, in a Node process, and python-socketio's."""

import base64
import itertools
import json
import logging
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import engineio
import socketio

JS_FOLDER = Path(__file__).with_name("js")
SECONDS = 30.0
TRANSPORTS: dict[str, list[str]] = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}

Where = Callable[[Any], bool]


class Refused(Exception):
    """The server refused the connection: the client's ``connect_error``."""

    def __init__(self, message: str, data: Any) -> None:
        super().__init__(message, data)
        self.message = message
        self.data = data

    @property
    def code(self) -> Any:
        """The refusal's ``data.code``."""
        return self.data["code"]


@dataclass(frozen=True)
class Event:
    """One event that the client received."""

    name: str
    args: tuple[Any, ...]

    @property
    def data(self) -> Any:
        """The payload of an event that has exactly one."""
        (payload,) = self.args
        return payload


class Client(ABC):
    """A connected client that keeps what it receives, in order, until a test takes it."""

    def __init__(self) -> None:
        self.sid = ""
        self.transport = ""
        self.refusal: Refused | None = None
        self.disconnect_reason: str | None = None
        self.disconnect_reasons: list[str] = []
        """All of them, of a client that comes back."""
        self._joined: list[list[float]] = []
        self._events: list[Event] = []
        self._changed = threading.Condition()

    @abstractmethod
    def emit(self, event: str, *args: Any) -> None:
        """Send an event without a callback."""

    @abstractmethod
    def call(self, event: str, *args: Any, timeout: float = SECONDS) -> Any:
        """Send an event with a callback and return the callback's first argument."""

    @abstractmethod
    def disconnect(self) -> None:
        """Say goodbye and close."""

    @abstractmethod
    def cut(self) -> None:
        """Lose the network without a word; only over WebSocket."""

    def release(self) -> None:
        """Close what is still open, whatever the state of the connection."""
        if self.connected:
            self.disconnect()

    def wait_for(self, name: str, where: Where | None = None, timeout: float = SECONDS) -> Event:
        """Take the first event of that name, waiting for it if it has not come yet.

        Args:
            name: The event's name.
            where: Takes the event's first argument; the event counts only if this is true.
            timeout: Seconds to wait.
        """
        taken: list[Event] = []

        def take() -> bool:
            for event in self._matching(name, where):
                self._events.remove(event)
                taken.append(event)
                return True
            return False

        with self._changed:
            if not self._changed.wait_for(take, timeout):
                message = f"no {name} within {timeout} s; received: {self._events}"
                raise AssertionError(message)
        return taken[0]

    def received(self, name: str, where: Where | None = None) -> list[Event]:
        """The events of that name received so far and not taken."""
        with self._changed:
            return self._matching(name, where)

    def wait_for_number(self, name: str, number: int, timeout: float = SECONDS) -> None:
        """Wait until so many events of that name have come, and take none."""
        self._wait(lambda: len(self._matching(name, None)) >= number, timeout, f"not {number} {name}")

    def settle(self) -> None:
        """Return once everything that the server sent before this moment has arrived.

        The server answers on this connection in order, so the answer to a question comes last.
        """
        assert self.call("user:get-status", "nobody") == {"userId": "nobody", "status": "offline"}

    def assert_none(self, name: str, where: Where | None = None) -> None:
        """Fail if an event of that name has been sent to this client."""
        self.settle()
        assert self.received(name, where) == []

    def wait_for_disconnect(self, timeout: float = SECONDS) -> str:
        """Wait until the connection is gone and return the client's word for why."""
        self._wait(lambda: self.disconnect_reason is not None, timeout, "no disconnect")
        return str(self.disconnect_reason)

    def joined_times(self) -> list[list[float]]:
        """From when until when it was joined to the conversation that it joins by itself, as Unix times."""
        with self._changed:
            return [list(times) for times in self._joined]

    @property
    def connected(self) -> bool:
        """Whether the client was let in and has not been told otherwise."""
        return bool(self.sid) and self.disconnect_reason is None

    def _wait(self, condition: Callable[[], bool], timeout: float, message: str) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise AssertionError(f"{message} within {timeout} s")

    def _matching(self, name: str, where: Where | None) -> list[Event]:
        return [
            event
            for event in self._events
            if event.name == name and (where is None or where(event.args[0] if event.args else None))
        ]

    def _keep(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()


class JSDriver:
    """The Node process that runs socket.io-client sockets for the tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [node(), str(JS_FOLDER / "driver.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._numbers = itertools.count(1)
        self._writing = threading.Lock()
        self._answered = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._clients: dict[str, JSClient] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def run(self, op: str, timeout: float = SECONDS, **details: Any) -> Any:
        """Have the driver do something and return what it answers."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        with self._writing:
            self._process.stdin.write(json.dumps({"id": number, "op": op, **details}) + "\n")
            self._process.stdin.flush()
        with self._answered:
            assert self._answered.wait_for(lambda: number in self._answers, timeout), f"no answer to {op}"
            answer = self._answers.pop(number)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def add(self, client: "JSClient") -> str:
        """Give a client its name, under which the driver reports what it sees."""
        name = f"socket-{next(self._numbers)}"
        self._clients[name] = client
        return name

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(SECONDS)
        self._reader.join(SECONDS)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "socket" in message:
                self._clients[message["socket"]].take_report(message)
                continue
            with self._answered:
                self._answers[message["id"]] = message
                self._answered.notify_all()


class JSClient(Client):
    """An unmodified socket.io-client socket.

    Args:
        driver: The Node process that runs it.
        url: The server's address.
        options: What ``io(url, options)`` takes.
        rejoin: A conversation that it joins whenever it is connected.
    """

    def __init__(self, driver: JSDriver, url: str, options: Mapping[str, Any], rejoin: str | None = None) -> None:
        super().__init__()
        self._driver = driver
        self._name = driver.add(self)
        self.recoveries: list[bool] = []
        """For each time that it connected, whether it recovered what it lost."""
        driver.run("open", socket=self._name, url=url, options=dict(options), rejoin=rejoin)
        self._wait(lambda: bool(self.sid or self.refusal), SECONDS, "neither connected nor refused")
        if self.refusal:
            self.disconnect()
            raise self.refusal
        if options["transports"] == TRANSPORTS["upgrade"]:
            self._wait(lambda: self.transport == "websocket", SECONDS, "not upgraded")

    def emit(self, event: str, *args: Any) -> None:
        """Send an event without a callback."""
        self._driver.run("emit", socket=self._name, event=event, args=to_wire(list(args)))

    def call(self, event: str, *args: Any, timeout: float = SECONDS) -> Any:
        """Send an event with a callback and return the callback's first argument."""
        details = {"socket": self._name, "event": event, "args": to_wire(list(args)), "seconds": timeout}
        return from_wire(self._driver.run("call", timeout=timeout + 1, **details))

    def disconnect(self) -> None:
        """Say goodbye and close."""
        self._driver.run("close", socket=self._name)

    def cut(self) -> None:
        """Lose the network without a word; only over WebSocket."""
        self._driver.run("cut", socket=self._name)

    def place(self) -> dict[str, Any]:
        """The secret and the offset with which it would come back."""
        return dict(self._driver.run("place", socket=self._name))

    def wait_until_back(self, times: int) -> None:
        """Wait until it has been connected again so many times."""
        self._wait(lambda: len(self.recoveries) > times, SECONDS, f"not back for the {times}th time")

    def take_report(self, message: Mapping[str, Any]) -> None:
        """Keep what the driver says that the socket saw."""
        kind = message["type"]
        if kind == "event":
            self._keep(Event(message["event"], tuple(from_wire(message["args"]))))
            return
        with self._changed:
            if kind == "connect":
                self.sid, self.transport, self.disconnect_reason = message["sid"], message["transport"], None
                self.recoveries.append(message.get("recovered", False))
            elif kind == "joined":
                self._joined.append([time.time(), math.inf])
            elif kind == "upgrade":
                self.transport = message["transport"]
            elif kind == "connect_error":
                self.refusal = Refused(message["message"], message["data"])
            else:
                self.disconnect_reason = message["reason"]
                self.disconnect_reasons.append(message["reason"])
                if self._joined:
                    self._joined[-1][1] = min(self._joined[-1][1], time.time())
            self._changed.notify_all()


class OrderedEngine(engineio.Client):  # type: ignore[misc]
    """The engine as it is, but with messages handled in the order they came, not in a thread each."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.messages = ThreadPoolExecutor(max_workers=1)

    def _trigger_event(self, event: str, *args: Any, run_async: bool = False, **kwargs: Any) -> Any:
        if run_async:
            return self.messages.submit(super()._trigger_event, event, *args, **kwargs)
        return super()._trigger_event(event, *args, **kwargs)


class OrderedClient(socketio.Client):  # type: ignore[misc]
    """python-socketio's client on the ordered engine."""

    def _engineio_client_class(self) -> type[OrderedEngine]:
        return OrderedEngine


_SILENT: Final = logging.getLogger(f"{__name__}.silent")
"""For the engine's client, which logs of its end from a thread of its own, in the midst of a later test."""
_SILENT.addHandler(logging.NullHandler())
_SILENT.setLevel(logging.CRITICAL)
_SILENT.propagate = False


class PyClient(Client):
    """python-socketio's client.

    Args:
        url: The server's address.
        options: ``auth``, ``extraHeaders``, ``path``, ``query`` and ``transports`` as the JavaScript client takes them.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        super().__init__()
        self._client = OrderedClient(reconnection=False, handle_sigint=False, engineio_logger=_SILENT)
        self._client.on("*", lambda name, *args: self._keep(Event(name, args)))
        self._client.on("connect_error", self._refused)
        self._client.on("disconnect", self._disconnected)
        try:
            self._client.connect(
                url + "?" + urlencode(options.get("query", {})),
                headers=options.get("extraHeaders", {}),
                auth=options.get("auth"),
                transports=options["transports"],
                socketio_path=options.get("path", "/socket.io/"),
                wait_timeout=SECONDS,
            )
        except socketio.exceptions.ConnectionError as error:
            self.release()
            raise self.refusal or error from None
        self.sid, self.transport = self._client.get_sid(), self._client.transport()

    def emit(self, event: str, *args: Any) -> None:
        """Send an event without a callback."""
        self._client.emit(event, args)

    def call(self, event: str, *args: Any, timeout: float = SECONDS) -> Any:
        """Send an event with a callback and return the callback's first argument."""
        return self._client.call(event, args, timeout=timeout)

    def disconnect(self) -> None:
        """Say goodbye and close."""
        self._client.disconnect()

    def cut(self) -> None:
        """Lose the network without a word; only over WebSocket."""
        self._client.eio.ws.shutdown()

    def release(self) -> None:
        """Close what is still open; the engine leaves its WebSocket to the garbage collector."""
        super().release()
        self._end_writing()
        self._client.eio.messages.shutdown()
        if self._client.eio.ws:
            self._client.eio.ws.shutdown()

    def _end_writing(self) -> None:
        # An end that both sides begin may take the word out of the queue for which the engine's thread waits there.
        thread, until = self._client.eio.write_loop_task, time.monotonic() + SECONDS
        while thread is not None and thread.is_alive() and not self.connected and time.monotonic() < until:
            self._client.eio.queue.put(None)
            thread.join(0.02)

    def _refused(self, data: Any) -> None:
        self.refusal = Refused(data["message"], data.get("data"))

    def _disconnected(self, reason: str) -> None:
        with self._changed:
            self.disconnect_reason = reason
            self._changed.notify_all()


def to_wire(value: Any) -> Any:
    """Bytes as the driver takes them, in any depth."""
    if isinstance(value, bytes):
        return {"$binary": base64.b64encode(value).decode()}
    if isinstance(value, list | tuple):
        return [to_wire(item) for item in value]
    if isinstance(value, dict):
        return {key: to_wire(item) for key, item in value.items()}
    return value


def from_wire(value: Any) -> Any:
    """Bytes as Python has them, in any depth."""
    if isinstance(value, list):
        return [from_wire(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$binary"}:
        return base64.b64decode(value["$binary"])
    return {key: from_wire(item) for key, item in value.items()}


def node() -> str:
    """The Node program: the machine's, or the one beside this Python."""
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    program = shutil.which("node", path=path)
    assert program, "no node found: `make test` installs one"
    assert (JS_FOLDER / "node_modules").is_dir(), "socket.io-client is not installed: `make test` installs it"
    return program
