"""Conversations and people on the example application's page, in a real Chromium: members, pins, search and statuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.browser import PHONE, WIDE, NewPerson, Person
from tests.e2e.clients import PyClient
from tests.e2e.example import SECONDS, User, add_users, environment
from tests.e2e.servers import Server, python_module

MANY = 120
LONGEST_NAME = "x" * 64
SMALL_PHONE = {"width": 360, "height": 640}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # Some tests post many messages over HTTP, more than a user may.
    variables = {**environment(tmp_path_factory.mktemp("people")), "REALTIME_USER_LIMITS": '{"messages": null}'}
    with python_module("example_app", variables, ready="/healthz") as server:
        registration = {"username": LONGEST_NAME, "password": "more than demo"}
        requests.post(f"{server.url}/api/auth/register", json=registration, timeout=SECONDS).raise_for_status()
        yield server


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Server]:
    """A server on which nobody has come and gone: of a user only so many changes in a minute are announced at once."""
    with python_module("example_app", environment(tmp_path), ready="/healthz") as server:
        yield server


def group(url: str, title: str, *others: str) -> User:
    """Make a conversation of alice and others; returns alice, its owner, with its id as `conversation`."""
    alice = User(url, "alice")
    ids = [User(url, name).id for name in others]
    alice.conversation = alice.call("POST", "/api/conversations", {"title": title, "participantIds": ids})["id"]
    return alice


def post(user: User, text: str, **more: Any) -> str:
    """Send a message to the user's conversation; returns its id."""
    sent = user.call("POST", f"/api/conversations/{user.conversation}/messages", {"content": text, **more})
    return str(sent["id"])


def pin(user: User, message_id: str) -> None:
    user.call("PUT", f"/api/conversations/{user.conversation}/pins/{message_id}")


def panel(person: Person, name: str) -> Locator:
    return person.page.get_by_role("complementary", name=name)


def open_panel(person: Person, button: str, name: str) -> Locator:
    """Open what stands beside the conversation."""
    person.page.get_by_role("button", name=button, exact=True).click()
    opened = panel(person, name)
    heading = opened.get_by_role("heading", name=name, exact=True)
    expect(opened.get_by_role("searchbox") if name == "Search" else heading).to_be_focused()
    return opened


def open_members(person: Person) -> Locator:
    return open_panel(person, "Members and settings", "Members")


def open_menu(members: Locator, name: str) -> None:
    """Open the menu of a member."""
    members.get_by_role("button", name=f"Actions for {name}").click()
    expect(members.page.get_by_role("menuitem", name="Message", exact=True)).to_be_visible()


def choose(person: Person, name: str, action: str) -> None:
    """Do something with a member."""
    open_menu(panel(person, "Members"), name)
    person.page.get_by_role("menuitem", name=action, exact=True).click()


def listed(person: Person) -> Locator:
    return person.page.get_by_role("navigation", name="Conversations")


def test_members_are_added_get_roles_and_are_removed_while_others_look_on(new_person: NewPerson, example: Server) -> None:
    group(example.url, "Choir", "bob")
    alice, bob, carol = (new_person(name) for name in ("alice", "bob", "carol"))
    for person in (alice, bob):
        person.open_conversation("Choir")
    members = {person: open_members(person) for person in (alice, bob)}
    expect(members[bob].get_by_role("button", name="Add carol")).to_have_count(0)
    members[alice].get_by_label("Add somebody").fill(LONGEST_NAME[0])
    expect(members[alice].get_by_role("button", name=f"Add {LONGEST_NAME}")).to_be_visible()
    assert alice.cut_off == []
    members[alice].get_by_label("Add somebody").fill("ca")
    members[alice].get_by_role("button", name="Add carol").click()
    for person in (alice, bob):
        shown = members[person].get_by_role("list", name="Members").get_by_role("listitem")
        expect(shown).to_contain_text(["alice", "bob", "carol"])
        expect(members[person].get_by_role("heading", name="3 members")).to_be_visible()
    carol.open_conversation("Choir")
    choose(alice, "bob", "Make moderator")
    expect(members[bob].get_by_role("listitem").filter(has_text="bob")).to_contain_text("moderator")
    members[bob].get_by_label("Title").fill("Quartet")
    members[bob].get_by_role("button", name="Save").click()
    for person in (alice, bob, carol):
        expect(person.page.get_by_role("heading", level=2, name="Quartet")).to_be_visible()
    choose(bob, "carol", "Remove")
    expect(carol.page.get_by_text("Choose a conversation.")).to_be_visible()
    expect(listed(carol).get_by_role("link", name="Quartet")).to_have_count(0)
    carol.toast("You no longer take part in Quartet.")
    for person in (alice, bob):
        expect(members[person].get_by_role("list", name="Members").get_by_text("carol")).to_have_count(0)


def test_somebody_leaves_with_the_keyboard(new_person: NewPerson, example: Server) -> None:
    group(example.url, "Leaving", "bob")
    alice, bob = (new_person(name, "Leaving") for name in ("alice", "bob"))
    members = open_members(alice)
    own = open_members(bob)
    expect(own.get_by_role("list", name="Members").get_by_role("listitem")).to_have_count(2)
    own.get_by_role("button", name="Leave the conversation").press("Enter")
    dialog = bob.page.get_by_role("dialog", name="Leave the conversation?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    bob.page.keyboard.press("Tab")
    bob.page.keyboard.press("Enter")
    expect(bob.page.get_by_text("Choose a conversation.")).to_be_visible()
    expect(members.get_by_role("heading", name="1 member")).to_be_visible()
    expect(bob.page.get_by_role("heading", level=2, name="Conversations")).to_be_focused()
    members.press("Escape")
    expect(members).to_have_count(0)
    expect(alice.page.get_by_role("button", name="Members and settings")).to_be_focused()


def test_a_muted_conversation_disturbs_nobody_and_is_muted_on_all_devices(new_person: NewPerson, example: Server) -> None:
    alice = group(example.url, "Noise", "bob")
    desk, phone = new_person("bob", "Noise"), new_person("bob", size=PHONE)
    members = open_members(desk)
    members.get_by_role("radio", name="Mute", exact=True).check()
    expect(members.get_by_role("status")).to_have_text("Muted.")
    for device in (desk, phone):
        expect(listed(device).get_by_role("listitem").filter(has_text="Noise").get_by_role("img", name="Muted")).to_have_count(1)
    post(alice, "Hear, hear")
    desk.sees("Hear, hear")
    expect(desk.page.get_by_role("status", name="New messages")).to_have_text("")
    members.get_by_role("radio", name="Mute for an hour").check()
    expect(members.get_by_role("status")).to_have_text(re.compile(r"^Muted until .*\d"))
    members.get_by_role("radio", name="On").check()
    expect(listed(phone).get_by_role("img", name="Muted")).to_have_count(0)
    post(alice, "Now listen")
    expect(desk.page.get_by_role("status", name="New messages")).to_have_text("alice: Now listen")


def test_pinned_messages_are_shown_to_all_and_lead_to_where_they_are(new_person: NewPerson, example: Server) -> None:
    alice = group(example.url, "Notice board", "bob")
    first = post(alice, "The rules of the house")
    for number in range(MANY):
        post(alice, f"line {number}")
    people = {name: new_person(name, "Notice board") for name in ("alice", "bob")}
    pin(alice, first)
    for person in people.values():
        banner = person.page.get_by_role("region", name="Pinned message")
        expect(banner).to_contain_text("The rules of the house")
    post(alice, "The bar is open")
    people["alice"].messages.get_by_role("button", name="Actions for message: The bar is open").click()
    people["alice"].page.get_by_role("menuitem", name="Pin", exact=True).click()
    bob = people["bob"]
    bob.messages.get_by_role("button", name="Actions for message: The rules of the house").click()
    expect(bob.page.get_by_role("menuitem", name="Reply", exact=True)).to_be_visible()
    expect(bob.page.get_by_role("menuitem", name="Pin")).to_have_count(0)
    bob.page.keyboard.press("Escape")
    bob.page.get_by_role("button", name="2 pinned").click()
    pins = panel(bob, "Pinned messages")
    expect(pins.get_by_role("listitem")).to_contain_text(["The bar is open", "The rules of the house"])
    expect(pins.get_by_role("button", name="Unpin")).to_have_count(0)
    assert bob.accessibility_faults() == []
    pins.get_by_role("button", name="The rules of the house").click()
    expect(bob.messages.get_by_text("The rules of the house")).to_be_visible()
    board = open_panel(people["alice"], "Pinned messages", "Pinned messages")
    board.get_by_role("button", name="Unpin: The bar is open").click()
    for person in people.values():
        expect(panel(person, "Pinned messages").get_by_role("listitem")).to_have_count(1)
    alice.call("DELETE", f"/api/conversations/{alice.conversation}/messages/{first}")
    for person in people.values():
        expect(person.page.get_by_role("region", name="Pinned message")).to_have_count(0)


@pytest.mark.parametrize("size", [WIDE, SMALL_PHONE], ids=["desk", "phone"])
def test_a_pinned_reply_leads_into_its_thread(new_person: NewPerson, example: Server, size: dict[str, int]) -> None:
    title = f"Pinned replies {size['width']}"
    alice = group(example.url, title, "bob")
    root = post(alice, "Which way?")
    replies = [post(alice, f"reply {number}", threadId=root) for number in range(MANY)]
    for number in range(MANY):
        post(alice, f"line {number}")
    bob = new_person("bob", title, size=size)
    pin(alice, root)
    pin(alice, replies[3])
    banner = bob.page.get_by_role("region", name="Pinned message")
    expect(banner).to_contain_text("alice reply 3")
    thread = panel(bob, "Thread")

    def is_in_the_thread() -> None:
        expect(thread.get_by_role("log").get_by_text("reply 3", exact=True)).to_be_in_viewport()
        expect(thread.get_by_role("log").locator(":focus")).to_contain_text("reply 3")
        expect(thread.get_by_role("article")).to_contain_text("Which way?")

    pins = open_panel(bob, "Pinned messages", "Pinned messages")
    expect(pins.get_by_role("listitem")).to_contain_text(["alice in a thread", "alice"])
    assert bob.accessibility_faults() == []
    pins.get_by_role("button", name="reply 3").click()
    is_in_the_thread()
    thread.get_by_role("button", name="Close thread").click()
    expect(thread).to_have_count(0)
    banner.get_by_role("button", name="reply 3").click()
    is_in_the_thread()
    thread.get_by_role("button", name="Close thread").click()
    pins = open_panel(bob, "Pinned messages", "Pinned messages")
    pins.get_by_role("button", name="Which way?").click()
    expect(bob.messages.get_by_text("Which way?", exact=True)).to_be_in_viewport()
    expect(thread).to_have_count(0)


def test_a_reply_is_pinned_in_its_thread(new_person: NewPerson, example: Server) -> None:
    alice = group(example.url, "Pinned there", "bob")
    post(alice, "To the left", threadId=post(alice, "Which way?"))
    owner, bob = (new_person(name, "Pinned there") for name in ("alice", "bob"))
    owner.messages.get_by_role("button", name="1 reply").click()
    panel(owner, "Thread").get_by_role("button", name="Actions for message: To the left").click()
    owner.page.get_by_role("menuitem", name="Pin", exact=True).click()
    bob.page.get_by_role("region", name="Pinned message").get_by_role("button", name="alice To the left").click()
    expect(panel(bob, "Thread").get_by_role("log").locator(":focus")).to_contain_text("To the left")


def connect(stack: ExitStack, user: User, url: str) -> PyClient:
    """Join a user's conversation, as from a device of its own."""
    client = PyClient(url, {"auth": {"token": user.token}, "transports": ["websocket"]})
    stack.callback(client.release)
    client.call("join:conversation", user.conversation)
    return client


def mention_one_of_many(person: Person) -> None:
    person.field.press_sequentially("@crowd")
    mentions = person.page.get_by_role("status", name="People to mention")
    expect(mentions).to_contain_text("The first 8 of 97 to mention")
    person.field.press_sequentially("96")
    expect(mentions).to_contain_text(re.compile("^1 to mention"))
    person.field.press("Enter")
    expect(person.field).to_have_value("@crowd96 ")
    person.field.fill("")


def find_one_of_many(person: Person) -> None:
    members = open_members(person)
    rows = members.get_by_role("list", name="Members").get_by_role("listitem")
    expect(rows).to_have_count(100)
    members.get_by_label("Find a member").fill("CROWD95")
    expect(rows).to_have_count(1)
    choose(person, "crowd95", "Make moderator")
    expect(rows).to_contain_text(["moderator"])
    members.get_by_label("Find a member").press("Tab")
    expect(members.get_by_role("button", name="Actions for crowd95")).to_be_focused()
    members.get_by_label("Find a member").fill("nobody")
    expect(members.get_by_text("Nobody of that name.")).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, SMALL_PHONE], ids=["desk", "phone"])
def test_a_group_of_a_hundred_can_be_used_and_read(new_person: NewPerson, tmp_path: Path, size: dict[str, int]) -> None:
    names = [f"crowd{number:02}" for number in range(97)]
    variables = environment(tmp_path)
    with python_module("example_app", variables, ready="/healthz") as server, ExitStack() as stack:
        ids = add_users(tmp_path, names)
        alice = User(server.url, "alice")
        everybody = [user_id for name, user_id in ids.items() if name != "alice"]
        for title in (None, "Hundred"):
            created = alice.call("POST", "/api/conversations", {"title": title, "participantIds": everybody})
        alice.conversation = created["id"]
        message = post(alice, "Hello everybody")
        some = [User(server.url, name) for name in names[:12]]
        for user in some:
            user.conversation = alice.conversation
            user.call("POST", f"/api/conversations/{user.conversation}/read", {"upTo": message})
            user.call("PUT", f"/api/conversations/{user.conversation}/messages/{message}/reactions/%F0%9F%91%8D")
        clients = [connect(stack, user, server.url) for user in some[:5]]
        person = new_person("alice", url=server.url, size=size)
        expect(listed(person).get_by_role("link", name="bob, carol, crowd00, and 96 others")).to_be_visible()
        heights = [person.height]
        person.open_conversation("Hundred")
        section = person.page.get_by_role("region", name="Hundred")
        expect(section.locator("header")).to_contain_text("crowd00, crowd01, crowd02, and 2 others online")
        expect(person.messages.get_by_role("button", name="👍 12: crowd00, crowd01, crowd02, and 9 others")).to_be_visible()

        typing = person.page.get_by_role("status", name="Typing")
        height = typing.evaluate("line => line.getBoundingClientRect().height")
        clients[0].emit("typing:start", {"conversationId": alice.conversation})
        expect(typing).to_have_text("crowd00 is typing…")
        for client in clients:
            client.emit("typing:start", {"conversationId": alice.conversation})
        expect(typing).to_have_text("Several people are typing…")
        assert typing.evaluate("line => line.scrollHeight") == height

        mention_one_of_many(person)
        person.messages.get_by_role("button", name="Actions for message: Hello").click()
        person.page.get_by_role("menuitem", name="Seen by…").click()
        readers = person.page.get_by_role("dialog", name="Seen by").get_by_role("region", name="Read")
        expect(readers.get_by_role("heading")).to_have_text("Read by 12")
        assert person.accessibility_faults() == []
        person.page.keyboard.press("Escape")

        find_one_of_many(person)
        assert person.accessibility_faults() == []
        assert person.cut_off == []
        heights.append(person.height)
        assert heights == [size["height"]] * 2, "the page itself can be scrolled"


@pytest.mark.parametrize("size", [WIDE, SMALL_PHONE], ids=["desk", "phone"])
def test_a_search_finds_what_is_far_up_and_a_hit_leads_there(new_person: NewPerson, example: Server, size: dict[str, int]) -> None:
    word = f"tangerine{size['width']}"
    alice = group(example.url, f"Fruit {word}", "bob")
    post(alice, f"A <b>{word}</b> & a melon")
    for number in range(MANY):
        post(alice, f"line {number}")
    other = group(example.url, f"Other {word}", "bob")
    root = post(other, f"No {word} here")
    for number in range(MANY // 2):
        post(other, f"reply {number} {f'sour{word}' if number == 0 else ''}", threadId=root)
    bob = new_person("bob", f"Fruit {word}", size=size)
    search = open_panel(bob, "Search messages", "Search")
    search.get_by_role("searchbox").fill(word[:-2])
    found = search.get_by_role("list", name="Messages found")
    expect(found.get_by_role("listitem")).to_have_count(1)
    expect(found.locator("mark")).to_have_text(word)
    expect(found.locator("b")).to_have_count(0)
    expect(found).to_contain_text(f"A <b>{word}</b> & a melon")
    expect(search.get_by_role("status")).to_have_text("1 message")
    assert bob.accessibility_faults() == []
    search.get_by_role("checkbox", name="In all conversations").check()
    expect(found.get_by_role("listitem")).to_contain_text([f"alice in Other {word}", f"alice in Fruit {word}"])
    found.get_by_role("button", name=f"alice in Fruit {word}").press("Enter")
    expect(bob.messages.get_by_text(f"<b>{word}</b>")).to_be_in_viewport()
    if size == WIDE:
        found.get_by_role("button", name=f"alice in Other {word}").click()
        expect(bob.page.get_by_role("heading", level=2, name=f"Other {word}")).to_be_visible()
        bob.sees(f"No {word} here")
        search.get_by_role("searchbox").fill("nothing like it")
        expect(search.get_by_role("status")).to_have_text("Nothing found")
        bob.open_conversation(f"Fruit {word}")
    else:
        expect(search).to_have_count(0)
        search = open_panel(bob, "Search messages", "Search")
        search.get_by_role("checkbox", name="In all conversations").check()
    search.get_by_role("searchbox").fill(f"sour{word}")
    found.get_by_role("button", name=f"alice in Other {word}").click()
    expect(bob.page.get_by_role("heading", level=2, name=f"Other {word}")).to_have_count(1)
    thread = panel(bob, "Thread")
    expect(thread.get_by_role("log").get_by_text(f"reply 0 sour{word}")).to_be_in_viewport()
    expect(thread.get_by_role("log").locator(":focus")).to_contain_text(f"reply 0 sour{word}")
    assert bob.width <= size["width"]


ESCAPE_TWICE = """() => {
    const key = () => new KeyboardEvent('keydown', {key: 'Escape', bubbles: true, cancelable: true});
    const focused = document.activeElement;
    for (let time = 0; time < 2; time += 1) focused.dispatchEvent(key());
}"""


def test_on_a_phone_going_back_closes_what_covers_the_conversation(new_person: NewPerson, example: Server) -> None:
    group(example.url, "Way back", "bob")
    bob = new_person("bob", "Way back", size=SMALL_PHONE)
    heading = bob.page.get_by_role("heading", level=2, name="Way back")
    members = open_members(bob)
    bob.page.reload()
    expect(members.get_by_role("heading", name="2 members")).to_be_visible()
    bob.page.go_back()
    expect(members).to_have_count(0)
    expect(heading).to_be_visible()
    open_members(bob).get_by_role("button", name="Close members").click()
    expect(members).to_have_count(0)
    open_members(bob)
    bob.page.evaluate(ESCAPE_TWICE)
    expect(members).to_have_count(0)
    bob.page.go_back()
    expect(listed(bob)).to_be_visible()
    bob.open_conversation("Way back")
    open_members(bob).get_by_role("button", name="Actions for alice").click()
    bob.page.get_by_role("menuitem", name="Message", exact=True).click()
    expect(bob.page.get_by_role("heading", level=2, name="alice", exact=True)).to_be_visible()
    expect(members).to_have_count(0)
    bob.page.go_back()
    expect(members.get_by_role("heading", name="2 members")).to_be_visible()
    bob.page.go_back()
    expect(members).to_have_count(0)
    expect(heading).to_be_visible()


def test_a_click_on_a_person_opens_the_one_conversation_with_that_person(new_person: NewPerson) -> None:
    bob, carol = new_person("bob"), new_person("carol")
    people = bob.page.get_by_role("region", name="People")
    people.get_by_role("button", name="Write to carol").click()
    expect(bob.page.get_by_role("heading", level=2, name="carol", exact=True)).to_be_visible()
    bob.send("Just us two")
    carol.open_conversation("bob")
    carol.sees("Just us two")
    carol.page.get_by_role("region", name="People").get_by_role("button", name="Write to bob").click()
    carol.send("Indeed")
    bob.sees("Indeed")
    expect(listed(bob).get_by_role("link", name="carol", exact=True)).to_have_count(1)
    expect(open_members(bob).get_by_role("button", name="Leave the conversation")).to_have_count(0)


def set_status(person: Person, state: str, text: str = "") -> None:
    person.page.get_by_role("button", name="Account of").click()
    person.page.get_by_role("menuitem", name=re.compile("^Status: ")).click()
    dialog = person.page.get_by_role("dialog", name="Your status")
    dialog.get_by_role("radio", name=state).check()
    dialog.get_by_label("Text").fill(text)
    dialog.get_by_label("Until").select_option(label="In an hour")
    assert person.accessibility_faults() == []
    dialog.get_by_role("button", name="Set status").click()
    expect(dialog).to_have_count(0)


def test_others_see_the_status_that_somebody_sets_and_nobody_sees_who_is_invisible(new_person: NewPerson, quiet: Server) -> None:
    alice, bob = new_person("alice", url=quiet.url), new_person("bob", url=quiet.url)
    alice.sees_as("bob", "online")
    set_status(bob, "Busy", "In a meeting")
    alice.sees_as("bob", "busy: In a meeting")
    bob.sees_as("bob", "busy: In a meeting")
    later = new_person("carol", url=quiet.url)
    later.sees_as("bob", "busy: In a meeting")
    set_status(bob, "Invisible")
    alice.sees_as("bob", "offline, last seen")
    bob.sees_as("bob", "invisible")
    set_status(bob, "Online")
    alice.sees_as("bob", "online")


def test_who_does_not_use_the_page_for_five_minutes_is_away(new_person: NewPerson, browser: Browser, quiet: Server) -> None:
    alice = new_person("alice", url=quiet.url)
    carol = Person(browser, quiet.url)
    carol.page.clock.install()
    carol.page.reload()
    carol.log_in("carol")
    alice.sees_as("carol", "online")
    carol.page.clock.run_for("05:01")
    alice.sees_as("carol", "away")
    carol.page.mouse.move(10, 10)
    alice.sees_as("carol", "online")
    carol.leave()


def test_who_does_not_want_it_is_not_seen_writing_or_reading(new_person: NewPerson, example: Server) -> None:
    group(example.url, "Private", "bob")
    alice, bob = (new_person(name) for name in ("alice", "bob"))
    settings = bob.open_settings()
    for name in ("Let others see when I write", "Let others see what I have got and read"):
        with bob.page.expect_response("**/api/me"):
            settings.get_by_role("checkbox", name=name).uncheck()
    assert bob.accessibility_faults() == []
    settings.get_by_role("button", name="Close").click()
    for person in (alice, bob):
        person.open_conversation("Private")
    alice.send("Read me")
    bob.sees("Read me")
    bob.field.press_sequentially("I am")
    bob.send("I am here")
    alice.sees("I am here")
    expect(alice.messages.get_by_role("img", name="Read")).to_have_count(0)
    expect(alice.page.get_by_role("status", name="Typing")).to_have_text("")
    settings = bob.open_settings()
    expect(settings.get_by_role("checkbox", name="Let others see when I write")).not_to_be_checked()
    for name in ("Let others see when I write", "Let others see what I have got and read"):
        with bob.page.expect_response("**/api/me"):
            settings.get_by_role("checkbox", name=name).check()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize(("device", "size"), [("desk", WIDE), ("phone", SMALL_PHONE)])
def test_what_stands_beside_a_conversation_has_no_serious_fault_and_fits(
    new_person: NewPerson, example: Server, colours: str, device: str, size: dict[str, int]
) -> None:
    title = f"Beside {colours} {device}"
    alice = group(example.url, title, "bob")
    pin(alice, post(alice, "Pinned " * 20))
    person = new_person("alice", title, size=size, colours=colours)
    expect(person.page.get_by_role("region", name="Pinned message")).to_contain_text("Pinned Pinned")
    faults = {"banner": person.accessibility_faults()}
    cut_off = {"banner": person.cut_off}
    panels = (("Members and settings", "Members"), ("Pinned messages", "Pinned messages"), ("Search messages", "Search"))
    for button, name in panels:
        opened = open_panel(person, button, name)
        if name == "Search":
            opened.get_by_role("searchbox").fill("pinned")
            expect(opened.locator("mark").first).to_be_visible()
        elif name == "Members":
            expect(opened.get_by_text("(you)")).to_be_visible()
            open_menu(opened, "bob")
            faults["member"] = person.accessibility_faults()
            person.page.keyboard.press("Escape")
        faults[name], cut_off[name] = person.accessibility_faults(), person.cut_off
        person.page.keyboard.press("Escape")
        expect(opened).to_have_count(0)
    person.page.get_by_role("button", name="Account of").click()
    expect(person.page.get_by_role("menuitem", name="Log out")).to_be_visible()
    faults["account"], cut_off["account"] = person.accessibility_faults(), person.cut_off
    person.page.keyboard.press("Escape")
    if size == SMALL_PHONE:
        person.page.get_by_role("button", name="Back to conversations").click()
    person.page.get_by_role("button", name="New conversation").click()
    expect(person.page.get_by_role("dialog").get_by_label(LONGEST_NAME)).to_be_visible()
    faults["new"], cut_off["new"] = person.accessibility_faults(), person.cut_off
    assert {place: found for place, found in faults.items() if found} == {}
    assert {place: found for place, found in cut_off.items() if found} == {}
    assert person.width <= size["width"]
