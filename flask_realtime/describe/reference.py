"""The reference of events: each name once, with the features' descriptions in both directions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask_realtime.contract.answers import ERROR_EVENT, READY_EVENT
from flask_realtime.contract.events import IncomingEvent, OutgoingEvent
from flask_realtime.feature.feature import Feature


@dataclass(frozen=True)
class Entry:
    """One event; both parts are set if it exists in both directions."""

    name: str
    section: str
    incoming: IncomingEvent | None
    outgoing: OutgoingEvent[Any] | None


def entries(features: Iterable[Feature[Any]]) -> list[Entry]:
    """Return the events of features by section, in the order declared, and those of the gateway after them."""
    found = [entry for feature in features for entry in _entries(feature)]
    sections = list(dict.fromkeys(entry.section for entry in found))
    found.sort(key=lambda entry: sections.index(entry.section))
    return [*found, Entry(READY_EVENT.name, "Connections", None, READY_EVENT), Entry(ERROR_EVENT.name, "Errors", None, ERROR_EVENT)]


def _entries(feature: Feature[Any]) -> list[Entry]:
    names = dict.fromkeys([*feature.incoming, *feature.outgoing_events])
    return [Entry(name, feature.section, feature.incoming.get(name), feature.outgoing_events.get(name)) for name in names]
