"""The README's and the quick start's applications, served as these pages say and used as they say."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.docs.conftest import SECONDS, Serve
from tests.docs.pages import DOCS, ROOT, blocks, python
from tests.e2e.clients import JS_FOLDER, PyClient, Refused, node
from tests.e2e.servers import Server, flask_run, listening_socket, stopped_at_the_end

QUICKSTART = "docs/quickstart.md"


def log_in(url: str, username: str, password: str) -> requests.Response:
    return requests.post(f"{url}/login", json={"username": username, "password": password}, timeout=SECONDS)


class User:
    """Somebody who logs in, connects with the token from the answer, and writes.

    Args:
        url: The server's address.
        name: The user's name.
        messages: The path of the lobby's messages.
    """

    def __init__(self, url: str, name: str, messages: str = "/conversations/lobby/messages") -> None:
        token = log_in(url, name, "demo").json()["accessToken"]
        self._messages = f"{url}{messages}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self.token = token
        self.client = PyClient(url, {"auth": {"token": token}, "transports": ["websocket"]})

    def write(self, content: str) -> Any:
        answer = requests.post(self._messages, json={"content": content}, headers=self._headers, timeout=SECONDS)
        assert answer.status_code == 201
        return answer.json()

    def read(self) -> Any:
        return requests.get(self._messages, headers=self._headers, timeout=SECONDS).json()


def exchange_a_message(alice: User, bob: User) -> None:
    for user in (alice, bob):
        assert user.client.call("join:conversation", "lobby") == {"ok": True}
        assert user.client.call("join:conversation", "elsewhere")["error"]["code"] == "forbidden"
    written = alice.write("hello")
    for user in (alice, bob):
        message = user.client.wait_for("message:new").data
        assert message == {"id": written["id"], "conversationId": "lobby", "senderId": "alice", "content": "hello"}


class Chatting(User):
    """Somebody in the lobby of the README's chat."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(url, name, "/api/conversations/1/messages")
        assert self.client.call("join:conversation", "1") == {"ok": True}


def have_a_chat(alice: Chatting, bob: Chatting) -> None:
    """Let two people chat, with history, receipts, reactions and presence."""
    assert alice.client.call("join:conversation", "2")["error"]["code"] == "forbidden"
    assert alice.client.call("user:get-status", "bob") == {"userId": "bob", "status": "online"}
    written = alice.write("hello")
    assert written["sender"] == {"id": "alice", "username": "alice"}
    for user in (alice, bob):
        assert user.client.wait_for("message:new").data == written
    this = {"conversationId": "1", "messageId": written["id"]}
    assert bob.client.call("messages:read", {"conversationId": "1", "upTo": written["id"]}) == {"ok": True}
    assert alice.client.wait_for("messages:read").data["userId"] == "bob"
    assert bob.client.call("reaction:add", {**this, "emoji": "\U0001f44d"}) == {"ok": True}
    assert alice.client.wait_for("reaction:added").data == {**this, "emoji": "\U0001f44d", "userId": "bob", "count": 1}
    (stored,) = bob.read()["messages"]
    assert (stored["content"], stored["status"], stored["reactions"][0]["userIds"]) == ("hello", "read", ["bob"])


def test_the_readme_s_application_is_a_chat(serve: Serve) -> None:
    url = serve("README.md").url
    assert log_in(url, "alice", "wrong").status_code == 401
    with pytest.raises(Refused):
        PyClient(url, {"auth": {"token": "made up"}, "transports": ["websocket"]})
    alice, bob = Chatting(url, "alice"), Chatting(url, "bob")
    have_a_chat(alice, bob)
    alice.client.release()
    bob.client.release()


def test_the_readme_s_application_has_at_most_forty_lines() -> None:
    assert len(python("README.md").strip().splitlines()) <= 40


def test_the_readme_s_javascript_client_gets_the_message(serve: Serve) -> None:
    page = serve("README.md")
    alice = Chatting(page.url, "alice")
    (code,) = blocks("README.md", "javascript")
    program = f"const accessToken = '{User(page.url, 'bob').token}';\n{code.replace('http://localhost:3000', page.url)}"
    program += "socket.on('message:new', () => socket.close());\n"
    command = [node(), "--input-type=module", "--eval", program]
    with subprocess.Popen(command, cwd=JS_FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        page.wait_for("sorted(realtime.get_online_users('1'))", ["alice", "bob"])
        alice.write("hello")
        printed, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, printed) == (0, "alice hello\n")
    alice.client.release()


def test_the_readme_s_file_is_a_program_that_serves(tmp_path: Path) -> None:
    with listening_socket() as listener:
        port = listener.getsockname()[1]
    code = python("README.md")
    assert code.count("port=3000") == 1
    (tmp_path / "chat.py").write_text(code.replace("port=3000", f"port={port}"), encoding="utf-8")
    server = Server([sys.executable, "chat.py"], {"PYTHONPATH": str(ROOT)}, folder=tmp_path)
    with stopped_at_the_end(server):
        server.url = server.wait_for_line(r"Running on (http://127\.0\.0\.1:\d+)")[1]
        alice, bob = Chatting(server.url, "alice"), Chatting(server.url, "bob")
        have_a_chat(alice, bob)
        alice.client.release()
        bob.client.release()
        assert [line for line in server.lines if "Traceback" in line] == []


@pytest.fixture
def quickstart(tmp_path: Path) -> Iterator[Server]:
    """The quick start's folder, served by the command that the page gives."""
    (page,) = blocks(QUICKSTART, "html")
    (tmp_path / "chat.py").write_text(python(QUICKSTART), encoding="utf-8")
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    with flask_run("chat", {"PYTHONPATH": str(tmp_path)}) as server:
        yield server


def test_the_quick_start_s_application_lets_two_clients_exchange_a_message(quickstart: Server) -> None:
    alice = User(quickstart.url, "alice")
    bob = User(quickstart.url, "bob")
    assert alice.client.wait_for("user:status-changed").data == {"userId": "alice", "status": "online"}
    assert alice.client.wait_for("user:status-changed").data == {"userId": "bob", "status": "online"}
    exchange_a_message(alice, bob)
    assert [message["content"] for message in bob.read()] == ["hello"]
    bob.client.release()
    assert alice.client.wait_for("user:status-changed").data == {"userId": "bob", "status": "offline"}
    alice.client.release()


def test_the_quick_start_s_page_is_served_and_its_script_is_javascript(quickstart: Server) -> None:
    page = requests.get(quickstart.url, timeout=SECONDS).text
    assert page == blocks(QUICKSTART, "html")[0]
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    checked = subprocess.run([node(), "--check", "-"], input=script, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_readme_links_to_files_that_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


@pytest.mark.parametrize(("page", "folder"), [("README.md", "docs/how-to/"), ("docs/index.md", "how-to/")])
def test_each_guide_is_linked_from_both_front_pages(page: str, folder: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    linked = set(re.findall(rf"\({folder}([a-z-]+)\.md", text))
    assert {path.stem for path in (DOCS / "how-to").glob("*.md")} - linked == set()
