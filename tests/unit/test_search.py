"""Queries as people type them, and what is shown of messages that were found."""

import re
import unicodedata
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.errors import BadRequest
from flask_realtime.features.search.graphemes import is_boundary
from flask_realtime.features.search.query import MAX_QUERY_LENGTH, SearchQuery, parse_query
from flask_realtime.features.search.snippets import SNIPPET_LENGTH, make_snippet
from flask_realtime.features.search.views import SearchRequest, parse_search
from flask_realtime.features.search.words import find_words, fold, is_separator

TAGS = re.compile("</?mark>")
PIECES = [
    "<mark>",
    "</mark>",
    "&lt;",
    "&",
    "<",
    '"',
    "'",
    "…",
    "hello",
    "HÉLLO",
    "world",
    " ",
    "\n",
    "e\u0301",
    "👩‍👩‍👧",
    "🇩🇪",
    "हिन्दी",
    "你好",
    "x" * 50,
]

contents = st.lists(st.sampled_from(PIECES) | st.text(max_size=5)).map("".join)
queries = (
    st.lists(st.sampled_from([*PIECES, '"hello world"', "wor", "hel", "-"])).map(" ".join).map(lambda text: text[:MAX_QUERY_LENGTH])
)


@pytest.mark.parametrize(
    ("text", "phrases", "is_prefix"),
    [
        ("hello", [["hello"]], True),
        ("hello world", [["hello"], ["world"]], True),
        ('"hello world"', [["hello", "world"]], False),
        ('"hello wor', [["hello", "wor"]], True),
        ('say "hello"', [["say"], ["hello"]], False),
        ('"hello" wor', [["hello"], ["wor"]], True),
        ("e-mail", [["e", "mail"]], True),
        ("don't", [["don", "t"]], False),
        ("hello AND NOT (wo:rld*)", [["hello"], ["AND"], ["NOT"], ["wo", "rld"]], True),
        ("a", [["a"]], False),
        ("ab", [["ab"]], True),
        ("你", [["你"]], True),
        ("x" * 31, [["x" * 31]], True),
        ("x" * 32, [["x" * 32]], False),
        ("cafe\u0301", [["café"]], True),
        ("हिन्दी", [["हिन्दी"]], True),
        ("snake_case", [["snake", "case"]], True),
        ("hello\0world", [["hello", "world"]], True),
        ("hello ❤️", [["hello"]], True),
        ("hello🤗world 1️⃣", [["hello", "world"], ["1"]], False),
    ],
)
def test_a_query_is_words_and_phrases(text: str, phrases: list[list[str]], *, is_prefix: bool) -> None:
    assert parse_query(text) == SearchQuery(tuple(map(tuple, phrases)), is_prefix)


@pytest.mark.parametrize("text", ["", " ", '"', '""', '" "', "!?*():^~-", "❤️", "👩‍👩‍👧", "\0", "\u0301", "\ud800"])
def test_what_has_no_word_has_no_phrase(text: str) -> None:
    assert parse_query(text) == SearchQuery((), is_prefix=False)


def test_a_query_is_bounded() -> None:
    assert parse_query("a" * MAX_QUERY_LENGTH).phrases
    with pytest.raises(BadRequest, match="at most 200 characters"):
        parse_query("a" * (MAX_QUERY_LENGTH + 1))


@given(st.text(max_size=MAX_QUERY_LENGTH))
def test_words_hold_nothing_that_a_database_could_take_for_an_operator(text: str) -> None:
    for word in (word for phrase in parse_query(text).phrases for word in phrase):
        assert {unicodedata.category(character)[0] for character in word} <= {"L", "N", "M"}


@pytest.mark.parametrize(
    ("one", "other"), [("Straße", "STRAßE"), ("crème", "CREME"), ("ΟΔΟΣ", "οδος"), ("Ж", "ж"), ("İstanbul", "istanbul"), ("ǆ", "ǅ")]
)
def test_case_and_accents_make_no_difference(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_a_snippet_marks_each_word_that_was_searched_for() -> None:
    content = "Hello <b>wörld</b> & hello worldwide"
    expected = "<mark>Hello</mark> &lt;b&gt;<mark>wörld</mark>&lt;/b&gt; &amp; <mark>hello</mark> <mark>worldwide</mark>"
    assert make_snippet(content, parse_query("hello WORLD")) == expected


def test_a_snippet_marks_a_phrase_where_its_words_follow_each_other() -> None:
    content = "world, hello; hello world"
    assert make_snippet(content, parse_query('"hello world"')) == "world, hello; <mark>hello</mark> <mark>world</mark>"


def test_a_snippet_is_of_the_part_around_the_first_word_that_was_found() -> None:
    content = f"{'before ' * 100}unicorn {'behind ' * 100}"
    shown = f"…{'before ' * 5}<mark>unicorn</mark>{' behind' * 16}…"
    assert make_snippet(content, parse_query("unicorn")) == shown


@pytest.mark.parametrize("content", ["<mark>hello</mark>", "&lt;mark&gt;", "</mark><mark>", "hello<mark>", "\"hello' &amp;"])
def test_nobody_writes_a_mark(content: str) -> None:
    snippet = make_snippet(content, parse_query("hello"))
    assert unescape(TAGS.sub("", snippet)) == content
    assert snippet.count("<mark>") == content.count("hello")


@given(contents, queries)
def test_a_snippet_is_an_escaped_part_of_the_message_with_marked_words(content: str, text: str) -> None:
    query = parse_query(text)
    snippet = make_snippet(content, query)
    plain = unescape(TAGS.sub("", snippet))
    assert not set("<>") & set(TAGS.sub("", snippet))
    assert len(plain) <= SNIPPET_LENGTH + 2
    assert any(shown in content for shown in (plain, plain[1:], plain[:-1], plain[1:-1]))
    words = {word for phrase in query.folded for word in phrase}
    for marked in re.findall("<mark>(.*?)</mark>", snippet.removesuffix("</mark>…"), re.DOTALL):
        assert any(fold(marked).startswith(word) for word in words)


CLUSTERS = [
    "e\u0301\u0302",
    "👩‍👩‍👧",
    "👍🏽",
    "1️⃣",
    "🏴\U000e0067\U000e0062\U000e007f",
    "क्षि",
    "\u1112\u1161\u11ab",
    "กำ",
    "\u0600\u0661",
    "한",
]
UNDIVIDED = {"क्षि", "\u1112\u1161\u11ab", "\u0600\u0661", "🏴\U000e0067\U000e0062\U000e007f"}
"""Characters between which no boundary is certain: they are left out together."""


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("shift", range(8))
def test_a_snippet_does_not_split_a_character(cluster: str, shift: int) -> None:
    content = f"{cluster * 60}{'.' * shift} hello {'.' * shift}{cluster * 200}"
    snippet = make_snippet(content, parse_query("hello"))
    before, behind = (part.replace(".", "").strip("… ") for part in snippet.split("<mark>hello</mark>"))
    for part in (before, behind):
        assert part == cluster * (len(part) // len(cluster))
    assert before or cluster in UNDIVIDED


def test_a_message_that_is_one_endless_character_is_left_out() -> None:
    assert make_snippet("a" + "\u0301" * 4000, parse_query("a")) == "…"


def test_the_ends_of_a_text_are_boundaries() -> None:
    assert [is_boundary("\r\n", position) for position in range(3)] == [True, False, True]


def test_marks_belong_to_the_word_before_them() -> None:
    text = "\u0301a\u0301b_c हिन्दी x\ufe0fy"
    assert [text[start:end] for start, end in find_words(text)] == ["a\u0301b", "c", "हिन्दी", "x", "y"]


def test_letters_digits_and_their_marks_separate_no_words_and_all_other_characters_do() -> None:
    in_words = "aß你1²Ⅷ\u0301\u093f\ue000\u0378"
    assert [character for character in in_words + " _-'<❤\ufe0f\u20e3\u200d\0" if not is_separator(character)] == list(in_words)


def test_a_search_over_http_is_read_from_its_query_string() -> None:
    assert parse_search([{"q": "hello"}], None) == SearchRequest("hello", None, None, None, 50)
    everything = {"q": "hello", "conversationId": "7", "senderId": "ann", "before": "9", "limit": "100", "other": "?"}
    assert parse_search([everything], None) == SearchRequest("hello", "7", "ann", "9", 100)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({}, "q is missing"),
        ({"q": "a" * 201}, "q must be text of at most 200 characters"),
        ({"q": "a", "limit": "0"}, "limit must be an integer from 1 to 100"),
        ({"q": "a", "limit": "101"}, "limit must be an integer from 1 to 100"),
        ({"q": "a", "limit": "ten"}, "limit must be an integer from 1 to 100"),
        ({"q": "a", "limit": "9" * 5000}, "limit must be an integer from 1 to 100"),
        ({"q": "a", "limit": "²"}, "limit must be an integer from 1 to 100"),
        ({"q": "a", "conversationId": ""}, "conversationId must be"),
        ({"q": "a", "senderId": "a\0b"}, "senderId must be"),
        ({"q": "a", "before": "x" * 129}, "before must be"),
    ],
)
def test_a_search_over_http_that_is_none_is_refused_with_the_field(payload: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        parse_search([payload], None)
