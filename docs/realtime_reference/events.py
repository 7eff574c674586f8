"""The event reference, from the contract's table."""

from collections.abc import Iterable, Iterator

from flask_realtime.contract.events import EVENTS, Event, FromClient, FromServer
from realtime_reference.shapes import shape


def event_summary() -> str:
    """Return a table of all events, with a link to each."""
    rows = ["| Event | Direction | |", "|---|---|---|"]
    rows += [f"| [`{event.name}`](#{_anchor(event)}) | {_direction(event)} | {_purpose(event)} |" for event in EVENTS]
    return "\n".join(rows)


def event_list() -> str:
    """Return a section for each section of the contract, with its events."""
    return "\n\n".join(_blocks())


def _blocks() -> Iterator[str]:
    for section in dict.fromkeys(event.section for event in EVENTS):
        yield f"## {section}"
        for event in EVENTS:
            if event.section == section:
                yield from _event(event)


def _event(event: Event) -> Iterator[str]:
    yield f"({_anchor(event)})=\n### `{event.name}`"
    if event.from_client is not None:
        yield from _from_client(event.name, event.from_client)
    if event.from_server is not None:
        yield from _from_server(event.name, event.from_server)


def _from_client(name: str, part: FromClient) -> Iterator[str]:
    yield f"**Client to server.** {part.purpose}"
    yield _code(f"socket.emit({_arguments(name, part.argument)}(answer) => console.log(answer));")
    yield _facts([_argument(part.argument), f"Answer: `{shape(part.answer)}`"])


def _from_server(name: str, part: FromServer) -> Iterator[str]:
    yield f"**Server to client.** {part.purpose}"
    parameter = part.argument[0] if part.argument is not None else ""
    yield _code(f"socket.on('{name}', ({parameter}) => console.log({parameter or repr(name)}));")
    yield _facts([_argument(part.argument), f"Sent to: {part.receivers}"])


def _arguments(name: str, argument: tuple[str, object] | None) -> str:
    return f"'{name}', " if argument is None else f"'{name}', {argument[0]}, "


def _argument(argument: tuple[str, object] | None) -> str:
    return "No argument" if argument is None else f"`{argument[0]}`: `{shape(argument[1])}`"


def _code(line: str) -> str:
    return f"```javascript\n{line}\n```"


def _facts(facts: Iterable[str]) -> str:
    return "\n".join(f"- {fact}" for fact in facts)


def _anchor(event: Event) -> str:
    return "event-" + event.name.replace(":", "-")


def _direction(event: Event) -> str:
    if event.from_client is not None and event.from_server is not None:
        return "both"
    return "client to server" if event.from_client is not None else "server to client"


def _purpose(event: Event) -> str:
    part = event.from_client or event.from_server
    return "" if part is None else part.purpose.split(". ")[0].rstrip(".")
