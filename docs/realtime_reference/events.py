"""The event reference, from the declarations of the built-in features."""

from collections.abc import Iterable, Iterator
from typing import Any

from flask_realtime.contract.events import IncomingEvent, OutgoingEvent
from flask_realtime.describe.reference import Entry, entries
from flask_realtime.extension import BUILT_IN
from realtime_reference.shapes import shape

ENTRIES = entries(BUILT_IN)


def event_summary() -> str:
    """Return a table of all events, with a link to each."""
    rows = ["| Event | Direction | |", "|---|---|---|"]
    rows += [f"| [`{event.name}`](#{_anchor(event)}) | {_direction(event)} | {_purpose(event)} |" for event in ENTRIES]
    return "\n".join(rows)


def event_list() -> str:
    """Return a section for each section of the contract, with its events."""
    return "\n\n".join(_blocks())


def _blocks() -> Iterator[str]:
    for section in dict.fromkeys(event.section for event in ENTRIES):
        yield f"## {section}"
        for event in ENTRIES:
            if event.section == section:
                yield from _event(event)


def _event(event: Entry) -> Iterator[str]:
    yield f"({_anchor(event)})=\n### `{event.name}`"
    if event.incoming is not None:
        yield from _from_client(event.incoming)
    if event.outgoing is not None:
        yield from _from_server(event.outgoing)


def _from_client(event: IncomingEvent) -> Iterator[str]:
    argument = "" if event.payload is None else f"{event.argument}, "
    yield f"**Client to server.** {event.summary}"
    yield _code(f"socket.emit('{event.name}', {argument}(answer) => console.log(answer));")
    yield _facts([_argument(event), f"Answer: `{shape(event.answer)}`"])


def _from_server(event: OutgoingEvent[Any]) -> Iterator[str]:
    parameter = "" if event.payload is None else event.argument
    yield f"**Server to client.** {event.summary}"
    yield _code(f"socket.on('{event.name}', ({parameter}) => console.log({parameter or repr(event.name)}));")
    yield _facts([_argument(event), f"Sent to: {event.audience}"])


def _argument(event: IncomingEvent | OutgoingEvent[Any]) -> str:
    return "No argument" if event.payload is None else f"`{event.argument}`: `{shape(event.payload)}`"


def _code(line: str) -> str:
    return f"```javascript\n{line}\n```"


def _facts(facts: Iterable[str]) -> str:
    return "\n".join(f"- {fact}" for fact in facts)


def _anchor(event: Entry) -> str:
    return "event-" + event.name.replace(":", "-")


def _direction(event: Entry) -> str:
    if event.incoming is not None and event.outgoing is not None:
        return "both"
    return "client to server" if event.incoming is not None else "server to client"


def _purpose(event: Entry) -> str:
    part = event.incoming or event.outgoing
    return "" if part is None else part.summary.split(". ")[0].rstrip(".")
