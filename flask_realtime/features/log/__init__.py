"""Log: events that are stored with the change that they tell of, sent after the commit, and given to clients that were away."""

from flask_realtime.features.log.api import LogCalls
from flask_realtime.features.log.feature import log
from flask_realtime.features.log.outbox import TRIMMED_AT_ONCE, Append, LogSelection, Outbox, Revise, StoredEvent

__all__ = ["TRIMMED_AT_ONCE", "Append", "LogCalls", "LogSelection", "Outbox", "Revise", "StoredEvent", "log"]
