"""The documentation's pages, and the code in them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]

_BLOCK = re.compile(r"^(?P<mark><!-- not run: [^\n]+ -->\n)?```(?P<language>[a-z]+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name: str, language: str) -> list[str]:
    """A page's code blocks in that language, in order, without those that say why they are not run."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = [match for match in _BLOCK.finditer(text) if match["language"] == language]
    return [match["code"] for match in found if match["mark"] is None]


def python(name: str) -> str:
    """All of a page's Python, as a reader has it who copies one block after the other into a file."""
    return "\n".join(blocks(name, "python"))


PAGES_WITH_PYTHON = [name for name in NAMES if blocks(name, "python")]
