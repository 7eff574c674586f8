"""What people do with messages on the example application's page, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.browser import PHONE, WIDE, NewPerson, Person
from tests.e2e.example import User, add_users, environment
from tests.e2e.servers import Server, python_module

MANY = 150
UNLIMITED = {"REALTIME_USER_LIMITS": '{"messages": null}'}
"""Settings with which tests send as many messages as they want."""

SMALL_PHONE = {"width": 360, "height": 640}
CROWD = [f"member{number:02}" for number in range(10)]
LOW_WINDOWS = [(360, 380), (740, 360), (320, 568)]
FINGER = 44
"""Pixels of the smallest thing that a finger hits."""


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("messages")
    with python_module("example_app", {**environment(folder), **UNLIMITED}, ready="/healthz") as server:
        add_users(folder, CROWD)
        yield server


def group(url: str, title: str, *more: str) -> User:
    """Make a conversation of alice, bob, carol and others; returns alice, its owner, with its id as `conversation`."""
    alice = User(url, "alice")
    others = [User(url, name).id for name in ("bob", "carol", *more)]
    alice.conversation = alice.call("POST", "/api/conversations", {"title": title, "participantIds": others})["id"]
    return alice


def post(user: User, text: str, **more: Any) -> str:
    """Send a message to the user's conversation; returns its id."""
    sent = user.call("POST", f"/api/conversations/{user.conversation}/messages", {"content": text, **more})
    return str(sent["id"])


def post_many(url: str, alice: User) -> str:
    """Send more messages than are loaded at once, all of which bob has read; returns the id of the first."""
    first = post(alice, "the first of many")
    for number in range(MANY):
        last = post(alice, f"line {number}")
    User(url, "bob").call("POST", f"/api/conversations/{alice.conversation}/read", {"upTo": last})
    return first


def menu_of(person: Person, text: str, within: Locator | None = None) -> Locator:
    """Open the menu of a message."""
    (within or person.messages).get_by_role("button", name=f"Actions for message: {text}").click()
    menu = person.page.get_by_role("menu")
    expect(menu).to_be_visible()
    return menu


def choose(person: Person, text: str, action: str) -> None:
    """Do something with a message."""
    menu_of(person, text).get_by_role("menuitem", name=action, exact=True).click()


def test_a_message_is_edited_and_deleted_in_its_place(new_person: NewPerson, example: Server) -> None:
    group(example.url, "Edits")
    alice, bob = (new_person(name, "Edits") for name in ("alice", "bob"))
    for text in ("Helo", "second"):
        bob.send(text)
    choose(bob, "Helo", "Edit")
    expect(bob.field).to_be_focused()
    expect(bob.field).to_have_value("Helo")
    bob.field.fill("Hello")
    bob.field.press("Enter")
    for person in (alice, bob):
        person.sees("Hello")
        person.sees("Helo", times=0)
        person.sees("edited")
    bob.field.press("ArrowUp")
    expect(bob.field).to_have_value("second")
    bob.field.press("Escape")
    expect(bob.field).to_have_value("")
    choose(bob, "Hello", "Delete")
    bob.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for person in (alice, bob):
        person.sees("Message deleted")
        person.sees("Hello", times=0)
        expect(person.messages.get_by_role("listitem").filter(has_text="Message deleted")).to_have_attribute("data-row", "0")
        expect(person.messages.get_by_role("button", name="Actions for message")).to_have_count(1)
    expect(bob.messages.locator(":focus")).to_contain_text("Message deleted")
    bob.page.reload()
    bob.sees("Message deleted")


def test_what_is_edited_or_quoted_may_change_and_go_meanwhile(new_person: NewPerson, example: Server) -> None:
    alice = group(example.url, "Twice")
    desk, phone = (new_person("bob", "Twice", size=size) for size in (WIDE, PHONE))
    desk.send("Helo")
    for device in (desk, phone):
        choose(device, "Helo", "Edit")
    desk.field.fill("Hello")
    desk.field.press("Enter")
    note = phone.page.get_by_role("group", name="Edit message")
    expect(note).to_contain_text("Hello")
    phone.field.fill("Hello there")
    choose(desk, "Hello", "Delete")
    desk.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    phone.toast("The message was deleted")
    expect(note).to_have_count(0)
    expect(phone.field).to_have_value("Hello there")
    phone.field.press("Enter")
    desk.sees("Hello there")
    question = post(alice, "Who?")
    choose(desk, "Who?", "Reply")
    alice.call("DELETE", f"/api/conversations/{alice.conversation}/messages/{question}")
    expect(desk.page.get_by_role("group", name="Reply to alice")).to_contain_text("Message deleted")


def test_a_finger_that_rests_on_a_message_opens_its_menu(new_person: NewPerson, example: Server) -> None:
    alice = group(example.url, "Touch")
    post(alice, "Hold me")
    bob = new_person("bob", "Touch", size=PHONE, has_touch=True)
    text = bob.messages.get_by_text("Hold me", exact=True)
    menu = bob.page.get_by_role("menu")
    with bob.finger_on(text):
        expect(menu).to_be_visible()
    bob.page.get_by_role("menuitem", name="Reply", exact=True).tap()
    expect(bob.page.get_by_role("group", name="Reply to alice")).to_contain_text("Hold me")
    expect(menu).to_have_count(0)
    text.tap()
    bob.send("A tap is none")
    bob.sees("A tap is none")
    expect(menu).to_have_count(0)


def test_with_the_text_at_twice_its_size_all_of_it_is_within_the_window(new_person: NewPerson, example: Server) -> None:
    alice = group(example.url, "Twice as large")
    post(alice, "Read me")
    window = {"width": 640, "height": 360}
    person = new_person("alice", "Twice as large", size=window)
    menu = menu_of(person, "Read me")
    box = menu.bounding_box()
    assert box is not None
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= window["height"]
    person.page.keyboard.press("End")
    expect(menu.get_by_role("menuitem").last).to_be_focused()
    expect(menu.get_by_role("menuitem").last).to_be_in_viewport()
    person.page.keyboard.press("Escape")
    choose(person, "Read me", "Reply")
    person.field.fill("line\n" * 20)
    expect(person.messages.get_by_text("Read me", exact=True)).to_be_in_viewport(ratio=1)


def test_a_reply_quotes_a_message_and_leads_to_it_however_far_up(new_person: NewPerson, example: Server) -> None:
    alice = group(example.url, "Quotes")
    first = post_many(example.url, alice)
    bob = new_person("bob", "Quotes")
    post(alice, "as I said", replyTo=first)
    quote = bob.messages.get_by_role("button", name="Go to the quoted message: alice the first of many")
    quote.click()
    found = bob.messages.get_by_text("the first of many", exact=True)
    expect(found).to_be_in_viewport()
    expect(bob.messages.locator(":focus")).to_contain_text("the first of many")
    expect(bob.messages.get_by_text("The beginning of the conversation")).to_be_visible()
    bob.page.get_by_role("button", name="Jump to latest").click()
    expect(bob.messages.get_by_text("as I said")).to_be_in_viewport()

    choose(bob, "as I said", "Reply")
    expect(bob.field).to_be_focused()
    note = bob.page.get_by_role("group", name="Reply to alice")
    expect(note).to_contain_text("as I said")
    bob.field.press("Escape")
    expect(note).to_have_count(0)
    choose(bob, "as I said", "Reply")
    bob.field.fill("did you?")
    bob.field.press("Enter")
    expect(note).to_have_count(0)
    answer = bob.messages.get_by_role("listitem").filter(has_text="did you?")
    expect(answer.get_by_role("button", name="Go to the quoted message: alice as I said")).to_be_visible()


def test_what_is_quoted_or_pinned_is_read_without_marks(new_person: NewPerson, example: Server) -> None:
    alice = group(example.url, "Quoted marks")
    marked = post(alice, "**Look** at `this`")
    post(alice, "as I said", replyTo=marked)
    alice.call("PUT", f"/api/conversations/{alice.conversation}/pins/{marked}")
    bob = new_person("bob", "Quoted marks")
    expect(bob.messages.get_by_role("button", name="Go to the quoted message: alice Look at this")).to_be_visible()
    expect(bob.page.get_by_role("button", name="Go to the pinned message: alice Look at this")).to_be_visible()
    choose(bob, "**Look**", "Reply")
    expect(bob.page.get_by_role("group", name="Reply to alice")).to_contain_text("Look at this")
    bob.page.get_by_role("button", name="Pinned messages", exact=True).click()
    pins = bob.page.get_by_role("complementary", name="Pinned messages")
    expect(pins.get_by_role("listitem")).to_contain_text(["Look at this"])


def test_what_is_written_far_up_is_shown_at_the_end(new_person: NewPerson, example: Server) -> None:
    alice = group(example.url, "Far up")
    first = post_many(example.url, alice)
    post(alice, "as I said", replyTo=first)
    bob = new_person("bob", "Far up")
    bob.messages.press("End")
    bob.messages.get_by_role("button", name="Go to the quoted message").click()
    expect(bob.messages.get_by_text("the first of many", exact=True)).to_be_in_viewport()
    bob.send("and I heard you")
    expect(bob.messages.get_by_text("and I heard you")).to_be_in_viewport()
    expect(bob.messages.get_by_text("as I said")).to_be_in_viewport()


def test_people_react_with_emoji_and_take_it_back(new_person: NewPerson, example: Server) -> None:
    owner = group(example.url, "Reactions")
    post(owner, "Cake!")
    alice, bob = (new_person(name, "Reactions") for name in ("alice", "bob"))
    menu_of(bob, "Cake!").get_by_role("menuitemcheckbox", name="React with 👍").click()
    alice.messages.get_by_role("button", name="👍 1: bob").click()
    both = bob.messages.get_by_role("button", name="👍 2: alice, you")
    expect(both).to_have_attribute("aria-pressed", "true")
    both.click()
    expect(alice.messages.get_by_role("button", name="👍 1: you")).to_be_visible()
    for word, emoji in (("rocket", "🚀"), ("🦊", "🦊")):
        choose(bob, "Cake!", "More reactions…")
        field = bob.page.get_by_role("dialog", name="Add a reaction").get_by_role("textbox", name="Emoji")
        expect(field).to_be_focused()
        field.fill(word)
        field.press("Enter")
        expect(alice.messages.get_by_role("button", name=f"{emoji} 1: bob")).to_be_visible()
        expect(bob.messages.get_by_role("button", name="Actions for message: Cake!")).to_be_focused()


def test_a_thread_is_beside_the_conversation(new_person: NewPerson, example: Server) -> None:
    owner = group(example.url, "Threads")
    post(owner, "Where to?")
    alice, bob = (new_person(name, "Threads") for name in ("alice", "bob"))
    choose(bob, "Where to?", "Reply in thread")
    thread = bob.page.get_by_role("complementary", name="Thread")
    expect(thread.get_by_role("article")).to_contain_text("Where to?")
    field = thread.get_by_role("textbox", name="Reply in the thread")
    expect(field).to_be_focused()
    field.fill("To the river")
    field.press("Enter")
    replies = thread.get_by_role("log", name="Replies in the thread")
    expect(replies.get_by_text("To the river", exact=True)).to_be_visible()
    bob.sees("To the river", times=0)
    alice.sees("To the river", times=0)
    thread.get_by_role("article").get_by_role("button", name="Add a reaction").click()
    bob.page.get_by_role("dialog", name="Add a reaction").get_by_role("textbox", name="Emoji").fill("rocket")
    bob.page.keyboard.press("Enter")
    alice.messages.get_by_role("button", name="🚀 1: bob").click()
    thread.get_by_role("article").get_by_role("button", name="🚀 2: alice, you").click()
    expect(alice.messages.get_by_role("button", name="🚀 1: you")).to_be_visible()
    field.focus()
    alice.messages.get_by_role("button", name="1 reply").click()
    other = alice.page.get_by_role("complementary", name="Thread")
    expect(other.get_by_role("log").get_by_text("To the river", exact=True)).to_be_visible()
    post(owner, "Fine", threadId=first_of(owner))
    for panel in (thread, other):
        expect(panel.get_by_role("log").get_by_text("Fine", exact=True)).to_be_visible()
    for person in (alice, bob):
        expect(person.messages.get_by_role("button", name="2 replies")).to_be_visible()
    field.press("Escape")
    expect(thread).to_have_count(0)
    expect(bob.field).to_be_focused()


def first_of(owner: User) -> str:
    """The id of the conversation's first message."""
    page = owner.call("GET", f"/api/conversations/{owner.conversation}/messages")
    return str(page["messages"][0]["id"])


def test_people_are_mentioned_by_what_is_completed(new_person: NewPerson, example: Server) -> None:
    group(example.url, "Mentions")
    alice, bob = (new_person(name, "Mentions") for name in ("alice", "bob"))
    alice.field.press_sequentially("Hi @")
    people = alice.page.get_by_role("listbox", name="People to mention")
    expect(people.get_by_role("option")).to_have_text([re.compile("bob"), re.compile("carol"), re.compile("everyone")])
    alice.field.press("ArrowDown")
    expect(people.get_by_role("option", selected=True)).to_have_text(re.compile("carol"))
    alice.page.set_viewport_size({"width": WIDE["width"], "height": 260})
    alice.field.press("ArrowDown")
    alice.field.press("ArrowDown")
    alice.field.press("ArrowUp")
    expect(people.get_by_role("option", selected=True)).to_have_text(re.compile("everyone"))
    expect(people.get_by_role("option", selected=True)).to_be_in_viewport(ratio=0.9)
    alice.page.set_viewport_size({"width": WIDE["width"], "height": WIDE["height"]})
    alice.field.press("Escape")
    expect(people).to_have_count(0)
    alice.field.press("Backspace")
    alice.field.press_sequentially("@bo")
    alice.field.press("Enter")
    expect(alice.field).to_have_value("Hi @bob ")
    alice.field.press_sequentially("and @nobody")
    alice.field.press("Enter")
    for person in (alice, bob):
        expect(person.messages.locator("[data-mention]")).to_have_text("@bob")
    bob.has_unread_notifications(1)
    alice.send("@everyone look")
    expect(bob.messages.locator("[data-mention]")).to_have_text(["@bob", "@everyone"])
    bob.has_unread_notifications(2)
    bob.field.press_sequentially("@e")
    expect(bob.page.get_by_role("option", name="everyone")).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), LOW_WINDOWS)
def test_people_to_mention_can_be_chosen_in_a_low_window_with_keys_and_with_a_screen_reader(
    new_person: NewPerson, example: Server, width: int, height: int
) -> None:
    title = f"Low {width}"
    group(example.url, title, *CROWD)
    bob = new_person("bob", title, size={"width": width, "height": height})
    bob.field.press_sequentially("Hi @")
    people = bob.page.get_by_role("listbox", name="People to mention")
    options = people.get_by_role("option")
    expect(options).to_have_count(8)
    assert bob.accessibility_faults() == []
    bob.field.press("ArrowUp")
    expect(options.last).to_be_in_viewport(ratio=0.9)
    bob.field.press("Shift+Tab")
    expect(people).to_be_focused()
    expect(people).to_have_attribute("aria-activedescendant", str(options.last.get_attribute("id")))
    people.press("ArrowDown")
    expect(people.get_by_role("option", selected=True)).to_have_text(re.compile("alice"))
    expect(options.first).to_be_in_viewport(ratio=0.9)
    assert bob.accessibility_faults() == []
    people.press("Enter")
    expect(bob.field).to_be_focused()
    expect(bob.field).to_have_value("Hi @alice ")
    bob.field.press_sequentially("@")
    bob.field.press("Shift+Tab")
    people.press("Escape")
    expect(people).to_have_count(0)
    expect(bob.field).to_be_focused()
    bob.field.press("Backspace")
    bob.field.press_sequentially("@")
    bob.field.press("Shift+Tab")
    people.press("Shift+Tab")
    expect(people).to_have_count(0)
    expect(bob.field).to_have_value("Hi @alice @")


HIT = """(button, [right, down]) => {
    const {left, top, width, height} = button.getBoundingClientRect();
    return button.contains(document.elementFromPoint(left + width / 2 + right, top + height / 2 + down));
}"""
"""Whether a point beside a button's centre is the button's."""


def is_hit_by_a_finger(button: Locator) -> list[bool]:
    """Whether points as far from a button's centre as a finger may be are the button's."""
    far = FINGER / 2 - 1
    return [bool(button.evaluate(HIT, place)) for place in ([far, 0], [-far, 0], [0, far], [0, -far])]


@pytest.mark.parametrize("density", ["comfortable", "compact"])
def test_a_finger_hits_what_can_be_done_with_a_message_and_a_mouse_has_no_larger_buttons(
    new_person: NewPerson, example: Server, density: str
) -> None:
    alice = group(example.url, f"Fingers {density}")
    first = post(alice, "Hit me")
    post(alice, "beside", threadId=first)
    alice.call("PUT", f"/api/conversations/{alice.conversation}/messages/{first}/reactions/%F0%9F%91%8D")
    post(alice, "the next one")
    names = ("Actions for message: Hit me", "👍 1: alice", "1 reply")
    phone, desk = new_person("bob", size=SMALL_PHONE, has_touch=True), new_person("bob")
    for person in (phone, desk):
        person.open_settings().get_by_role("radio", name=density).check()
        person.page.keyboard.press("Escape")
        person.open_conversation(f"Fingers {density}")
        expect(person.messages.get_by_role("button", name="1 reply")).to_be_visible()
    buttons = [phone.messages.get_by_role("button", name=name) for name in names]
    assert [is_hit_by_a_finger(button) for button in buttons] == [[True] * 4] * len(names)
    buttons[0].tap()
    items = phone.page.get_by_role("menu").locator("[role^=menuitem]")
    expect(items.first).to_be_visible()
    boxes = [item.bounding_box() for item in items.all()]
    assert [box for box in boxes if box is None or min(box["width"], box["height"]) < FINGER] == []
    assert phone.cut_off == []
    sizes = [desk.messages.get_by_role("button", name=name).bounding_box() for name in names]
    assert [round(box["height"]) for box in sizes if box] == [32, 28, 28]


def test_a_notification_leads_to_the_message_that_mentions(new_person: NewPerson, example: Server) -> None:
    alice = group(example.url, "Mentioned")
    post(alice, "hello @bob", mentions=[User(example.url, "bob").id])
    post_many(example.url, alice)
    bob = new_person("bob", "Everybody")
    centre = bob.open_notifications()
    centre.get_by_role("button", name="Go to the message").first.click()
    expect(bob.page.get_by_role("heading", level=2, name="Mentioned")).to_be_visible()
    expect(bob.messages.get_by_text("hello @bob")).to_be_in_viewport()
    expect(bob.messages.locator(":focus")).to_contain_text("hello @bob")
    expect(centre).to_have_count(0)


def test_a_sender_sees_who_has_read(new_person: NewPerson, example: Server) -> None:
    group(example.url, "Seen")
    alice = new_person("alice", "Seen")
    alice.send("Everybody there?")
    new_person("bob", "Seen").sees("Everybody there?")
    choose(alice, "Everybody there?", "Seen by…")
    dialog = alice.page.get_by_role("dialog", name="Seen by")
    expect(dialog.get_by_role("region", name="Read").get_by_role("listitem")).to_have_text(re.compile("^bob"))
    expect(dialog.get_by_role("region", name="Delivered")).to_contain_text("Nobody")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize(("device", "size"), [("desk", WIDE), ("phone", PHONE)])
def test_all_of_it_has_no_serious_fault_for_assistive_technology(
    new_person: NewPerson, example: Server, colours: str, device: str, size: dict[str, int]
) -> None:
    title = f"Axe {colours} {device}"
    alice = group(example.url, title)
    first = post(alice, "Hello @everyone", mentions=["*"])
    post(alice, "quoting", replyTo=first)
    post(alice, "in a thread", threadId=first)
    gone = post(alice, "gone")
    alice.call("DELETE", f"/api/conversations/{alice.conversation}/messages/{gone}")
    alice.call("PUT", f"/api/conversations/{alice.conversation}/messages/{first}/reactions/%F0%9F%91%8D")
    bob = new_person("bob", title, size=size, colours=colours)
    bob.send("mine @alice `code`")
    expect(bob.messages.locator("code")).to_be_visible()
    menu = menu_of(bob, "mine @alice")
    faults = {"menu": bob.accessibility_faults()}
    menu.get_by_role("menuitem", name="More reactions…").click()
    expect(bob.page.get_by_role("dialog", name="Add a reaction")).to_be_visible()
    faults["picker"] = bob.accessibility_faults()
    bob.page.keyboard.press("Escape")
    choose(bob, "quoting", "Reply")
    bob.send("me too")
    bob.sees("me too")
    choose(bob, "quoting", "Reply")
    bob.field.press_sequentially("@al")
    expect(bob.page.get_by_role("option", name="alice")).to_be_visible()
    faults["mention"] = bob.accessibility_faults()
    bob.field.press("Tab")
    bob.messages.get_by_role("button", name="1 reply").click()
    expect(bob.page.get_by_role("complementary", name="Thread").get_by_text("in a thread")).to_be_visible()
    faults["thread"] = bob.accessibility_faults()
    assert {place: found for place, found in faults.items() if found} == {}
    assert bob.width <= size["width"], "it can be scrolled sideways"
