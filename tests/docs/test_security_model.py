"""The threat model in SECURITY.md: each of its lines is backed by a test that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODEL, _, _ = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("\n## How holes are looked for")
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in MODEL.splitlines()
    if line.startswith("| ") and not line.startswith("| can or cannot")
]


@pytest.mark.parametrize(("claim", "test"), ROWS, ids=[claim for claim, _ in ROWS])
def test_each_claim_has_a_test(claim: str, test: str) -> None:
    named = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", test)
    assert named is not None, f"{claim}: {test} names no test"
    tree = ast.parse((ROOT / named[1]).read_text(encoding="utf-8"))
    assert named[2] in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_there_are_claims() -> None:
    assert len(ROWS) > 30
