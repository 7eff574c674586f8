"""Reactions: what is an emoji, and what clients send; without Flask or sockets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.errors import BadRequest
from flask_realtime.features.reactions import Reaction
from flask_realtime.features.reactions.events import parse_reaction
from flask_realtime.features.reactions.models import MAX_EMOJI_LENGTH
from flask_realtime.features.reactions.single_emoji import VARIATION_SELECTOR, parse_emoji

JOINER = "\u200d"
ENGLAND = "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbeng") + "\U000e007f"
EMOJI = {
    "a face": "😀",
    "a skin tone": "👍🏽",
    "a heart, which is a sign of the text without its selector": "❤️",
    "a family": "👨‍👩‍👧‍👦",
    "a couple of two skin tones": "👩🏾‍🤝‍👨🏼",
    "a profession": "🧑🏿‍🚀",
    "a flag of a region": "🇩🇪",
    "a flag of a part of one": ENGLAND,
    "a flag that is joined": "🏳️‍🌈",
    "a keycap": "1️⃣",
    "the keycap of a sign": "*️⃣",
    "copyright": "©️",
}
NO_EMOJI = {
    "nothing": "",
    "a letter": "a",
    "a digit": "1",
    "a sign": "#",
    "white space": " ",
    "an emoji and a letter": "❤a",
    "a letter and an emoji": "a❤️",
    "an emoji and white space": "❤️ ",
    "two": "😀😀",
    "two that could be joined": "👨👩",
    "two joined ones that are no picture": f"😀{JOINER}🇩🇪",
    "an end that joins nothing": f"😀{JOINER}",
    "a joiner": JOINER,
    "a selector": VARIATION_SELECTOR,
    "a skin tone alone": "🏽",
    "a skin tone on what has none": "❤🏽",
    "hair alone": "🦰",
    "half a flag": "🇩",
    "a flag of no region": "🇽🇽",
    "a flag of no part": "\U0001f3f4\U000e0067\U000e007f",
    "a heart that asks to be text": "❤\ufe0e",
    "a keycap's box alone": "\u20e3",
    "a letter's keycap": "a\u20e3",
    "an accent": "e\u0301",
    "one with an accent": "😀\u0301",
    "half a surrogate": "\ud83d",
    "a name": ":heart:",
}


@pytest.mark.parametrize("text", EMOJI.values(), ids=EMOJI)
def test_an_emoji_is_one_with_its_selectors_and_without(text: str) -> None:
    assert parse_emoji(text) == text
    assert parse_emoji(text.replace(VARIATION_SELECTOR, "")) == text
    assert len(text) <= MAX_EMOJI_LENGTH


@pytest.mark.parametrize("text", NO_EMOJI.values(), ids=NO_EMOJI)
def test_whatever_else_is_none(text: str) -> None:
    assert parse_emoji(text) is None


@given(st.lists(st.sampled_from([*EMOJI.values(), JOINER, VARIATION_SELECTOR, "🏽", "🇩", "1", "a"]), max_size=4).map("".join))
def test_what_is_parsed_is_its_own_form(text: str) -> None:
    emoji = parse_emoji(text)
    assert emoji is None or (parse_emoji(emoji), len(emoji) <= MAX_EMOJI_LENGTH) == (emoji, True)


def payload(**changes: Any) -> dict[str, Any]:
    return {"conversationId": 7, "messageId": "42", "emoji": "❤", **changes}


def test_a_reaction_has_the_qualified_form_of_its_emoji() -> None:
    assert parse_reaction([payload()], None) == Reaction("7", "42", "❤️")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ([], "payload is missing: expected an object with conversationId, messageId and emoji"),
        (["❤"], "payload must be an object with conversationId, messageId and emoji"),
        ([payload(emoji="a")], "emoji must be exactly one emoji"),
        ([payload(emoji=["❤"])], "emoji must be exactly one emoji"),
        ([payload(messageId=None)], "messageId must be a non-empty string"),
        ([payload(conversationId="")], "conversationId must be a non-empty string"),
    ],
)
def test_a_bad_payload_is_refused_with_what_was_expected(args: list[Any], told: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_reaction(args, None)
    assert refused.value.message.startswith(told)


def test_every_missing_field_is_named() -> None:
    with pytest.raises(BadRequest) as refused:
        parse_reaction([{}], None)
    fields = [problem.partition(" ")[0] for problem in refused.value.message.split("; ")]
    assert fields == ["conversationId", "messageId", "emoji"]
