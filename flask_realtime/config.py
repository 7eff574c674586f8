"""Configuration: `REALTIME_*` keys, read once from `app.config`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from flask_realtime.errors import ConfigError
from flask_realtime.rates import InvalidRate, Rate, parse_rate

PREFIX: Final = "REALTIME_"
TRANSPORTS: Final = ("polling", "websocket")
ASYNC_MODES: Final = ("gevent", "threading")
ENGINES: Final = ("gevent", "stock")
RECOVERY_CLIENTS: Final = ("browsers", "asking", "all")
QUEUE_SCHEMES: Final = (
    "redis://",
    "rediss://",
    "unix://",
    "redis+cluster://",
    "rediss+cluster://",
    "amqp://",
    "amqps://",
    "kafka://",
)

LIMITS: Final = {
    "typing": "10/second, burst 20",
    "presence": "10/second, burst 50",
    "joins": "20/second, burst 200",
    "messages": "10/second, burst 30",
    "receipts": "20/second, burst 100",
    "notifications": "10/second, burst 50",
    "sync": "5/second, burst 50",
    "reactions": "10/second, burst 40",
    "conversations": "5/second, burst 40",
    "pages": "20/second, burst 100",
    "searches": "2/second, burst 20",
    "application": "20/second, burst 50",
}
"""Default limits of one connection, by the classes of events that share an allowance."""

USER_LIMITS: Final = {name: str(parse_rate(text).times(3)) for name, text in LIMITS.items()}
"""Default limits of all connections of a user together: twenty tabs are possible, but not usual."""

LIMIT_SETTINGS: Final = ("limits", "user_limits")
RATE_SETTINGS: Final = ("max_refusals", "max_failed_connects", "max_connects_per_user")

TRANSPORT_SETTINGS: Final = (
    "path",
    "transports",
    "cors_allowed_origins",
    "ping_interval",
    "ping_timeout",
    "max_http_buffer_size",
    "async_mode",
)
"""Settings of the SocketIO object; one that the application made itself has its own."""


ANALYTICS_RETENTION: Final = {"minute": 172_800.0, "hour": 7_776_000.0, "day": 63_244_800.0}
"""Seconds for which figures of analytics are kept, by their interval: 48 hours, 90 days, 2 years."""

ADMIN_MODES: Final = ("production", "development")
_PASSWORD_HASH: Final = re.compile(r"(scrypt(:\d+){3}|pbkdf2:\w+(:\d+)?)\$[^$]+\$[0-9a-f]+")
_ADMIN_EXPECTED: Final = (
    "None, or {'username': ..., 'password': ...} with the password as `flask realtime admin` prints it, and perhaps 'mode', "
    "'production' or 'development', and 'read_only', True or False"
)
_TEN_YEARS: Final = 10 * 366 * 86_400
_DAY: Final = 86_400
_RATE_EXPECTED: Final = "None for no limit, or a rate such as '10/second, burst 20'"
_LIMITS_EXPECTED: Final = f"a mapping of {', '.join(LIMITS)} to rates such as '10/second, burst 20' or None for no limit"


def _setting(default: Any, expected: str, valid: Callable[[Any], bool], *, doc: str, is_secret: bool = False) -> Any:
    return field(default=default, metadata={"expected": expected, "valid": valid, "doc": doc, "secret": is_secret})


def _limits_setting(defaults: Mapping[str, str], *, doc: str) -> Any:
    metadata = {
        "expected": _LIMITS_EXPECTED,
        "valid": lambda value: isinstance(value, Mapping),
        "doc": doc,
        "shown": dict(defaults),
    }
    return field(default_factory=lambda: _rates(defaults, {}, ""), metadata=metadata)


def _rate_setting(default: str, *, doc: str) -> Any:
    metadata = {"expected": _RATE_EXPECTED, "valid": _is_rate, "doc": doc, "shown": default}
    return field(default=parse_rate(default), metadata=metadata)


def _is_retention(value: object) -> bool:
    """Return whether intervals are kept until longer ones have been made of them, and these at least as long."""
    if not isinstance(value, Mapping) or set(value) != set(ANALYTICS_RETENTION):
        return False
    if not all(_is_positive_number(seconds) and seconds <= _TEN_YEARS for seconds in value.values()):
        return False
    return bool(_DAY / 4 <= value["minute"] <= value["hour"] <= value["day"] and value["hour"] >= 3 * _DAY)


def _is_rate(value: object) -> bool:
    return value is None or isinstance(value, Rate)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_positive_number(value: Any) -> bool:
    return _is_number(value) and 0 < value < float("inf")


def _is_duration(value: Any) -> bool:
    return _is_number(value) and 0 <= value < float("inf")


def _is_positive_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and value.strip("/") != "" and not set(value) & set("?# ")


def _are_transports(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(item in TRANSPORTS for item in value)


def _are_origins(value: Any) -> bool:
    if value is None or callable(value) or value == ("*",):
        return True
    # An empty list would not mean "no origin": python-engineio reads it as "do not check".
    are_tuple = isinstance(value, tuple) and len(value) > 0
    return are_tuple and all(isinstance(item, str) and "://" in item and not item.endswith("/") for item in value)


def _is_queue_url(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.startswith(QUEUE_SCHEMES))


def _is_push_key(value: Any) -> bool:
    return value is None or (isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]{43}", value) is not None)


def _are_push_services(value: Any) -> bool:
    return value is None or (value != ("*",) and not callable(value) and _are_origins(value))


def _is_contact(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.startswith(("mailto:", "https://")))


def _are_namespaces(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) and item[:1] == "/" and len(item) > 1 for item in value)


def _is_admin(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return value is None
    username, password = value.get("username"), value.get("password")
    are_given = isinstance(username, str) and username != "" and isinstance(password, str) and _PASSWORD_HASH.fullmatch(password)
    is_known = value.keys() <= {"username", "password", "mode", "read_only"} and value.get("mode", "production") in ADMIN_MODES
    return bool(are_given) and is_known and isinstance(value.get("read_only", False), bool)


@dataclass(frozen=True)
class RealtimeConfig:
    """The settings of one application; each field is the key `REALTIME_<NAME>`."""

    path: str = _setting(
        "/socket.io/",
        "a path such as '/socket.io/'",
        _is_path,
        doc="Path of the server: the clients' `path` option.",
    )
    transports: tuple[str, ...] = _setting(
        TRANSPORTS,
        f"one or both of {', '.join(map(repr, TRANSPORTS))}",
        _are_transports,
        doc="Transports that clients may use.",
    )
    cors_allowed_origins: Any = _setting(  # noqa: RUF009 - it returns a dataclasses.field
        None,
        "None for the same origin only, '*', origins such as 'https://example.org' without a trailing slash, or a callable "
        "(origin, environ) -> bool",
        _are_origins,
        doc="Origins that may connect. None: only pages of the server's own origin.",
    )
    open_namespaces: tuple[str, ...] = _setting(
        (),
        "names of namespaces such as '/status', and never the default one",
        _are_namespaces,
        doc="Namespaces of handlers registered through `realtime.socketio` to which any client may connect, without a token.",
    )
    ping_interval: float = _setting(
        25.0, "a number of seconds above 0", _is_positive_number, doc="Seconds between two pings of the server."
    )
    ping_timeout: float = _setting(
        20.0, "a number of seconds above 0", _is_positive_number, doc="Seconds that a client has to answer a ping."
    )
    typing_timeout: float = _setting(
        7.0,
        "a number of seconds above 0",
        _is_positive_number,
        doc="Seconds without a `typing:start` after which the server ends a typing state.",
    )
    max_status_ids: int = _setting(
        100, "an integer above 0", _is_positive_integer, doc="Maximum number of user ids in one `users:get-status`."
    )
    max_payload_bytes: int = _setting(
        65_536, "an integer above 0", _is_positive_integer, doc="Bytes of one event; a larger one is answered `payload_too_large`."
    )
    max_http_buffer_size: int = _setting(
        1_000_000,
        "an integer above 0",
        _is_positive_integer,
        doc="Bytes of one transport message; a larger one ends the connection.",
    )
    max_connections_per_user: int = _setting(
        20,
        "an integer above 0",
        _is_positive_integer,
        doc="Connections that one user may have at once, on all servers that share a Redis.",
    )
    max_connections: int | None = _setting(
        None,
        "None or an integer above 0",
        lambda value: value is None or _is_positive_integer(value),
        doc="Connections that one server process may have at once. None: no limit.",
    )
    admin: Mapping[str, Any] | None = _setting(
        None,
        _ADMIN_EXPECTED,
        _is_admin,
        doc="Log-in of Socket.IO's Admin UI: `username`, and `password` as `flask realtime admin` prints it. `mode` is "
        "'production', which shows numbers, or 'development', which shows connections, rooms and events; `read_only` refuses every "
        "action. None: there is no such namespace.",
        is_secret=True,
    )
    max_rooms: int = _setting(
        200, "an integer above 0", _is_positive_integer, doc="Conversations that one connection may have joined at once."
    )
    receipts_limit: int = _setting(
        500,
        "an integer above 0",
        _is_positive_integer,
        doc="Participants of a conversation beyond which `messages:read` and `messages:delivered` are sent at most once a second "
        "for a conversation, merged.",
    )
    max_nesting: int = _setting(
        32,
        "an integer above 0",
        _is_positive_integer,
        doc="Maximum nesting of lists and objects in an event's arguments.",
    )
    limits: Mapping[str, Rate | None] = _limits_setting(
        LIMITS,
        doc="How often one connection may send events of a class. Classes that are not given keep their defaults.",
    )
    user_limits: Mapping[str, Rate | None] = _limits_setting(
        USER_LIMITS,
        doc="How often all connections of one user, on one server process, may together send events of a class. A class that is "
        "not given keeps its default.",
    )
    max_refusals: Rate | None = _rate_setting(  # noqa: RUF009 - it returns a dataclasses.field
        "100/minute, burst 200",
        doc="How often a connection may be answered `rate_limited` before it is disconnected. None: no limit.",
    )
    max_failed_connects: Rate | None = _rate_setting(  # noqa: RUF009 - it returns a dataclasses.field
        "30/minute, burst 60",
        doc="How often clients of one address may fail to connect because of their token before they have to wait, for each server "
        "process. An IPv6 address counts by its /64. Expired tokens do not count.",
    )
    max_connects_per_user: Rate | None = _rate_setting(  # noqa: RUF009 - it returns a dataclasses.field
        "60/minute, burst 120",
        doc="How often one user may connect, for each server process; further attempts are refused as `rate_limited`, with the "
        "time to wait. None: no limit.",
    )
    max_pending_events: int = _setting(
        256,
        "an integer above 0",
        _is_positive_integer,
        doc="Maximum number of events of one connection that wait for the application; beyond it the server stops reading from it.",
    )
    max_backlog_bytes: int = _setting(
        1_048_576,
        "an integer above 0",
        _is_positive_integer,
        doc="Maximum number of bytes buffered for a slow client; typing and presence events are dropped at half, and the "
        "connection is cut when it is full.",
    )
    expiry_warning: float = _setting(
        60.0,
        "a number of seconds, 0 or more",
        _is_duration,
        doc="Seconds before a connection's token expires at which the client gets `auth:expiring`.",
    )
    expiry_grace: float | None = _setting(
        25.0,
        "None or a number of seconds, 0 or more",
        lambda value: value is None or _is_duration(value),
        doc="Seconds after a connection's token has expired in which a new one is still accepted; then the connection ends. None: "
        "connections outlive their tokens, and nobody is warned.",
    )
    revocation_interval: float | None = _setting(
        30.0,
        "None or a number of seconds above 0",
        lambda value: value is None or _is_positive_number(value),
        doc="Seconds between two checks of whether the application has revoked connections' tokens. None: never.",
    )
    critical_timeout: float = _setting(
        30.0,
        "a number of seconds, 0 or more",
        _is_duration,
        doc="Seconds in which a device has to confirm a critical notification, before it goes to the notification channels.",
    )
    critical_retry_time: float = _setting(
        86_400.0,
        "a number of seconds, 0 or more",
        _is_duration,
        doc="Seconds for which a channel that failed is tried again for a critical notification; after that it is a dead letter.",
    )
    jobs_in_server: bool = _setting(
        default=True,
        expected="True or False",
        valid=lambda value: isinstance(value, bool),
        doc="Whether servers run jobs, such as critical notifications. False leaves them to `flask realtime worker`.",
    )
    jobs_interval: float = _setting(
        5.0,
        "a number of seconds above 0",
        _is_positive_number,
        doc="Seconds between two looks of a worker for jobs that another process has added.",
    )
    jobs_lease: float = _setting(
        60.0,
        "a number of seconds above 0",
        _is_positive_number,
        doc="Seconds after which a job whose worker has not been heard of is another worker's.",
    )
    push_private_key: str | None = _setting(
        None,
        "None or a private key as `flask realtime push-key` prints it",
        _is_push_key,
        doc="VAPID private key of web push, as `flask realtime push-key` prints it. None: no web push.",
        is_secret=True,
    )
    push_contact: str | None = _setting(
        None,
        "None, or a 'mailto:' or 'https:' address",
        _is_contact,
        doc="Address at which push services reach the operator, such as 'mailto:ops@example.org'; needed for web push.",
    )
    push_services: tuple[str, ...] | None = _setting(
        None,
        "None or origins such as 'https://push.example.org' without a trailing slash",
        _are_push_services,
        doc="Origins of the only push services that web push may use, which may then have plain HTTP and private addresses. None: "
        "any service with HTTPS and a public address.",
    )
    message_queue: str | None = _setting(
        None,
        "None or the URL of a message queue such as 'redis://localhost:6379/0'",
        _is_queue_url,
        doc="Message queue that several servers share; without it there is one server process. redis://, rediss:// or unix://, "
        "redis+cluster:// or rediss+cluster:// for a Redis Cluster; for events alone amqp://, amqps:// or kafka://.",
    )
    message_queue_channel: str = _setting(
        "flask_realtime",
        "a name without braces or white space",
        lambda value: isinstance(value, str) and value != "" and not set(value) & set("{} \t\n"),
        doc="Prefix of all names in the message queue; applications that share a Redis server need different ones.",
    )
    message_queue_retention: float = _setting(
        60.0,
        "a number of seconds above 0",
        _is_positive_number,
        doc="Seconds for which an event is kept for a server that has lost its link to the message queue.",
    )
    direct_links: bool = _setting(
        default=False,
        expected="True or False",
        valid=lambda value: isinstance(value, bool),
        doc="Whether the servers of one machine pass events to each other directly, over Unix sockets. Redis gets all events too. "
        "All processes of an application need the same value.",
    )
    server_lease: float = _setting(
        10.0,
        "a number of seconds above 0",
        _is_positive_number,
        doc="Seconds before a silent server is considered dead and its connections closed.",
    )
    recovery_window: float | None = _setting(
        120.0,
        "None or a number of seconds above 0",
        lambda value: value is None or _is_positive_number(value),
        doc="Seconds in which a client that lost its connection may come back and get what it missed. None: no recovery.",
    )
    offline_delay: float = _setting(
        0.0,
        "a number of seconds, 0 or more",
        _is_duration,
        doc="Seconds after the end of a user's last connection before the user is offline, for clients, hooks and queries. A user "
        "who is back sooner was online all the time.",
    )
    recovery_clients: str = _setting(
        "browsers",
        f"one of {', '.join(map(repr, RECOVERY_CLIENTS))}",
        lambda value: value in RECOVERY_CLIENTS,
        doc="Clients that have recovery, and with it one more argument on their events: 'browsers'; 'asking' for those that "
        "connect with `auth: { recovery: true }`; 'all'. `recovery: true` or `false` has precedence.",
    )
    recovery_bytes: int = _setting(
        33_554_432,
        "an integer above 0",
        _is_positive_integer,
        doc="Bytes of memory of one server process for events that clients may have missed; beyond it, the oldest are forgotten.",
    )
    recovery_folder: str | None = _setting(
        "realtime",
        "None or the path of a folder, relative to the instance folder or absolute",
        lambda value: value is None or (isinstance(value, str) and value != ""),
        doc="Folder, in the instance folder unless its path is absolute, in which a server without a message queue keeps what its "
        "successor needs to recover its clients, their events too. None: nothing is recovered after a restart.",
    )
    metrics: bool = _setting(
        default=False,
        expected="True or False",
        valid=lambda value: isinstance(value, bool),
        doc="Whether each server answers `flask realtime metrics`, and the other servers of its machine, with its metrics. The "
        "blueprint of `flask_realtime.metrics` switches this on by itself.",
    )
    metrics_folder: str | None = _setting(
        None,
        "None or the path of a folder, relative to the instance folder or absolute",
        lambda value: value is None or (isinstance(value, str) and value != ""),
        doc="Folder in which the servers of one machine find each other for metrics. None: one in the system's folder for "
        "temporary files, which systemd's `PrivateTmp` hides from a command. Its path may have about 45 characters.",
    )
    connect_timeout: float = _setting(
        45.0,
        "a number of seconds above 0",
        _is_positive_number,
        doc="Seconds in which a client that has opened a session must connect, in which the head of an HTTP request must arrive, "
        "and for which its body may pause and its response be unread.",
    )
    keep_alive: float = _setting(
        75.0,
        "a number of seconds above 0",
        _is_positive_number,
        doc="Seconds after which an idle HTTP connection is closed, which answers say in their `Keep-Alive`. A proxy in front has "
        "to close its own sooner: 60 is usual there.",
    )
    max_head_bytes: int = _setting(
        32_768,
        "an integer above 0",
        _is_positive_integer,
        doc="Bytes that the head of an HTTP request may have, cookies and tokens included; a larger one is answered with status "
        "431.",
    )
    drain_time: float = _setting(
        10.0,
        "a number of seconds from 0 to 20",
        lambda value: _is_duration(value) and value <= 20,  # noqa: PLR2004 - the number is in the text above
        doc="Seconds over which connections are ended, in batches, when the process is told to stop; a server with few connections "
        "takes less. 0: all at once, and with a message queue their users go offline at once.",
    )
    after_commit: bool = _setting(
        default=False,
        expected="True or False",
        valid=lambda value: isinstance(value, bool),
        doc="Whether calls that send wait for the commit of `db.session` unless they are given `after_commit=False`.",
    )
    log_retention: float = _setting(
        604_800.0,
        "a number of seconds above 0, and at most ten years",
        lambda value: _is_positive_number(value) and value <= _TEN_YEARS,
        doc="Seconds for which the store's log keeps events for clients that are away: 7 days.",
    )
    edit_window: float | None = _setting(
        None,
        "None, or a number of seconds above 0, and at most ten years",
        lambda value: value is None or (_is_positive_number(value) and value <= _TEN_YEARS),
        doc="Seconds after its sending in which a message may be edited. None: always.",
    )
    analytics_retention: Mapping[str, float] = field(
        default_factory=lambda: dict(ANALYTICS_RETENTION),
        metadata={
            "expected": "a mapping of 'minute', 'hour' and 'day' to seconds, each at least as many as the one before; 6 hours for "
            "minutes and 3 days for hours at least, and at most ten years",
            "valid": _is_retention,
            "doc": "Seconds for which the figures of analytics are kept, by their interval. One that is not given keeps its "
            "default: minutes 48 hours, hours 90 days, days 2 years.",
            "shown": dict(ANALYTICS_RETENTION),
        },
    )
    engine: str = _setting(
        "gevent",
        f"one of {', '.join(map(repr, ENGINES))}",
        lambda value: value in ENGINES,
        doc="'gevent' for the extension's own engine, which serves where the async mode is 'gevent'; 'stock' for the unmodified "
        "parts of python-engineio and gevent-websocket.",
    )
    async_mode: str | None = _setting(
        None,
        f"None or one of {', '.join(map(repr, ASYNC_MODES))}",
        lambda value: value is None or value in ASYNC_MODES,
        doc="None: what the server needs that the first request comes through. 'gevent' or 'threading' go before that; where they "
        "do not suit the server, the log says so.",
    )

    @property
    def retry_after(self) -> float:
        """Seconds after which a user with too many connections may try again.

        Half a lease: a user who is refused at the moment a server is killed is admitted before its lease has run out.
        """
        return self.server_lease / 2

    @classmethod
    def from_mapping(cls, config: Mapping[str, Any]) -> RealtimeConfig:
        """Read and check the `REALTIME_*` keys of an application's configuration.

        Args:
            config: The application's `config`; keys without the prefix are left alone.

        Raises:
            ConfigError: A key is unknown, or its value is invalid.
        """
        known = {PREFIX + item.name.upper(): item for item in fields(cls)}
        given = {key: value for key, value in config.items() if key.startswith(PREFIX)}
        _refuse_unknown(given, known)
        return cls(**{known[key].name: _normalised(known[key].name, value) for key, value in given.items()})

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not item.metadata["valid"](value):
                given = "" if item.metadata.get("secret") else f", not {value!r}"
                msg = f"{PREFIX}{item.name.upper()} must be {item.metadata['expected']}{given}"
                raise ConfigError(msg)


def _refuse_unknown(given: Iterable[str], known: Iterable[str]) -> None:
    for key in given:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            msg = f"{key} is not a setting of flask_realtime.{hint}"
            raise ConfigError(msg)


def _rates(defaults: Mapping[str, str], given: Mapping[str, Any], key: str) -> Mapping[str, Rate | None]:
    unknown = next((name for name in given if name not in defaults), None)
    if unknown is not None:
        msg = f"{key} must be {_LIMITS_EXPECTED}: there is no class {unknown!r}"
        raise ConfigError(msg)
    return {name: _rate(given.get(name, default), f"{key}[{name!r}]") for name, default in defaults.items()}


def _rate(value: Any, key: str) -> Rate | None:
    try:
        return None if value is None else parse_rate(value)
    except InvalidRate as error:
        msg = f"{key} must be {_RATE_EXPECTED}, not {value!r}: {error}"
        raise ConfigError(msg) from None


def _normalised(name: str, value: Any) -> Any:
    key = PREFIX + name.upper()
    if name in LIMIT_SETTINGS and isinstance(value, Mapping):
        return _rates(LIMITS if name == "limits" else USER_LIMITS, value, key)
    if name in RATE_SETTINGS:
        return _rate(value, key)
    if name == "analytics_retention" and isinstance(value, Mapping):
        return {**ANALYTICS_RETENTION, **value}
    if name in {"transports", "cors_allowed_origins", "open_namespaces", "push_services"}:
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list | set | frozenset):
            return tuple(value)
    return value
