"""Snippets beside what browsers take for one character."""

import json
import random
import subprocess
import unicodedata

from flask_realtime.features.search.graphemes import is_boundary
from tests.e2e.clients import node

TEXTS, LENGTH = 5_000, 30
SPECIAL = (
    "\u0301\u200d\ufe0f\U0001f3fd👩👧❤🇩🇪\u0915\u094d\u0937\u093f한\u1112\u1161\u11ab\r\n a1\u0e33ก\u0600"
    "\U000e0067🏴\u20e3#\u0d4e\u0bcd\u0b95\u200c\u034f"
)
SEGMENT = """
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const segmenter = new Intl.Segmenter('en');
const starts = (text) => [...segmenter.segment(text)].map(({ index }) => [...text.slice(0, index)].length);
console.log(JSON.stringify(texts.map(starts)));
"""


def test_a_text_is_cut_only_where_browsers_see_another_character_begin() -> None:
    chance = random.Random(5)
    assigned = [character for character in map(chr, range(0x110000)) if unicodedata.category(character) not in {"Cn", "Cs", "Co"}]
    texts = ["".join(chance.choice(SPECIAL if chance.random() < 0.7 else assigned) for _ in range(LENGTH)) for _ in range(TEXTS)]
    done = subprocess.run([node(), "-e", SEGMENT], input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=60)
    boundaries = 0
    for text, starts in zip(texts, json.loads(done.stdout), strict=True):
        found = {place for place in range(len(text)) if is_boundary(text, place)}
        assert found <= set(starts), ascii(text)
        boundaries += len(found)
    assert boundaries > TEXTS * LENGTH / 3, "most places are boundaries, and found to be"
