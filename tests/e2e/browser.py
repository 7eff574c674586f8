"""A real Chromium, and people who use the example application's page in it."""

from __future__ import annotations

import copy
import functools
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Route, expect, sync_playwright

from tests.e2e.clients import JS_FOLDER, node

START_SECONDS = 60.0
MILLISECONDS = 15_000
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
ColourScheme = Literal["light", "dark"]

# What ends to the right of the window, and cannot be scrolled to there. An ellipsis is no cut.
_CUT_OFF = """() => [...document.querySelectorAll('body *')].filter(element => {
    const {width, right} = element.getBoundingClientRect();
    if (!element.checkVisibility() || width <= 1 || right <= innerWidth + 1) return false;
    for (let around = element; around; around = around.parentElement)
        if (around.tagName === 'PRE' || getComputedStyle(around).textOverflow === 'ellipsis') return false;
    return true;
}).map(element => element.outerHTML.slice(0, 200))"""

# What the browser itself says about requests that fail while a server is away, or refuses a token on purpose.
_ABOUT_THE_NETWORK = ("Failed to load resource", "WebSocket connection to")

expect.set_options(timeout=MILLISECONDS)


@functools.cache
def _axe() -> str:
    return (JS_FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Start the machine's Chromium, or the one from npm where it has none.

    Args:
        arguments: More of its arguments.
    """
    options = _program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options["executable"], args=[*options["args"], *arguments])
        try:
            yield browser
        finally:
            browser.close()


def start_again(browser: Browser, folder: Path) -> BrowserContext:
    """Start one more browser, with a profile in a folder: what it keeps there is there the next time."""
    options = _program()
    return browser.browser_type.launch_persistent_context(
        folder,
        executable_path=options["executable"],
        args=options["args"],
        viewport=WIDE,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )


def _program() -> dict[str, Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    return {"executable": program, "args": ["--no-sandbox"]} if program else _from_npm()


def _from_npm() -> dict[str, Any]:
    command = [node(), str(JS_FOLDER / "chromium.mjs")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=START_SECONDS)
    options: dict[str, Any] = json.loads(done.stdout)
    return options


class Person:
    """Somebody who looks at the page, in a browser profile of their own.

    Args:
        browser: The browser, or the profile.
        url: The server's address.
        size: The window's size.
        colours: What their system prefers.
        has_touch: Whether the window is a phone's, which is touched.
    """

    def __init__(
        self,
        browser: Browser | BrowserContext,
        url: str,
        size: dict[str, int] | None = None,
        colours: ColourScheme = "light",
        *,
        has_touch: bool = False,
    ) -> None:
        # Without motion, what is looked at is there at once and not on its way; axe's script is not the page's own.
        self._context = (
            browser
            if isinstance(browser, BrowserContext)
            else browser.new_context(
                viewport=size or WIDE,  # type: ignore[arg-type]
                color_scheme=colours,
                reduced_motion="reduce",
                bypass_csp=True,
                has_touch=has_touch,
                is_mobile=has_touch,
            )
        )
        self._url = url
        self._loads_elsewhere = False
        self.complaints: list[str] = []
        self.may_lose_the_server = False
        self.page = self._new_page()

    def _new_page(self) -> Page:
        page = self._context.new_page()
        page.set_default_timeout(MILLISECONDS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(self._url)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        is_expected = self.may_lose_the_server and message.text.startswith(_ABOUT_THE_NETWORK)
        if message.type in {"error", "warning"} and not is_expected:
            self.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def another_tab(self) -> Person:
        """Open the page once more, in the same browser profile."""
        other = copy.copy(self)
        other.page = self._new_page()
        return other

    def loads_from(self, url: str) -> None:
        """Load the page's own files from another address, whatever the network does, as if they were kept in the browser."""

        def load(route: Route) -> None:
            try:
                response = route.fetch(url=route.request.url.replace(self._url, url))
            except Error:  # The server there may be killed; the page then has what a browser without a network has.
                route.abort()
            else:
                route.fulfill(response=response)

        self._context.route(re.compile(rf"^{re.escape(self._url)}/($|assets/|icon)"), load)
        self._loads_elsewhere = True

    def set_offline(self, *, is_offline: bool = True) -> None:
        """Tell the browser that it has no network, or that it has one again."""
        self._context.set_offline(is_offline)

    def log_in(self, name: str) -> Person:
        """Log in as one of the demo users, and wait for the connection."""
        self.page.get_by_role("button", name=f"Log in as {name}").click()
        self.is_connected()
        return self

    def is_connected(self) -> None:
        """Wait for the connection."""
        expect(self.page.get_by_role("status", name="Connection")).to_have_text("Connected")

    def open_conversation(self, name: str) -> Person:
        """Open a conversation, and wait until it is shown."""
        self.go_to(name)
        expect(self.messages).to_have_attribute("aria-busy", "false")
        return self

    @property
    def messages(self) -> Locator:
        """The messages of the open conversation."""
        return self.page.get_by_role("log", name="Messages")

    @property
    def field(self) -> Locator:
        """Where messages are written."""
        return self.page.get_by_role("textbox", name="Message")

    def go_to(self, name: str) -> None:
        """Open a conversation whose messages may not be there."""
        self.page.get_by_role("navigation", name="Conversations").get_by_role("link", name=name).click()
        expect(self.page.get_by_role("heading", level=2, name=name)).to_be_visible()

    def send(self, text: str) -> None:
        """Write a message and send it."""
        self.field.fill(text)
        self.page.get_by_role("button", name="Send").click()

    def sees(self, text: str, times: int = 1) -> None:
        """Wait until a message is shown, as often as it should be."""
        expect(self.messages.get_by_text(text, exact=True)).to_have_count(times)

    def sees_in_order(self, *texts: str) -> None:
        """Wait until the messages that begin with "line" are these, in this order."""
        expect(self.messages.get_by_text(re.compile("^line "))).to_have_text(list(texts))

    def sees_as(self, name: str, status: str) -> None:
        """Wait until somebody is listed as online or offline."""
        people = self.page.get_by_role("region", name="People")
        expect(people.get_by_role("listitem").filter(has_text=name)).to_contain_text(status)

    @contextmanager
    def finger_on(self, place: Locator) -> Iterator[None]:
        """Put a finger on something, leave it there, and take it away at the end."""
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        assert box is not None
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        session = self._context.new_cdp_session(self.page)
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
        yield
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        session.detach()

    def toast(self, text: str) -> None:
        """Wait for a toast."""
        expect(self.page.get_by_role("region", name="Toasts")).to_contain_text(text)

    def has_unread_notifications(self, count: int) -> None:
        """Wait until the badge shows a number, 0 for none."""
        name = f"Notifications, {count} unread" if count else "Notifications"
        expect(self.page.get_by_role("banner").get_by_role("button", name=name, exact=True)).to_be_visible()

    def open_notifications(self) -> Locator:
        """Open the notification centre."""
        self.page.get_by_role("banner").get_by_role("button", name="Notifications").click()
        return self.page.get_by_role("dialog", name="Notifications")

    def open_settings(self) -> Locator:
        """Open the settings."""
        self.page.get_by_role("button", name="Account of").click()
        self.page.get_by_role("menuitem", name="Settings").click()
        dialog = self.page.get_by_role("dialog", name="Settings")
        expect(dialog).to_be_visible()
        return dialog

    @property
    def width(self) -> int:
        """How wide the page is, with what can be scrolled to."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth")
        return width

    @property
    def height(self) -> int:
        """How high the page is, with what can be scrolled to."""
        height: int = self.page.evaluate("document.documentElement.scrollHeight")
        return height

    @property
    def cut_off(self) -> list[str]:
        """What does not fit the window's width."""
        found: list[str] = self.page.evaluate(_CUT_OFF)
        return found

    @property
    def access_token(self) -> str:
        """The access token that the page uses now."""
        token: str = self.page.evaluate("JSON.parse(sessionStorage.getItem('flask_realtime.session')).accessToken")
        return token

    def accessibility_faults(self) -> list[str]:
        """What axe finds wrong with the page as it is now."""
        self.page.evaluate(_axe())
        found = self.page.evaluate(
            "async () => (await axe.run()).violations.map(({id, impact, nodes}) => `${impact} ${id} ${nodes[0].html}`)"
        )
        return [str(fault) for fault in found]

    def leave(self) -> None:
        """Close the browser profile, if it is still open."""
        if self._loads_elsewhere:  # What is being loaded would fail otherwise, in whatever test runs then.
            self._context.unroute_all(behavior="wait")
            self._loads_elsewhere = False
        self._context.close()


NewPerson = Callable[..., Person]
