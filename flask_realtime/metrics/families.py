"""Families of metrics: name, kind, labels and meaning of each, for the scrape and for the documentation."""

from __future__ import annotations

from typing import Final, NamedTuple

PREFIX: Final = "flask_realtime_"

GAUGE: Final = "gauge"
COUNTER: Final = "counter"
HISTOGRAM: Final = "histogram"


class Family(NamedTuple):
    """One family of metrics.

    Args:
        name: Its name, without the prefix and without the `_total` of a counter.
        kind: `gauge`, `counter` or `histogram`.
        labels: Its labels, apart from `worker`.
        help: What it says.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def full_name(self) -> str:
        """Return the name as Prometheus has it."""
        return f"{PREFIX}{self.name}{'_total' if self.kind == COUNTER else ''}"


FAMILIES: Final = (
    Family("connections", GAUGE, ("transport", "namespace"), "Open connections."),
    Family("users", GAUGE, (), "Users with a connection to the worker; one with connections to two workers counts at both."),
    Family("rooms", GAUGE, (), "Rooms with a connection in them, in the default namespace."),
    Family("mailbox_tasks", GAUGE, (), "Events that wait for their turn, behind others of the same connection."),
    Family("mailbox_longest", GAUGE, (), "Events that wait in the longest mailbox."),
    Family("backlog_bytes", GAUGE, (), "Bytes that wait for slow clients on WebSocket."),
    Family("draining", GAUGE, (), "1 while the worker ends its connections before it stops, else 0."),
    Family("events_received", COUNTER, ("event",), "Events from clients. Names without a handler are counted as `other`."),
    Family("event_bytes_received", COUNTER, ("event",), "Characters of these, as JSON; binary attachments are not counted."),
    Family("events_sent", COUNTER, ("event",), "Events to clients: one for each client. Names above 256 are counted as `other`."),
    Family("event_bytes_sent", COUNTER, ("event",), "Bytes of these, as WebSocket frames before TLS."),
    Family("answers", COUNTER, ("code",), "Answers to events: `ok`, or the code of the error."),
    Family("dropped_events", COUNTER, (), "Volatile events that clients did not get because they were behind."),
    Family("refusals", COUNTER, ("code",), "Refused attempts to connect: CONNECT packets, and requests to the engine."),
    Family("connections_opened", COUNTER, ("transport",), "Connections that were admitted, on their transport of that moment."),
    Family("connections_closed", COUNTER, ("reason",), "Connections that ended."),
    Family("recoveries", COUNTER, ("outcome",), "Attempts to recover a lost connection: `recovered`, or `failed`: a new one."),
    Family(
        "malformed_packets",
        COUNTER,
        (),
        "Sessions that were closed because of a packet that is none, of Socket.IO or of its engine.",
    ),
    Family("backlog_cuts", COUNTER, (), "Connections that were cut because too many bytes waited for them."),
    Family("heartbeats_missed", COUNTER, (), "Sessions that were closed because a ping was not answered in time."),
    Family("handovers", COUNTER, (), "Requests of long-polling clients that were handed to the worker that has their session."),
    Family("event_duration_seconds", HISTOGRAM, ("path",), "Time from an event that was just read to its last write; sampled."),
    Family("mailbox_wait_seconds", HISTOGRAM, (), "Time from an event that was just read to its turn in the mailbox; sampled."),
    Family(
        "hook_duration_seconds", HISTOGRAM, ("hook",), "Time that the application's functions took; `on`: its events, a sample."
    ),
    Family(
        "requests", COUNTER, ("route", "status"), "Requests to the routes of `Chat.blueprint`, by class of status, such as `4xx`."
    ),
    Family("request_duration_seconds", HISTOGRAM, ("route",), "Time from the beginning of such a request to its answer."),
    Family("recovery_leases", GAUGE, (), "Connections that may be recovered if they are lost, and lost ones."),
    Family("recovery_lost_connections", GAUGE, (), "Lost connections whose clients may still come back."),
    Family("recovery_events", GAUGE, (), "Events that are kept for clients that come back."),
    Family("bus_connected", GAUGE, (), "1 while the message queue can be reached, else 0."),
    Family("bus_pending", GAUGE, (), "Messages for other servers that wait to be sent."),
    Family("bus_publish_lag_seconds", GAUGE, (), "Age of the oldest of these. Only over Redis."),
    Family(
        "bus_read_lag_seconds",
        GAUGE,
        (),
        "Age of the last message when it was read, by two clocks; 0 once none has come for 15 seconds. Only over Redis.",
    ),
    Family("bus_dropped", COUNTER, (), "Messages for other servers that could not be sent in time."),
    Family("bus_lost", COUNTER, (), "Messages of other servers that are known to be lost."),
    Family("bus_outages", COUNTER, (), "Outages of the message queue. Only over Redis."),
    Family("log_relayed", COUNTER, (), "Events of the log that another process wrote and did not deliver, sent by this worker."),
    Family(
        "log_lag_seconds",
        GAUGE,
        (),
        "Age of the oldest of these when the worker last looked; while it cannot, seconds since it could.",
    ),
    Family("log_unrecorded", GAUGE, (), "Events of the log that were sent, which the database does not know yet."),
    Family("jobs", COUNTER, ("outcome",), "Jobs that this process ran: `done`, `failed` (tried again), `dead`, `lost` to another."),
    Family("jobs_running", GAUGE, (), "Jobs that this process runs."),
    Family("jobs_lag_seconds", GAUGE, (), "How long the job that waited longest was due when this process last looked."),
    Family("process_cpu_seconds", COUNTER, (), "CPU time of the worker."),
    Family("process_start_time_seconds", GAUGE, (), "Unix time at which the worker made the application."),
    Family("process_threads", GAUGE, (), "Threads of the worker."),
    Family("process_resident_memory_bytes", GAUGE, (), "Memory of the worker. Only on Linux."),
    Family("process_open_fds", GAUGE, (), "Open files and sockets of the worker. Only on Linux."),
    Family("process_max_fds", GAUGE, (), "The most that it may have open. Only on Linux."),
)
"""Families of what workers say of themselves."""

WORKERS: Final = Family("workers", GAUGE, (), "Workers that answered this scrape.")
JOB_PROCESSES: Final = Family("job_processes", GAUGE, (), "Processes that only run jobs, and answered this scrape.")
ERRORS: Final = Family("scrape_errors", GAUGE, (), "Workers that were asked, and did not answer this scrape within a second.")

OF_SCRAPE: Final = (WORKERS, JOB_PROCESSES, ERRORS)
"""Families of what the scrape says of itself, without the label `worker`."""
