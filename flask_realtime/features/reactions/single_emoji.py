"""Emoji: which text is exactly one, as Unicode's data has them, whatever way it is written in.

The emoji are those that Unicode recommends for interchange, so that each is one picture on every device: with skin tones, families,
keycaps, and the flags of regions, but no joined sequences that only some vendor draws as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

VARIATION_SELECTOR: Final = "\ufe0f"
"""Asks for a picture instead of a sign of the text; keyboards add it to some emoji, and some leave it out."""


def parse_emoji(text: str) -> str | None:
    """Return the emoji that a text is, in Unicode's fully qualified form, or None if it is not exactly one."""
    return _qualified_forms().get(text.replace(VARIATION_SELECTOR, ""))


@cache
def _qualified_forms() -> Mapping[str, str]:
    """Map each emoji without variation selectors to its fully qualified form."""
    from emoji import EMOJI_DATA, STATUS  # noqa: PLC0415 - 8 MiB, for applications whose users do react

    qualified = STATUS["fully_qualified"]
    return {text.replace(VARIATION_SELECTOR, ""): text for text, data in EMOJI_DATA.items() if data["status"] == qualified}
