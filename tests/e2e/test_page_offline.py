"""The example application's page without a network: what is written meanwhile, and what was missed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.e2e.browser import Person, start_again
from tests.e2e.example import User, environment
from tests.e2e.network import Network
from tests.e2e.servers import WORKER_CLASS, Server, listening_socket, poll
from tests.redis_server import RedisServer

QUICK = {"REALTIME_PING_INTERVAL": "1", "REALTIME_PING_TIMEOUT": "2"}
"""Settings with which a loss of the network is noticed soon."""

MINUTE = 60.0
SECONDS = 30.0
EXAMPLE = ("-m", "example_app")
MORTAL = ("-m", "tests.e2e.apps.mortal_app")
FOUR_WORKERS = ("-m", "gunicorn", "--worker-class", WORKER_CLASS, "--workers", "4", "example_app:create_app()")


HAS_LOADED = "name => performance.getEntriesByType('resource').some(({name: url}) => url.includes(name))"
"""Whether a part of the page has been loaded, which the page does before it is needed."""


class House:
    """A server that can be killed and started anew, and networks that lead to it.

    Args:
        stack: Ends them.
        settings: The server's variables.
        command: What Python is to run.
    """

    def __init__(self, stack: ExitStack, settings: dict[str, str], command: tuple[str, ...] = EXAMPLE) -> None:
        with listening_socket() as listener:
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._stack = stack
        self._settings = {**QUICK, **settings, "PORT": str(self.port)}
        self._command = [*command, "--bind", f"127.0.0.1:{self.port}"] if "gunicorn" in command else [*command]
        self.server = self.start()

    def start(self) -> Server:
        self.server = Server([sys.executable, *self._command], self._settings)
        self.server.url = self.url
        self._stack.callback(self.server.kill)
        self.server.wait_until_ready("/healthz")
        return self.server

    def network(self) -> Network:
        return self._stack.enter_context(Network(self.port))

    def conversation(self, title: str) -> User:
        """Make a conversation of alice and bob; returns alice, with its id as `conversation`."""
        alice, bob = User(self.url, "alice"), User(self.url, "bob")
        created = alice.call("POST", "/api/conversations", {"title": title, "participantIds": [bob.id]})
        alice.conversation = created["id"]
        return alice


OpenHouse = Callable[..., House]
Visit = Callable[..., Person]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def visit(browser: Browser, stack: ExitStack) -> Iterator[Visit]:
    """Opens the page, in a profile of its own if none is given; at the end nothing but the network may have been complained of."""
    people: list[Person] = []

    def make(url: str, name: str, profile: BrowserContext | None = None) -> Person:
        person = Person(profile or browser, url)
        people.append(person)
        person.may_lose_the_server = True
        stack.callback(person.leave)
        return person.log_in(name)

    yield make
    assert [complaint for person in people for complaint in person.complaints] == []


@pytest.fixture
def house(stack: ExitStack, tmp_path: Path) -> House:
    return House(stack, environment(tmp_path))


def cut(person: Person, network: Network) -> None:
    """Take a person's network away, so that neither side is told, as when a train goes into a tunnel."""
    network.shut()
    network.lose("freeze")
    person.set_offline()


def give_back(person: Person, network: Network) -> None:
    """Give a person the network back."""
    network.end_lost()
    network.open()
    person.set_offline(is_offline=False)


def is_cut_off(person: Person) -> None:
    """Wait until the page has noticed that there is no connection."""
    expect(person.page.get_by_role("status", name="Connection")).to_have_text("Offline")


def says(person: Person, text: str) -> None:
    """Wait until the page tells what has become of what was missed."""
    expect(person.page.get_by_role("status", name="Missed")).to_have_text(text)


def stored(user: User) -> list[str]:
    """The texts of a conversation, as the server has them."""
    page = user.call("GET", f"/api/conversations/{user.conversation}/messages")
    return [message["content"] for message in page["messages"]]


def is_stored(user: User, texts: list[str]) -> bool:
    """Wait until the server has just these messages of a conversation: who sends one sees it before."""
    return poll(lambda: stored(user) == texts, SECONDS)


class Away(NamedTuple):
    """Alice, whose network was taken away at a time, and bob, who has his."""

    house: House
    network: Network
    user: User
    alice: Person
    bob: Person
    since: float


@pytest.fixture(scope="module")
def away(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    """Takes alice's network away, has both write, alice reload the page, and the server be killed and started again meanwhile."""
    with ExitStack() as stack:
        house = House(stack, environment(tmp_path_factory.mktemp("minute")))
        network = house.network()
        user = house.conversation("Plans")
        alice, bob = Person(browser, network.url), Person(browser, house.url)
        for person, name in ((alice, "alice"), (bob, "bob")):
            stack.callback(person.leave)
            person.may_lose_the_server = True
            person.log_in(name).open_conversation("Plans")
        alice.loads_from(house.url)
        alice.send("line 1")
        bob.sees_in_order("line 1")
        expect(alice.messages.get_by_role("img", name="Read")).to_have_count(1)  # So the answer has come, too.
        cut(alice, network)
        since = monotonic()
        alice.send("line 2")  # Sent into the void.
        bob.send("line 3")
        is_cut_off(alice)
        bob.sees_as("alice", "offline")
        alice.send("line 4")
        alice.sees_in_order("line 1", "line 2", "line 4")
        alice.page.reload()
        house.server.kill()
        bob.send("line 5")
        house.start()
        bob.is_connected()
        bob.sees_in_order("line 1", "line 3", "line 5")
        expect(bob.messages.get_by_text("Sending…")).to_have_count(0)
        yield Away(house, network, user, alice, bob, since)
        assert [alice.complaints, bob.complaints] == [[], []]


@pytest.fixture(params=["one process", "four workers with Redis"])
def any_house(request: pytest.FixtureRequest, stack: ExitStack, tmp_path: Path) -> House:
    if request.param == "one process":
        return House(stack, environment(tmp_path))
    redis = stack.enter_context(RedisServer())
    return House(stack, {**environment(tmp_path), "MESSAGE_QUEUE_URL": redis.url}, FOUR_WORKERS)


@pytest.mark.usefixtures("away")  # The minute of the last test, which passes while the others run.
def test_what_happens_to_messages_meanwhile_is_shown_however_far_up_they_are(
    stack: ExitStack, tmp_path: Path, visit: Visit
) -> None:
    # The lost connection is not recovered: the page asks for what it has missed.
    settings = {"REALTIME_RECOVERY_CLIENTS": "asking", "REALTIME_USER_LIMITS": '{"messages": null}'}
    house = House(stack, {**environment(tmp_path), **settings})
    network = house.network()
    owner = house.conversation("History")
    messages = f"/api/conversations/{owner.conversation}/messages"
    first, second, third, *others = [owner.call("POST", messages, {"content": f"note {number}"})["id"] for number in range(150)]
    User(house.url, "bob").call("POST", f"/api/conversations/{owner.conversation}/read", {"upTo": others[-1]})
    owner.call("POST", messages, {"content": "the beginning", "replyTo": first})
    bob = visit(network.url, "bob").open_conversation("History")
    bob.loads_from(house.url)
    bob.messages.get_by_role("button", name="Go to the quoted message: alice note 0").click()
    bob.sees("note 1")  # The quote shows the one before it as well.
    cut(bob, network)
    is_cut_off(bob)
    owner.call("PATCH", f"{messages}/{first}", {"content": "better"})
    owner.call("DELETE", f"{messages}/{second}")
    owner.call("PUT", f"{messages}/{third}/reactions/%F0%9F%91%8D")
    owner.call("POST", messages, {"content": "beside", "threadId": third})
    give_back(bob, network)
    bob.is_connected()
    bob.sees("better")
    bob.sees("Message deleted")
    for name in ("👍 1: alice", "1 reply"):
        expect(bob.messages.get_by_role("button", name=name)).to_be_visible()


def write_in_two_conversations(alice: Person) -> None:
    """Send messages and begin one, without a connection, and go to and fro meanwhile."""
    alice.go_to("Lunch")
    alice.send("line 10")
    alice.send("line 11")
    alice.field.fill("line 1")
    alice.go_to("Plans")
    alice.sees_in_order("line 2", "line 3")
    expect(alice.field).to_have_value("")
    alice.send("line 5")
    alice.go_to("Lunch")
    expect(alice.field).to_have_value("line 1")
    alice.field.press("End")
    alice.field.press_sequentially("2")


def have_everything_read(people: list[Person], conversations: dict[str, list[str]]) -> None:
    """Have people open conversations, in which they all see the same, after a reload too; nothing is unread then."""
    for person in people:
        for title, texts in conversations.items():
            person.open_conversation(title)
            person.sees_in_order(*texts)
            person.page.reload()
            person.sees_in_order(*texts)
            expect(person.field).to_have_value("")
        for title in conversations:
            expect(person.page.get_by_role("link", name=title, exact=True)).to_be_visible()


def test_what_is_written_without_a_network_arrives_once_and_in_order_whatever_happens_meanwhile(
    any_house: House, visit: Visit
) -> None:
    house, network = any_house, any_house.network()
    plans, lunch = house.conversation("Plans"), house.conversation("Lunch")
    alice, bob = visit(network.url, "alice"), visit(house.url, "bob")
    alice.loads_from(house.url)
    for person in (alice, bob):
        person.open_conversation("Plans")
    alice.send("line 1")
    bob.sees_in_order("line 1")
    expect(alice.messages.get_by_role("img", name="Read")).to_have_count(1)  # So the answer has come, too.

    cut(alice, network)
    alice.send("line 2")  # Sent into the void: the page has not noticed yet.
    alice.send("line 3")
    is_cut_off(alice)
    bob.sees_as("alice", "offline")
    bob.send("line 4")
    write_in_two_conversations(alice)
    alice.page.reload()
    expect(alice.page.get_by_role("region", name="Connection problem")).to_contain_text("5 messages wait to be sent.")
    house.server.kill()
    expect(bob.page.get_by_role("status", name="Connection")).to_have_text("Reconnecting…")
    bob.send("line 6")
    house.start()
    bob.is_connected()
    expect(bob.messages.get_by_role("img", name="Sent")).to_have_count(2)

    give_back(alice, network)
    in_plans = ["line 1", "line 4", "line 6", "line 2", "line 3", "line 5"]
    bob.sees_in_order(*in_plans)
    alice.sees_in_order("line 10", "line 11")
    expect(alice.page.get_by_role("link", name="Plans 2 unread")).to_be_visible()
    expect(bob.page.get_by_role("link", name="Lunch 2 unread")).to_be_visible()
    expect(alice.field).to_have_value("line 12")
    alice.field.press("Enter")
    in_lunch = ["line 10", "line 11", "line 12"]
    alice.sees_in_order(*in_lunch)
    have_everything_read([alice, bob], {"Plans": in_plans, "Lunch": in_lunch})
    assert [stored(plans), stored(lunch)] == [in_plans, in_lunch]


def test_a_message_is_there_once_if_the_server_was_killed_after_storing_it_and_before_the_answer(
    stack: ExitStack, tmp_path: Path, visit: Visit
) -> None:
    house = House(stack, {**environment(tmp_path), "LAST_WORDS": "line 2"}, MORTAL)
    user = house.conversation("Plans")
    alice, bob = (visit(house.url, name).open_conversation("Plans") for name in ("alice", "bob"))
    for text in ("line 1", "line 2", "line 3"):
        alice.send(text)
    house.server.wait()
    house.start()
    for person in (alice, bob):
        person.is_connected()
        person.sees_in_order("line 1", "line 2", "line 3")
    expect(alice.messages.get_by_text("Sending…")).to_have_count(0)
    assert is_stored(user, ["line 1", "line 2", "line 3"])


def test_two_tabs_send_what_was_written_in_both_once_and_in_order(house: House, visit: Visit) -> None:
    network = house.network()
    user = house.conversation("Plans")
    one, bob = (visit(url, name).open_conversation("Plans") for url, name in ((network.url, "alice"), (house.url, "bob")))
    other = one.another_tab().log_in("alice").open_conversation("Plans")
    cut(one, network)
    for tab in (one, other):
        is_cut_off(tab)
    texts = [f"line {number}" for number in range(6)]
    for number, text in enumerate(texts):
        (one, other)[number % 2].send(text)
        for tab in (one, other):
            tab.sees_in_order(*texts[: number + 1])
    give_back(one, network)
    for person in (bob, one, other):
        person.sees_in_order(*texts)
    for tab in (one, other):
        expect(tab.messages.get_by_text("Sending…")).to_have_count(0)
    assert is_stored(user, texts)


def test_what_waits_and_what_is_half_written_outlive_the_browser(
    house: House, browser: Browser, visit: Visit, tmp_path: Path
) -> None:
    network = house.network()
    user = house.conversation("Plans")
    house.conversation("Lunch")

    def start() -> Person:
        return visit(network.url, "alice", start_again(browser, tmp_path / "profile")).open_conversation("Plans")

    alice = start()
    cut(alice, network)
    is_cut_off(alice)
    alice.send("line 1")
    alice.send("line 2")
    alice.sees_in_order("line 1", "line 2")
    alice.go_to("Lunch")
    alice.field.press_sequentially("line 3")
    alice.go_to("Plans")
    alice.leave()
    assert stored(user) == []
    network.open()
    alice = start()
    alice.sees_in_order("line 1", "line 2")
    expect(alice.messages.get_by_role("img", name="Sent")).to_have_count(2)
    alice.open_conversation("Lunch")
    expect(alice.field).to_have_value("line 3")
    assert is_stored(user, ["line 1", "line 2"])


def test_nothing_that_was_written_is_left_to_the_next_user_of_the_browser(house: House, visit: Visit) -> None:
    network = house.network()
    user = house.conversation("Plans")
    alice = visit(network.url, "alice").open_conversation("Plans")
    alice.loads_from(house.url)
    cut(alice, network)
    is_cut_off(alice)
    alice.send("line 1")
    alice.sees_in_order("line 1")
    alice.field.press_sequentially("line 2")
    alice.page.get_by_role("button", name="Account of alice").click()
    alice.page.get_by_role("menuitem", name="Log out").click()
    dialog = alice.page.get_by_role("dialog", name="Log out?")
    expect(dialog).to_contain_text("One message has not been sent.")
    assert alice.accessibility_faults() == []
    dialog.get_by_role("button", name="Discard and log out").click()
    expect(alice.page.get_by_role("heading", name="Log in")).to_be_visible()
    give_back(alice, network)
    for name in ("bob", "alice"):
        person = alice.log_in(name).open_conversation("Plans")
        expect(person.messages.get_by_text("No messages yet.")).to_be_visible()
        expect(person.field).to_have_value("")
        person.page.get_by_role("button", name=f"Account of {name}").click()
        person.page.get_by_role("menuitem", name="Log out").click()
    assert stored(user) == []


def test_a_message_that_the_server_refuses_is_shown_and_does_not_hold_up_the_next_one(house: House, visit: Visit) -> None:
    user = house.conversation("Plans")
    alice, bob = (visit(house.url, name).open_conversation("Plans") for name in ("alice", "bob"))
    alice.send("not\0stored")
    alice.send("line 1")
    bob.sees_in_order("line 1")
    refusal = alice.messages.get_by_role("alert")
    expect(refusal).to_contain_text("Not sent: content")
    assert alice.accessibility_faults() == []
    alice.page.reload()
    refusal.get_by_role("button", name="Try again").click()
    expect(refusal).to_contain_text("Not sent: content")
    refusal.get_by_role("button", name="Discard").click()
    expect(refusal).to_have_count(0)
    alice.page.reload()
    alice.sees_in_order("line 1")
    expect(refusal).to_have_count(0)
    assert is_stored(user, ["line 1"])


def test_messages_beyond_the_rate_limit_wait_and_arrive_in_order(stack: ExitStack, tmp_path: Path, visit: Visit) -> None:
    house = House(stack, {**environment(tmp_path), "REALTIME_LIMITS": '{"messages": "1/second, burst 2"}'})
    user = house.conversation("Plans")
    alice, bob = (visit(house.url, name).open_conversation("Plans") for name in ("alice", "bob"))
    texts = [f"line {number}" for number in range(5)]
    for text in texts:
        alice.send(text)
    for person in (alice, bob):
        person.sees_in_order(*texts)
    expect(alice.messages.get_by_text("Sending…")).to_have_count(0)
    assert is_stored(user, texts)


def test_the_page_says_whether_anything_was_missed(house: House, visit: Visit) -> None:
    network = house.network()
    house.conversation("Plans")
    alice, bob = (visit(url, name).open_conversation("Plans") for url, name in ((network.url, "alice"), (house.url, "bob")))
    says(alice, "")
    alice.page.wait_for_function(HAS_LOADED, arg="SearchPanel")
    cut(alice, network)
    is_cut_off(alice)
    alice.page.get_by_role("button", name="Search messages", exact=True).click()
    search = alice.page.get_by_role("complementary", name="Search")
    search.get_by_role("searchbox").fill("line")
    expect(search.get_by_role("alert")).to_have_text("The server cannot be reached.")
    expect(search.get_by_role("status")).to_have_text("")
    bob.sees_as("alice", "offline")
    bob.send("line 1")
    bob.sees_in_order("line 1")
    give_back(alice, network)
    says(alice, "Back; nothing missed")
    alice.sees_in_order("line 1")
    says(alice, "")


def test_the_page_catches_up_where_it_was_away_for_too_long(stack: ExitStack, tmp_path: Path, visit: Visit) -> None:
    house = House(stack, {**environment(tmp_path), "REALTIME_RECOVERY_WINDOW": "0.05"})
    network = house.network()
    user = house.conversation("Plans")
    alice, bob = (visit(url, name).open_conversation("Plans") for url, name in ((network.url, "alice"), (house.url, "bob")))
    cut(alice, network)
    is_cut_off(alice)
    alice.send("line 2")
    bob.sees_as("alice", "offline")
    bob.send("line 1")
    bob.sees_in_order("line 1")
    user.call("POST", "/api/orders", {"userId": user.id, "status": "sent meanwhile"})
    give_back(alice, network)
    says(alice, "Back; what was missed is here")
    assert alice.accessibility_faults() == []
    for person in (alice, bob):
        person.sees_in_order("line 1", "line 2")
    updates = alice.open_notifications().get_by_role("list", name="Orders and announcements")
    expect(updates.get_by_text("sent meanwhile")).to_have_count(1)


def test_after_a_minute_without_a_network_nothing_is_missing_and_nothing_is_there_twice(away: Away) -> None:
    alice, bob = away.alice, away.bob
    assert poll(lambda: monotonic() - away.since >= MINUTE, 2 * MINUTE)
    expect(alice.page.get_by_role("region", name="Connection problem")).to_contain_text("2 messages wait to be sent.")
    bob.sees_as("alice", "offline")
    bob.send("line 6")
    bob.sees_in_order("line 1", "line 3", "line 5", "line 6")
    assert is_stored(away.user, ["line 1", "line 3", "line 5", "line 6"])
    give_back(alice, away.network)
    alice.sees_in_order("line 1", "line 3", "line 5", "line 6", "line 2", "line 4")
    alice.send("line 7")
    texts = [f"line {number}" for number in (1, 3, 5, 6, 2, 4, 7)]
    for person in (alice, bob):
        person.sees_in_order(*texts)
        expect(person.messages.get_by_text("Sending…")).to_have_count(0)
        person.page.reload()
        person.sees_in_order(*texts)
    assert is_stored(away.user, texts)
