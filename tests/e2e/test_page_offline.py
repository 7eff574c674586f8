"""The example application's page without a network: what is written meanwhile, and what was missed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.e2e.browser import Person, chromium, start_again
from tests.e2e.example import User, environment
from tests.e2e.network import Network
from tests.e2e.servers import WORKER_CLASS, Server, listening_socket
from tests.redis_server import RedisServer

QUICK = {"REALTIME_PING_INTERVAL": "1", "REALTIME_PING_TIMEOUT": "2"}
"""Settings with which a loss of the network is noticed soon."""

EXAMPLE = ("-m", "example_app")
MORTAL = ("-m", "tests.e2e.apps.mortal_app")
FOUR_WORKERS = ("-m", "gunicorn", "--worker-class", WORKER_CLASS, "--workers", "4", "example_app:create_app()")


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


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


@pytest.fixture(params=["one process", "four workers with Redis"])
def any_house(request: pytest.FixtureRequest, stack: ExitStack, tmp_path: Path) -> House:
    if request.param == "one process":
        return House(stack, environment(tmp_path))
    redis = stack.enter_context(RedisServer())
    return House(stack, {**environment(tmp_path), "MESSAGE_QUEUE_URL": redis.url}, FOUR_WORKERS)


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
    assert stored(user) == ["line 1", "line 2", "line 3"]


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
    assert stored(user) == texts


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
    assert stored(user) == ["line 1", "line 2"]


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
    alice.field.evaluate("field => field.removeAttribute('maxlength')")
    alice.send("long " * 1_000)
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
    assert stored(user) == ["line 1"]


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
    assert stored(user) == texts


def test_the_page_says_whether_anything_was_missed(house: House, visit: Visit) -> None:
    network = house.network()
    house.conversation("Plans")
    alice, bob = (visit(url, name).open_conversation("Plans") for url, name in ((network.url, "alice"), (house.url, "bob")))
    says(alice, "")
    cut(alice, network)
    is_cut_off(alice)
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
