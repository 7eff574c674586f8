"""What a link carries to a server that has nobody in the rooms that it is for: nothing, and nothing is missing when it has."""

from __future__ import annotations

import random
from itertools import count

import pytest

from tests.integration.backends.test_direct_links import (
    LONG,
    MakeServer,
    Server,
    are_linked,
    event,
    events_of,
    folder,
    new_server,
    two,
)
from tests.redis_server import RedisServer, wait_until

__all__ = ["folder", "new_server", "two"]


def sees_interest(server: Server) -> bool:
    """Return whether a server knows in which rooms the others have somebody."""
    return all(link.interest is not None for link in server.links._outbound.values())


def test_only_a_server_with_somebody_in_the_room_gets_an_event(two: tuple[Server, Server], redis: RedisServer) -> None:
    ann, ben = two
    wait_until(lambda: sees_interest(ann))
    ben.links.interest.add(["kitchen"])
    redis.freeze()
    for number in range(100):
        ann.bus.publish(event(number, rooms=("kitchen", "attic") if number % 3 else ("cellar",)))
    ann.bus.publish(event("for everybody"))
    wait_until(lambda: "for everybody" in ben.received)
    redis.thaw()
    ann.bus.publish(event("by the queue", is_direct=False))
    wait_until(lambda: "by the queue" in ben.received)
    assert events_of(ben) == [*(number for number in range(100) if number % 3), "for everybody", "by the queue"]
    assert ben.bus.lost == 0


def test_who_enters_a_room_misses_nothing_that_is_sent_from_then_on(two: tuple[Server, Server], redis: RedisServer) -> None:
    ann, ben = two
    wait_until(lambda: sees_interest(ann))
    redis.freeze()
    for number in range(300):
        room = f"room {number}"
        ann.bus.publish(event("nobody is there yet", rooms=(room,)))
        ben.links.interest.add([room])
        ann.bus.publish(event(number, rooms=(room,)))
    wait_until(lambda: 299 in ben.received)
    came = [value for value in events_of(ben) if value != "nobody is there yet"]
    assert came == list(range(300))
    redis.thaw()


def test_a_server_that_shares_no_memory_gets_everything(new_server: MakeServer, redis: RedisServer) -> None:
    ann, ben = new_server("ann", long_linger=LONG).start(), new_server("ben", long_linger=LONG)
    ben.links.interest.close()
    ben.start()
    wait_until(lambda: are_linked(ann, ben))
    redis.freeze()
    ann.bus.publish(event("for the cellar", rooms=("cellar",)))
    wait_until(lambda: "for the cellar" in ben.received)
    assert not sees_interest(ann)
    redis.thaw()


def test_a_server_says_that_it_has_everything_though_some_of_it_is_of_no_use_there(
    two: tuple[Server, Server], redis: RedisServer
) -> None:
    ann, ben = two
    wait_until(lambda: sees_interest(ann))
    redis.freeze()
    for _ in range(5):
        ann.bus.publish(event("for the cellar", rooms=("cellar",)))
        assert ann.bus._last is not None
        number = ann.links.ask(ann.bus._last)
        wait_until(lambda: all(link.acknowledged >= number for link in ann.links._outbound.values()))  # noqa: B023 - called at once
    assert events_of(ben) == []
    redis.thaw()


class House:
    """Servers that are linked, and the rooms in which each has somebody.

    Args:
        servers: The servers.
        moods: What happens next.
    """

    def __init__(self, servers: list[Server], moods: random.Random) -> None:
        self.servers = servers
        self._moods = moods
        self._inside: dict[str, set[str]] = {server.name: set() for server in servers}
        self._numbers = count()
        self._due: dict[str, dict[int, str | None]] = {server.name: {} for server in servers}

    def move(self, server: Server, room: str) -> None:
        """Have somebody enter a room on a server, or leave it."""
        inside = self._inside[server.name]
        if room in inside:
            inside.remove(room)
            server.links.interest.discard([room])
            due = self._due[server.name]
            self._due[server.name] = {number: of for number, of in due.items() if of != room}  # Nobody is left who misses it.
        else:
            server.links.interest.add([room])
            inside.add(room)

    def publish(self, server: Server, room: str | None) -> None:
        """Send the next number from a server to a room, or to everybody."""
        number = next(self._numbers)
        for other in self.servers:
            if other is not server and (room is None or room in self._inside[other.name]):
                self._due[other.name][number] = room
        rooms = None if room is None else (room,)
        server.bus.publish(event((server.name, number), rooms=rooms, is_direct=self._moods.random() < 0.95))

    def has_all(self, server: Server) -> bool:
        """Return whether a server has what is due, each number once and in the order of its sender."""
        came = list(server.received)
        for sender in self.servers:
            numbers = [value[1] for value in came if value is not None and value[0] == sender.name]
            assert numbers == sorted(set(numbers))
        return self._due[server.name].keys() <= {value[1] for value in came if value is not None}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_breaks_who_is_in_a_room_gets_each_event_once_and_in_order(
    new_server: MakeServer, redis: RedisServer, seed: int
) -> None:
    servers = [new_server(name, long_linger=0.05).start() for name in ("ann", "ben", "zoe")]
    wait_until(lambda: are_linked(*servers) and all(map(sees_interest, servers)))
    moods = random.Random(seed)
    house = House(servers, moods)
    for step in range(900):
        server, room = moods.choice(servers), f"room {moods.randrange(6)}"
        if moods.random() < 0.3:
            house.move(server, room)
        house.publish(server, room)
        if moods.random() < 0.01:
            for link in tuple(server.links._outbound.values()):
                link.close()
            server.links._met("somebody")
        if step == 600:
            redis.restart()
    for server in servers:
        house.publish(server, None)
    for server in servers:
        wait_until(lambda: house.has_all(server))  # noqa: B023 - called at once
