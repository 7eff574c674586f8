"""The example application's page in a real Chromium: what people see."""

from __future__ import annotations

import gzip
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.browser import PHONE, WIDE, NewPerson, Person
from tests.e2e.example import User, environment
from tests.e2e.servers import ROOT, Server, gunicorn, listening_socket, poll, python_module, stopped_at_the_end

ASSETS = ROOT / "example_app" / "static" / "assets"
IMAGES = os.environ.get("SCREENSHOTS")
MAX_SCRIPT_BYTES = 180_000
MAX_ELEMENTS = 1_500
SMALL_PHONE = {"width": 360, "height": 640}
SECONDS = 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's database is."""
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def example(folder: Path) -> Iterator[Server]:
    with python_module("example_app", environment(folder), ready="/healthz") as server:
        yield server


def conversation(url: str, title: str) -> User:
    """Make a conversation of alice and bob; returns alice, with its id as `conversation`."""
    alice, bob = User(url, "alice"), User(url, "bob")
    alice.conversation = alice.call("POST", "/api/conversations", {"title": title, "participantIds": [bob.id]})["id"]
    return alice


FILL = """
INSERT INTO realtime_message (conversation_id, sender_id, content, seq, created_at)
WITH RECURSIVE numbers (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM numbers WHERE seq < :count)
SELECT
    :conversation, :sender, 'line ' || seq || substr(:more, 1, seq * 37 % 400), seq, datetime('now', '-1 hour', seq || ' seconds')
FROM numbers
"""


def fill(folder: Path, sender: User, count: int, unread: int = 0) -> None:
    """Insert messages "line 1" and so on, of different lengths, straight into the database.

    Args:
        folder: Where the database is.
        sender: Who has written them, with their conversation.
        count: How many.
        unread: How many of the last ones nobody has read.
    """
    values = {
        "conversation": sender.conversation,
        "sender": sender.id,
        "count": count,
        "read": count - unread,
        "more": " and more" * 50,
    }
    address = environment(folder)["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(address)) as database, database:
        database.execute(FILL, values)
        database.execute("UPDATE realtime_conversation SET last_seq = :count WHERE id = :conversation", values)
        cursors = "UPDATE realtime_participant SET read_seq = :read, delivered_seq = :read WHERE conversation_id = :conversation"
        database.execute(cursors, values)


def post(user: User, text: str) -> None:
    user.call("POST", f"/api/conversations/{user.conversation}/messages", {"content": text})


def test_two_people_chat(new_person: NewPerson, example: Server) -> None:
    conversation(example.url, "Lunch")
    alice, bob = (new_person(name, "Lunch") for name in ("alice", "bob"))
    bob.field.press_sequentially("Piz")
    expect(alice.page.get_by_role("status", name="Typing")).to_contain_text("bob")
    bob.field.press_sequentially("za?")
    bob.field.press("Enter")
    alice.sees("Pizza?")
    expect(alice.page.get_by_role("status", name="Typing")).to_have_text("")
    expect(bob.messages.get_by_role("img", name="Read")).to_have_count(1)
    alice.send("Soup.")
    bob.sees("Soup.")
    alice.page.get_by_role("button", name="Actions for message: Soup.").click()
    alice.page.get_by_role("menuitem", name="Delete").click()
    alice.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for person in (alice, bob):
        person.sees("Soup.", times=0)
        person.sees("Pizza?")


def test_what_people_write_is_formatted_and_none_of_it_is_html(new_person: NewPerson, example: Server) -> None:
    conversation(example.url, "Marks")
    alice, bob = (new_person(name, "Marks") for name in ("alice", "bob"))
    bob.send("**Look**: <b>here</b> https://example.org/?a=b\n\n```\nx < y\n```")
    for person in (alice, bob):
        expect(person.messages.locator("strong")).to_have_text("Look")
        expect(person.messages.locator("pre")).to_have_text("x < y")
        expect(person.messages.locator("b")).to_have_count(0)
        expect(person.messages.get_by_text("<b>here</b>")).to_be_visible()
        link = person.messages.get_by_role("link", name="https://example.org/?a=b")
        assert [link.get_attribute(name) for name in ("href", "target", "rel")] == [
            "https://example.org/?a=b",
            "_blank",
            "noopener noreferrer",
        ]


def test_what_is_too_long_is_told_and_kept_until_it_fits(new_person: NewPerson, example: Server) -> None:
    conversation(example.url, "Essay")
    bob = new_person("bob", "Essay")
    bob.field.fill("x" * 4_003)
    bob.field.press("Enter")
    expect(bob.field).to_have_accessible_description("Too long to send: 3 characters over 4,000")
    expect(bob.page.get_by_role("button", name="Send")).to_have_accessible_description(re.compile("Too long to send"))
    assert bob.accessibility_faults() == []
    for _ in range(3):
        bob.field.press("Backspace")
    bob.field.press("Enter")
    bob.sees("x" * 4_000)
    bob.field.press_sequentially("one")
    bob.field.press("Shift+Enter")
    bob.field.press_sequentially("two")
    bob.field.press("Enter")
    expect(bob.messages.get_by_text("one\ntwo")).to_be_visible()


def test_a_message_is_shown_as_sent_then_as_delivered_then_as_read(new_person: NewPerson, example: Server) -> None:
    conversation(example.url, "Ticks")
    alice = new_person("alice", "Ticks")
    alice.send("Are you there?")
    expect(alice.messages.get_by_role("img", name="Sent")).to_have_count(1)
    bob = new_person("bob")
    expect(bob.page.get_by_role("link", name="Ticks 1 unread")).to_be_visible()
    alice.send("Hello?")
    expect(alice.messages.get_by_role("img", name="Delivered")).to_have_count(2)
    bob.open_conversation("Ticks")
    expect(alice.messages.get_by_role("img", name="Read")).to_have_count(2)


def test_people_come_and_go(new_person: NewPerson) -> None:
    alice = new_person("alice")
    carol = new_person("carol")
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
    phone, desk = new_person("bob", size=PHONE), new_person("bob")
    for text in ("one", "two"):
        post(alice, text)
    for device in (phone, desk):
        expect(device.page.get_by_role("link", name="Unread 2 unread")).to_be_visible()
    phone.open_conversation("Unread")
    expect(desk.page.get_by_role("link", name="Unread", exact=True)).to_be_visible()


def test_notifications_orders_and_announcements_reach_all_devices(new_person: NewPerson, example: Server) -> None:
    phone, desk = new_person("bob", size=PHONE), new_person("bob")
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


@pytest.mark.parametrize("size", [WIDE, SMALL_PHONE], ids=["desk", "phone"])
def test_toasts_cover_neither_headers_nor_the_composer(new_person: NewPerson, example: Server, size: dict[str, int]) -> None:
    title = f"Covered at {size['width']}"
    alice = conversation(example.url, title)
    bob = new_person("bob", size=size).open_conversation(title)
    bob.field.fill("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl")
    for number in range(3):
        alice.call("POST", "/api/announcements", {"message": f"News {number} " * 40})
    toasts = bob.page.get_by_role("region", name="Toasts")
    expect(toasts.get_by_role("button")).to_have_count(3)
    box = toasts.bounding_box()
    others = [bob.page.get_by_role("banner").first, bob.page.locator("section > header"), bob.field]
    for other in (one.bounding_box() for one in others):
        assert box
        assert other
        assert box["y"] >= other["y"] + other["height"] or box["y"] + box["height"] <= other["y"]


def test_the_chosen_theme_holds_whatever_the_system_s_is_and_is_kept(new_person: NewPerson) -> None:
    bob = new_person("bob")
    assert lightness(bob) > 0.8
    settings = bob.open_settings()
    settings.get_by_role("radio", name="dark").check()
    assert lightness(bob) < 0.2
    assert bob.accessibility_faults() == []
    settings.get_by_role("radio", name="compact").check()
    settings.get_by_label("Name of this device").fill("Desk")
    settings.get_by_role("button", name="Close").click()
    expect(bob.page.get_by_role("button", name="Account of bob")).to_be_focused()
    bob.page.reload()
    bob.is_connected()
    assert lightness(bob) < 0.2
    settings = bob.open_settings()
    expect(settings.get_by_role("radio", name="compact")).to_be_checked()
    expect(settings.get_by_label("Name of this device")).to_have_value("Desk")
    settings.get_by_role("radio", name="system").check()
    assert lightness(bob) > 0.8


def lightness(person: Person) -> float:
    """How light the page's background is, from 0 to 1."""
    colour = person.page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / (3 * 255)


def test_somebody_signs_up_and_chats(new_person: NewPerson) -> None:
    dora, other = new_person(), new_person()
    for person in (dora, other):
        person.may_lose_the_server = True  # A refusal is in the browser's log of the network too.
        person.page.get_by_role("button", name="Create an account").click()
        expect(person.page.get_by_label("Password")).to_have_accessible_description(re.compile("At least 8 characters"))
        person.page.get_by_label("Username").fill("dora")
        person.page.get_by_label("Password").fill("correct horse")
        person.page.get_by_role("button", name="Create account").click()
        if person is dora:
            person.is_connected()
    expect(other.page.get_by_role("alert")).to_have_text("The username is taken")
    expect(dora.page.get_by_role("button", name="Account of dora")).to_be_visible()


def test_an_administrator_tells_everybody_something(new_person: NewPerson) -> None:
    bob = new_person("bob")
    expect(bob.page.get_by_role("button", name="Administration")).to_have_count(0)
    alice = new_person("alice")
    alice.page.get_by_role("button", name="Administration").click()
    form = alice.page.get_by_role("form", name="Announcement")
    form.get_by_label("Announcement text").fill("The bar is open")
    form.get_by_role("button", name="Announce").click()
    expect(form.get_by_role("status")).to_have_text("Sent.")
    bob.toast("The bar is open")


def test_a_new_conversation_appears_for_all_who_take_part(new_person: NewPerson) -> None:
    alice, carol = new_person("alice"), new_person("carol")
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
    person = new_person("carol")
    listed = person.page.get_by_role("navigation", name="Conversations").get_by_role("link")
    expect(listed).to_have_count(50)
    person.page.get_by_role("button", name="Show more conversations").click()
    expect(listed.filter(has_text="Everybody")).to_have_count(1)
    person.page.goto(f"{example.url}/#/conversations/1")
    person.page.reload()
    expect(person.page.get_by_role("heading", level=2, name="Everybody")).to_be_visible()


def test_the_conversation_in_which_somebody_wrote_last_is_the_first_with_what_was_written(
    new_person: NewPerson, example: Server
) -> None:
    older = conversation(example.url, "Older")
    conversation(example.url, "Newer")
    bob = new_person("bob")
    first = bob.page.get_by_role("navigation", name="Conversations").get_by_role("listitem").first
    expect(first).to_contain_text("Newer")
    post(older, "Good news")
    expect(first).to_contain_text("Older")
    expect(first).to_contain_text("Good news")
    expect(first.get_by_role("link")).to_have_accessible_description("Good news")
    bob.open_conversation("Newer").send("Oh")
    expect(first).to_contain_text("You: Oh")
    messages = f"/api/conversations/{older.conversation}/messages"
    last = older.call("POST", messages, {"content": "Bat news"})["id"]
    expect(first).to_contain_text("Bat news")
    older.call("PATCH", f"{messages}/{last}", {"content": "Bad news"})
    expect(first).to_contain_text("Bad news")
    older.call("DELETE", f"{messages}/{last}")
    expect(first).to_contain_text("Message deleted")
    expect(first).to_contain_text("Older")


def test_a_message_with_marks_is_listed_as_it_is_read(new_person: NewPerson, example: Server) -> None:
    alice = conversation(example.url, "Marks in a line")
    blocks = ("*Look*: **this** `a*b`, ~~not~~ https://example.org/?a=b", "- one\n- \\*two\\*", "> **quoted**", "```\nx < *y*\n```")
    post(alice, "\n\n".join(blocks))
    bob = new_person("bob")
    line = "Look: this a*b, not https://example.org/?a=b one *two* quoted x < *y*"
    item = bob.page.get_by_role("navigation", name="Conversations").get_by_role("listitem").filter(has_text="Marks in a line")
    expect(item).to_contain_text(line)
    expect(item.get_by_role("link")).to_have_accessible_description(line)
    post(alice, "2 * 3 * 4 <b>_ab_c_</b>")
    expect(item).to_contain_text("2 * 3 * 4 <b>ab_c</b>")


def test_a_link_to_a_conversation_of_others_leads_back_to_one_s_own(new_person: NewPerson, example: Server) -> None:
    alice = User(example.url, "alice")
    secret = alice.call("POST", "/api/conversations", {"title": "Of nobody else", "participantIds": [alice.id]})["id"]
    person = new_person("bob")
    person.page.goto(f"{example.url}/#/conversations/{secret}")
    expect(person.page.get_by_text("Conversation not found.")).to_be_visible()
    person.page.get_by_role("button", name="Show all conversations").click()
    expect(person.page.get_by_text("Choose a conversation.")).to_be_visible()


def test_too_many_attempts_to_log_in_are_told_with_the_wait(new_person: NewPerson, tmp_path: Path) -> None:
    with python_module("example_app", environment(tmp_path), ready="/healthz") as server:
        person = new_person(url=server.url)
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


# The message at a line near the top of the list, and where a message is: its place among the rows, and its height on the screen.
TOP_MESSAGE = """log => {
    const line = log.getBoundingClientRect().top + 100;
    const [text] = [...log.querySelectorAll('[data-row]')].filter(row => {
        const {top, bottom} = row.getBoundingClientRect();
        return top <= line && bottom > line;
    }).flatMap(row => [...row.querySelectorAll('p')].map(p => p.textContent).filter(text => text.startsWith('line')));
    return text;
}"""
# Where a message is once frames agree for a while: a row has a height that is not its own until it was measured.
PLACE = """async ([log, text, after]) => {
    const texts = row => [...row.querySelectorAll('p')].map(p => p.textContent);
    const find = () => {
        const row = [...log.querySelectorAll('[data-row]')].find(row => texts(row).includes(text));
        const place = row && Number(row.dataset.row);
        return place > after && {place, bottom: row.getBoundingClientRect().bottom};
    };
    for (let last, agreeing = 0; ;) {
        const now = find();
        agreeing = now && last && now.place === last.place && now.bottom === last.bottom ? agreeing + 1 : 0;
        if (agreeing === 5) return now;
        last = now;
        await new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    }
}"""


def test_of_thousands_of_messages_few_are_in_the_document_and_nothing_jumps(
    new_person: NewPerson, example: Server, folder: Path
) -> None:
    alice = conversation(example.url, "Long")
    fill(folder, alice, count=2_050)
    bob = new_person("bob", "Long")
    expect(bob.messages.get_by_text("line 2050")).to_be_in_viewport()
    log = bob.messages.element_handle()
    requests: list[Route] = []
    bob.page.route(re.compile(r"/messages\?before="), lambda route: requests.append(route))  # noqa: PLW0108
    sizes = []
    for _ in range(20):
        log.evaluate("log => log.scrollTo(0, log.clientHeight)")
        text = bob.page.wait_for_function(TOP_MESSAGE, arg=log).json_value()
        before = bob.page.evaluate(PLACE, [log, text, 0])
        while not requests:
            bob.page.evaluate("0")  # Has the browser's events handled, the request among them.
        requests.pop().continue_()
        after = bob.page.evaluate(PLACE, [log, text, before["place"]])
        assert after["place"] == before["place"] + 100
        assert after["bottom"] == pytest.approx(before["bottom"], abs=2)
        sizes.append(log.evaluate("log => log.querySelectorAll('*').length"))
    log.evaluate("log => log.scrollTo(0, 0)")
    expect(bob.messages.get_by_text("The beginning of the conversation")).to_be_in_viewport()
    expect(bob.messages.get_by_text("line 1 and", exact=False).first).to_be_in_viewport()
    assert max(sizes) < MAX_ELEMENTS
    bob.messages.press("End")
    expect(bob.messages.get_by_text("line 2050")).to_be_in_viewport()


def test_a_conversation_opens_at_the_first_unread_message_and_tells_how_many_are_below(
    new_person: NewPerson, example: Server, folder: Path
) -> None:
    alice = conversation(example.url, "Catching up")
    fill(folder, alice, count=300, unread=170)
    bob = new_person("bob", "Catching up")
    expect(bob.messages.get_by_role("heading", name="New", exact=True)).to_be_in_viewport()
    expect(bob.messages.get_by_text("line 131")).to_be_in_viewport()
    latest = bob.page.get_by_role("button", name="jump to latest")
    expect(latest).to_have_text(re.compile(r"^16\d new"))
    count = int(latest.inner_text().split()[0])
    post(alice, "the very last")
    expect(latest).to_have_text(f"{count + 1} new, jump to latest")
    expect(bob.messages.get_by_text("line 131")).to_be_in_viewport()
    assert bob.accessibility_faults() == []
    latest.click()
    expect(bob.messages.get_by_text("the very last")).to_be_in_viewport()
    expect(latest).to_have_count(0)
    expect(bob.messages.get_by_role("heading", name="New", exact=True)).to_have_count(0)  # Still there, further up.
    bob.messages.press("Home")
    expect(bob.page.get_by_role("button", name="Jump to latest", exact=True)).to_be_visible()
    bob.page.reload()
    expect(bob.messages.get_by_text("the very last")).to_be_in_viewport()


def test_of_a_conversation_that_nobody_has_read_only_what_is_in_view_is_read(
    new_person: NewPerson, example: Server, folder: Path
) -> None:
    alice = conversation(example.url, "All new")
    fill(folder, alice, count=40, unread=40)
    desk, phone = new_person("bob"), new_person("bob", "All new", size=PHONE)
    expect(phone.messages.get_by_text("line 1 and")).to_be_in_viewport()
    expect(desk.page.get_by_role("link", name=re.compile(r"^All new 3\d unread$"))).to_be_visible()
    phone.messages.press("End")
    expect(desk.page.get_by_role("link", name="All new", exact=True)).to_be_visible()


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
        people = [new_person(name, "Restart", url=first.url) for name in ("alice", "bob")]
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
        bob = new_person("bob", "Tokens", url=server.url)
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
    expect(bob.page.get_by_role("link", name="Keys")).to_be_visible()
    reach(bob, "Keys")
    keyboard.press("Enter")
    expect(bob.field).to_be_focused()
    keyboard.type("typed")
    keyboard.press("Enter")
    bob.sees("typed")
    reach(bob, "Actions for message: typed", backwards=True)
    keyboard.press("Enter")
    expect(bob.page.get_by_role("menuitemcheckbox", name="React with 👍")).to_be_focused()
    keyboard.press("End")
    expect(bob.page.get_by_role("menuitem", name="Delete")).to_be_focused()
    keyboard.press("Enter")
    expect(bob.page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Enter")
    bob.sees("typed", times=0)


def reach(person: Person, name: str, *, backwards: bool = False) -> None:
    """Press Tab until something of that name has the focus."""
    for _ in range(200):  # Other tests' conversations are in the list, too.
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
    bob.page.get_by_role("button", name="Create an account").click()
    faults["sign-up"] = bob.accessibility_faults()
    bob.page.get_by_role("button", name="Back to log-in").click()
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
    bob.page.keyboard.press("Escape")
    bob.open_settings()
    faults["settings"] = bob.accessibility_faults()
    assert {place: found for place, found in faults.items() if found} == {}
    assert bob.width <= size["width"], "it can be scrolled sideways"


def test_on_a_small_phone_list_and_conversation_are_two_screens_and_nothing_is_wider(
    new_person: NewPerson, example: Server
) -> None:
    alice = conversation(example.url, "A conversation with a title that is longer than any phone is wide")
    post(alice, "https://example.org/" + "long" * 100 + "\n```\n" + "code " * 100 + "\n```\n" + "unbroken" * 50)
    bob = new_person(size=SMALL_PHONE)
    widths = {"log-in": bob.width}
    bob.page.get_by_role("button", name="Create an account").click()
    widths["sign-up"] = bob.width
    bob.page.get_by_role("button", name="Back to log-in").click()
    bob.log_in("bob")
    listed = bob.page.get_by_role("navigation", name="Conversations")
    expect(listed).to_be_visible()
    widths["list"] = bob.width
    bob.open_conversation("A conversation with a title")
    expect(listed).to_be_hidden()
    expect(bob.messages.locator("pre")).to_be_visible()
    widths["conversation"] = bob.width
    widths["messages"] = bob.messages.evaluate("log => log.scrollWidth")
    bob.open_settings()
    widths["settings"] = bob.width
    bob.page.keyboard.press("Escape")
    bob.page.get_by_role("button", name="Back to conversations").click()
    expect(listed).to_be_visible()
    expect(bob.messages).to_be_hidden()
    assert {place: width for place, width in widths.items() if width > SMALL_PHONE["width"]} == {}


@pytest.mark.parametrize(("device", "size", "colours"), [("desk", WIDE, "light"), ("phone", PHONE, "dark")])
def test_a_lively_conversation_fits_the_window(
    new_person: NewPerson, tmp_path: Path, device: str, size: dict[str, int], colours: str
) -> None:
    with python_module("example_app", environment(tmp_path), ready="/healthz") as server:
        conversation(server.url, "Friday lunch")
        alice = new_person("alice", "Friday lunch", url=server.url)
        bob = new_person("bob", "Friday lunch", url=server.url, size=size, colours=colours)
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
        assert bob.width <= size["width"]
        for person in (alice, bob):
            person.may_lose_the_server = True


def keep_picture(person: Person, name: str) -> None:
    """Keep a picture for the documentation, where one is wanted."""
    if IMAGES:
        person.page.screenshot(path=Path(IMAGES) / f"{name}.png", animations="disabled")


def test_the_first_load_is_small() -> None:
    page = (ASSETS.parent / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r'(?:src|href)="/assets/([^"]+\.js)"', page)
    assert scripts
    assert sum(len(gzip.compress((ASSETS / script).read_bytes())) for script in scripts) < MAX_SCRIPT_BYTES
