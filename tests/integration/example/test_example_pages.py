"""The page as the example serves it: what a browser may keep, and what it may do with it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.example_support import Answer, Example, new_example, sqlite_url

PAGE = """<html><meta property="csp-nonce" nonce="CSP_NONCE">
<script type="module" src="/assets/index-1a2b.js" nonce="CSP_NONCE"></script></html>"""
SCRIPT = "console.log('hello')"


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    """An example with a folder of its own, so that it does not matter whether the page is built."""
    with new_example(sqlite_url(tmp_path), tmp_path) as example:
        example.app.root_path = str(tmp_path / "app")
        yield example


@pytest.fixture
def built(example: Example) -> Example:
    folder = Path(example.app.root_path) / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    (folder / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
    (folder / "assets" / "index-1a2b.js").write_text(SCRIPT, encoding="utf-8")
    return example


def fetch(example: Example, path: str) -> Answer:
    """Return what a browser gets, and close the file that it comes from."""
    with example.app.test_client().get(path) as response:
        return Answer(response.status_code, response.headers, response.get_data(as_text=True))


def test_page_is_asked_for_each_time(built: Example) -> None:
    answer = fetch(built, "/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "/assets/index-1a2b.js" in answer.text


def test_parts_of_the_page_are_kept_for_ever(built: Example) -> None:
    answer = fetch(built, "/assets/index-1a2b.js")
    assert (answer.status_code, answer.text) == (200, SCRIPT)
    assert answer.headers["Content-Type"].startswith("text/javascript")
    kept = {part.strip() for part in answer.headers["Cache-Control"].split(",")}
    assert kept == {"public", "max-age=31536000", "immutable"}


def test_icon(built: Example) -> None:
    answer = fetch(built, "/icon.svg")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("image/svg+xml")


def test_page_runs_its_own_scripts_only(built: Example) -> None:
    policy = fetch(built, "/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_each_answer_has_a_nonce_of_its_own(built: Example) -> None:
    nonces = set()
    for _ in range(2):
        answer = fetch(built, "/")
        (nonce,) = re.findall(r"'nonce-([\w-]{22})'", answer.headers["Content-Security-Policy"])
        assert answer.text.count(f'nonce="{nonce}"') == 2
        nonces.add(nonce)
    assert len(nonces) == 2


def test_page_and_its_parts_are_taken_for_what_they_are(built: Example) -> None:
    for path in ("/", "/assets/index-1a2b.js", "/icon.svg"):
        assert fetch(built, path).headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/assets/missing.js", "/assets/../index.html", "/assets/%2e%2e/index.html", "/static/index.html"])
def test_nothing_else_is_served(built: Example, path: str) -> None:
    answer = fetch(built, path)
    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"


def test_page_that_is_not_built_says_how_to_build_it(example: Example) -> None:
    answer = fetch(example, "/")
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "make run" in answer.text
    assert "npm run build" in answer.text
    assert fetch(example, "/icon.svg").status_code == 404
    assert fetch(example, "/healthz").status_code == 200
