"""The document's own React example, as it stands there, in a real Chromium and against the example application."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import chromium
from tests.e2e.clients import JS_FOLDER, JSClient, JSDriver, node
from tests.e2e.example import User, environment
from tests.e2e.servers import ROOT, Server, python_module

FRONTEND = ROOT / "example_app" / "frontend"
DOCUMENT = (JS_FOLDER / "document" / "front-end.md").read_text(encoding="utf-8")
ADDRESS = "localhost:3000"
"""Where the document's example finds its server."""

SECONDS = 60.0

# What the example lacks: the type of its properties, and somebody who shows its components.
AROUND = """
import { createRoot } from 'react-dom/client';

interface Props {
  conversationId?: string;
  token: string;
}

const props: Props = JSON.parse(decodeURIComponent(location.hash.slice(1)));
createRoot(document.body).render(
  <>
    <MessageScreen {...props} />
    <NotificationCenter {...props} />
  </>,
);
"""
CONFIG = """
export default { build: { outDir: 'built', rollupOptions: { input: 'screen.tsx', output: { entryFileNames: 'screen.js' } } } };
"""


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with python_module("example_app", environment(tmp_path_factory.mktemp("document")), ready="/healthz") as server:
        yield server


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The example as a script for browsers."""
    folder = tmp_path_factory.mktemp("screen")
    (block,) = re.findall(r"^```typescript\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    (folder / "node_modules").symlink_to(FRONTEND / "node_modules")
    (folder / "screen.tsx").write_text(block + AROUND, encoding="utf-8")
    (folder / "vite.config.mjs").write_text(CONFIG, encoding="utf-8")
    command = [node(), str(FRONTEND / "node_modules" / "vite" / "bin" / "vite.js"), "build"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "built" / "screen.js").read_text(encoding="utf-8")


@pytest.fixture
def page(example: Server) -> Iterator[Page]:
    """A page of the origin that the document names, which leads to the server of the test."""
    server = example.url.removeprefix("http://")
    with chromium(f"--host-resolver-rules=MAP {ADDRESS} {server}") as browser:
        page = browser.new_page()
        page.route("**/screen", lambda route: route.fulfill(body="<!doctype html><body></body>", content_type="text/html"))
        yield page


def test_it_works_as_it_stands_in_the_document(page: Page, example: Server, script: str, driver: JSDriver) -> None:
    alice, bob = User(example.url, "alice"), User(example.url, "bob")
    created = alice.call("POST", "/api/conversations", {"title": "Document", "participantIds": [bob.id]})
    page.goto(f"http://{ADDRESS}/screen#{json.dumps({'conversationId': created['id'], 'token': bob.token})}")
    page.add_script_tag(content=script, type="module")
    expect(page.get_by_text("Status: Connected")).to_be_visible()
    expect(page.get_by_text("Online: 1 users")).to_be_visible()
    client = JSClient(driver, example.url, {"auth": {"token": alice.token}, "transports": ["websocket"]})
    try:
        assert client.call("join:conversation", created["id"]) == {"ok": True}
        client.emit("typing:start", {"conversationId": created["id"]})
        expect(page.get_by_text("Someone is typing...")).to_be_visible()
        client.emit("typing:stop", {"conversationId": created["id"]})
        expect(page.get_by_text("Someone is typing...")).to_have_count(0)
    finally:
        client.release()
    note = {"userId": bob.id, "type": "note", "title": "Look", "message": "Here"}
    stored = alice.call("POST", "/api/notifications", note)
    expect(page.get_by_text("Unread: 1")).to_be_visible()
    phone = JSClient(driver, example.url, {"auth": {"token": bob.token}, "transports": ["websocket"]})
    try:
        assert phone.call("notification:read", stored["id"]) == {"ok": True}
        expect(page.get_by_text("Unread: 0")).to_be_visible()
    finally:
        phone.release()
