"""The example application's page in a real Chromium: what people see."""

from __future__ import annotations

import gzip
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import PHONE, WIDE, Person, chromium
from tests.e2e.example import User, environment
from tests.e2e.servers import ROOT, Server, gunicorn, listening_socket, poll, python_module, stopped_at_the_end

ASSETS = ROOT / "example_app" / "static" / "assets"
IMAGES = os.environ.get("SCREENSHOTS")
MAX_SCRIPT_BYTES = 150_000
SECONDS = 20.0

NewPerson = Callable[..., Person]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with python_module("example_app", environment(tmp_path_factory.mktemp("page")), ready="/healthz") as server:
        yield server


@pytest.fixture
def new_person(browser: Browser, example: Server) -> Iterator[NewPerson]:
    """Opens the page in a profile of its own; at the end nobody's console may have had anything to say."""
    people: list[Person] = []

    def make(url: str = example.url, **options: Any) -> Person:
        people.append(Person(browser, url, **options))
        return people[-1]

    yield make
    complaints = [complaint for person in people for complaint in person.complaints]
    for person in people:
        person.leave()
    assert complaints == []


def conversation(url: str, title: str) -> User:
    """Make a conversation of alice and bob; returns alice, with its id as `conversation`."""
    alice, bob = User(url, "alice"), User(url, "bob")
    alice.conversation = alice.call("POST", "/api/conversations", {"title": title, "participantIds": [bob.id]})["id"]
    return alice


def post(user: User, text: str) -> None:
    user.call("POST", f"/api/conversations/{user.conversation}/messages", {"content": text})


def test_two_people_chat(new_person: NewPerson, example: Server) -> None:
    conversation(example.url, "Lunch")
    alice, bob = (new_person().log_in(name).open_conversation("Lunch") for name in ("alice", "bob"))
    bob.field.press_sequentially("Piz")
    expect(alice.page.get_by_role("status", name="Typing")).to_contain_text("bob")
    bob.field.press_sequentially("za?")
    bob.field.press("Enter")
    alice.sees("Pizza?")
    expect(alice.page.get_by_role("status", name="Typing")).to_have_text("")
    expect(bob.messages.get_by_role("img", name="Read")).to_have_count(1)
    alice.send("Soup.")
    bob.sees("Soup.")
    alice.page.get_by_role("button", name="Delete message: Soup.").click()
    alice.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for person in (alice, bob):
        person.sees("Soup.", times=0)
        person.sees("Pizza?")


def test_a_message_is_shown_as_sent_then_as_delivered_then_as_read(new_person: NewPerson, example: Server) -> None:
    conversation(example.url, "Ticks")
    alice = new_person().log_in("alice").open_conversation("Ticks")
    alice.send("Are you there?")
    expect(alice.messages.get_by_role("img", name="Sent")).to_have_count(1)
    bob = new_person().log_in("bob")
    expect(bob.page.get_by_role("link", name="Ticks 1 unread")).to_be_visible()
    alice.send("Hello?")
    expect(alice.messages.get_by_role("img", name="Delivered")).to_have_count(2)
    bob.open_conversation("Ticks")
    expect(alice.messages.get_by_role("img", name="Read")).to_have_count(2)


def test_people_come_and_go(new_person: NewPerson) -> None:
    alice = new_person().log_in("alice")
    carol = new_person().log_in("carol")
    alice.sees_as("carol", "online")
    carol.may_lose_the_server = True  # What is being loaded when somebody logs out is refused.
    carol.page.get_by_role("button", name="Account of carol").click()
    carol.page.get_by_role("menuitem", name="Log out").click()
    expect(carol.page.get_by_role("heading", name="Log in")).to_be_visible()
    alice.sees_as("carol", "offline")


def test_an_unread_count_rises_elsewhere_and_falls_when_it_is_read_on_another_device(
    new_person: NewPerson, example: Server
) -> None:
    alice = conversation(example.url, "Unread")
    phone, desk = new_person(size=PHONE).log_in("bob"), new_person().log_in("bob")
    for text in ("one", "two"):
        post(alice, text)
    for device in (phone, desk):
        expect(device.page.get_by_role("link", name="Unread 2 unread")).to_be_visible()
    phone.open_conversation("Unread")
    expect(desk.page.get_by_role("link", name="Unread", exact=True)).to_be_visible()


def test_notifications_orders_and_announcements_reach_all_devices(new_person: NewPerson, example: Server) -> None:
    phone, desk = new_person(size=PHONE).log_in("bob"), new_person().log_in("bob")
    alice = User(example.url, "alice")
    bob_id = User(example.url, "bob").id
    for title in ("First", "Second"):
        alice.call("POST", "/api/notifications", {"userId": bob_id, "type": "note", "title": title, "message": "Look here"})
    alice.call("POST", "/api/orders", {"userId": bob_id, "status": "shipped"})
    alice.call("POST", "/api/announcements", {"message": "Free cake"})
    for device in (phone, desk):
        device.toast("Free cake")
        device.toast("shipped")
        device.has_unread_notifications(2)
    centre = desk.open_notifications()
    expect(centre.get_by_role("list", name="Orders and announcements")).to_contain_text("Free cake")
    centre.get_by_role("button", name="Mark as read: First").click()
    phone.has_unread_notifications(1)
    centre.get_by_role("button", name="Mark all as read").click()
    for device in (phone, desk):
        device.has_unread_notifications(0)


def test_an_administrator_tells_everybody_something(new_person: NewPerson) -> None:
    bob = new_person().log_in("bob")
    expect(bob.page.get_by_role("button", name="Administration")).to_have_count(0)
    alice = new_person().log_in("alice")
    alice.page.get_by_role("button", name="Administration").click()
    form = alice.page.get_by_role("form", name="Announcement")
    form.get_by_label("Announcement text").fill("The bar is open")
    form.get_by_role("button", name="Announce").click()
    expect(form.get_by_role("status")).to_have_text("Sent.")
    bob.toast("The bar is open")


def test_a_new_conversation_appears_for_all_who_take_part(new_person: NewPerson) -> None:
    alice, carol = new_person().log_in("alice"), new_person().log_in("carol")
    alice.page.get_by_role("button", name="New conversation").click()
    dialog = alice.page.get_by_role("dialog", name="New conversation")
    dialog.get_by_role("checkbox", name="carol").check()
    dialog.get_by_label("Title").fill("Secret plans")
    dialog.get_by_role("button", name="Start conversation").click()
    alice.send("Psst")
    carol.open_conversation("Secret plans")
    carol.sees("Psst")


def test_further_conversations_are_listed_when_asked_for_and_a_link_to_any_opens(new_person: NewPerson, example: Server) -> None:
    carol = User(example.url, "carol")
    for number in range(60):
        carol.call("POST", "/api/conversations", {"title": f"Note {number}", "participantIds": [carol.id]})
    person = new_person().log_in("carol")
    listed = person.page.get_by_role("navigation", name="Conversations").get_by_role("link")
    expect(listed).to_have_count(50)
    person.page.get_by_role("button", name="Show more conversations").click()
    expect(listed.filter(has_text="Everybody")).to_have_count(1)
    person.page.goto(f"{example.url}/#/conversations/1")
    person.page.reload()
    expect(person.page.get_by_role("heading", level=2, name="Everybody")).to_be_visible()


def test_a_link_to_a_conversation_of_others_leads_back_to_one_s_own(new_person: NewPerson, example: Server) -> None:
    alice = User(example.url, "alice")
    secret = alice.call("POST", "/api/conversations", {"title": "Of nobody else", "participantIds": [alice.id]})["id"]
    person = new_person().log_in("bob")
    person.page.goto(f"{example.url}/#/conversations/{secret}")
    expect(person.page.get_by_text("Conversation not found.")).to_be_visible()
    person.page.get_by_role("button", name="Show all conversations").click()
    expect(person.page.get_by_text("Choose a conversation.")).to_be_visible()


def test_too_many_attempts_to_log_in_are_told_with_the_wait(new_person: NewPerson, tmp_path: Path) -> None:
    with python_module("example_app", environment(tmp_path), ready="/healthz") as server:
        person = new_person(server.url)
        person.may_lose_the_server = True  # Refusals are in the browser's log of the network too.
        person.page.get_by_role("textbox", name="Username").fill("alice")
        alert = person.page.get_by_role("alert")
        for _ in range(10):
            person.page.get_by_role("textbox", name="Password").fill("wrong")
            with person.page.expect_response("**/api/auth/login"):
                person.page.get_by_role("button", name="Log in", exact=True).click()
            expect(alert).to_have_text("The username or the password is wrong")
        person.page.get_by_role("button", name="Log in", exact=True).click()
        expect(alert).to_have_text(re.compile(r"^Too many attempts to log in\. Try again in \d+ seconds?\.$"))


def test_the_past_is_loaded_upwards_and_nothing_jumps(new_person: NewPerson, example: Server) -> None:
    alice = conversation(example.url, "Long")
    for number in range(70):
        post(alice, f"line {number}")
    bob = new_person().log_in("bob").open_conversation("Long")
    bob.sees("line 69")
    bob.sees("line 0", times=0)
    middle = bob.messages.get_by_text("line 45", exact=True)
    middle.scroll_into_view_if_needed()
    while not bob.messages.get_by_text("line 0", exact=True).count():
        bob.messages.evaluate("element => element.scrollTo(0, 0)")
        bob.page.wait_for_function("document.querySelector('[aria-label=Messages]').getAttribute('aria-busy') === 'false'")
    texts = bob.messages.get_by_text(re.compile(r"^line \d+$")).all_text_contents()
    assert texts == [f"line {number}" for number in range(70)]


def test_after_a_restart_of_the_server_nothing_is_missing_and_nothing_there_twice(new_person: NewPerson, tmp_path: Path) -> None:
    with listening_socket() as listener:
        port = listener.getsockname()[1]

    def start() -> Server:
        server = Server([sys.executable, "-m", "example_app"], {"PORT": str(port), **environment(tmp_path)})
        server.url = f"http://127.0.0.1:{port}"
        server.wait_until_ready("/healthz")
        return server

    first = start()
    with stopped_at_the_end(first):
        alice = conversation(first.url, "Restart")
        people = [new_person(first.url).log_in(name).open_conversation("Restart") for name in ("alice", "bob")]
        post(alice, "before")
        for person in people:
            person.sees("before")
            person.may_lose_the_server = True
    expect(people[0].page.get_by_role("region", name="Connection problem")).to_be_visible()
    people[0].send("written meanwhile")
    expect(people[0].messages.get_by_text("Waiting for the connection…")).to_be_visible()
    second = start()
    with stopped_at_the_end(second):
        post(alice, "after")
        alice.call("POST", "/api/orders", {"userId": alice.id, "status": "sent meanwhile"})
        for person in people:
            person.is_connected()
            person.sees("before")
            person.sees("after")
            person.sees("written meanwhile")
        people[1].send("all well")
        people[0].sees("all well")
        updates = people[0].open_notifications().get_by_role("list", name="Orders and announcements")
        expect(updates.get_by_text("sent meanwhile")).to_have_count(1)


def test_a_token_that_expires_is_renewed_and_nobody_notices(new_person: NewPerson, tmp_path: Path) -> None:
    with gunicorn("tests.e2e.apps.short_tokens_app:create_app()", environment(tmp_path), ready="/healthz") as server:
        alice = conversation(server.url, "Tokens")
        bob = new_person(server.url).log_in("bob").open_conversation("Tokens")
        tokens = {bob.access_token}

        def have_changed_twice() -> bool:
            tokens.add(bob.access_token)
            return len(tokens) > 2

        assert poll(have_changed_twice, SECONDS)
        alice = conversation(server.url, "Others")
        bob.is_connected()
        bob.send("still here")
        bob.sees("still here")
        bob.page.reload()
        bob.open_conversation("Tokens")
        bob.sees("still here")
        assert alice.id


def test_everything_can_be_done_with_the_keyboard(new_person: NewPerson, example: Server) -> None:
    conversation(example.url, "Keys")
    bob = new_person()
    keyboard = bob.page.keyboard
    bob.page.get_by_label("Username").focus()
    keyboard.type("bob")
    keyboard.press("Tab")
    keyboard.type("demo")
    keyboard.press("Enter")
    bob.is_connected()
    reach(bob, "Keys")
    keyboard.press("Enter")
    expect(bob.field).to_be_focused()
    keyboard.type("typed")
    keyboard.press("Enter")
    bob.sees("typed")
    reach(bob, "Delete message: typed", backwards=True)
    keyboard.press("Enter")
    keyboard.press("Tab")
    keyboard.press("Enter")
    bob.sees("typed", times=0)


def reach(person: Person, name: str, *, backwards: bool = False) -> None:
    """Press Tab until something of that name has the focus."""
    for _ in range(60):
        person.page.keyboard.press("Shift+Tab" if backwards else "Tab")
        label = person.page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        if str(label).startswith(name):
            return
    pytest.fail(f"{name} cannot be reached")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize(("device", "size"), [("desk", WIDE), ("phone", PHONE)])
def test_it_has_no_serious_fault_for_assistive_technology(
    new_person: NewPerson, example: Server, colours: str, device: str, size: dict[str, int]
) -> None:
    title = f"Axe {colours} {device}"
    alice = conversation(example.url, title)
    bob = new_person(size=size, colours=colours)
    faults = {"log-in": bob.accessibility_faults()}
    bob.log_in("bob")
    faults["list"] = bob.accessibility_faults()
    post(alice, "Hello")
    bob.open_conversation(title)
    bob.send("Hi there")
    bob.sees("Hi there")
    faults["chat"] = bob.accessibility_faults()
    alice.call("POST", "/api/announcements", {"message": title})
    bob.toast(title)
    bob.open_notifications()
    faults["notifications"] = bob.accessibility_faults()
    assert {place: found for place, found in faults.items() if found} == {}
    width = bob.page.evaluate("document.documentElement.scrollWidth")
    assert width <= size["width"], "it can be scrolled sideways"


@pytest.mark.parametrize(("device", "size", "colours"), [("desk", WIDE, "light"), ("phone", PHONE, "dark")])
def test_a_lively_conversation_fits_the_window(
    new_person: NewPerson, tmp_path: Path, device: str, size: dict[str, int], colours: str
) -> None:
    with python_module("example_app", environment(tmp_path), ready="/healthz") as server:
        conversation(server.url, "Friday lunch")
        alice = new_person(server.url).log_in("alice").open_conversation("Friday lunch")
        bob = new_person(server.url, size=size, colours=colours).log_in("bob").open_conversation("Friday lunch")
        for person, text in (
            (alice, "Shall we go for pizza or for soup on Friday?"),
            (bob, "Pizza. The new place by the river has tables outside, and it is to be the last warm day of the year."),
            (alice, "I'll book for six at half past twelve, then."),
            (bob, "Perfect, see you there!"),
        ):
            person.send(text)
            for one in (alice, bob):
                one.sees(text)
        alice.field.press_sequentially("Who")
        expect(bob.page.get_by_role("status", name="Typing")).to_contain_text("alice")
        expect(bob.messages.get_by_role("img", name="Read")).to_have_count(2)
        keep_picture(bob, f"chat-{device}")
        assert bob.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        for person in (alice, bob):
            person.may_lose_the_server = True


def keep_picture(person: Person, name: str) -> None:
    """Keep a picture for the documentation, where one is wanted."""
    if IMAGES:
        person.page.screenshot(path=Path(IMAGES) / f"{name}.png", animations="disabled")


def test_the_first_load_is_small() -> None:
    scripts = list(ASSETS.glob("*.js"))
    assert scripts
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) < MAX_SCRIPT_BYTES
