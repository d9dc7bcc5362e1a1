"""Characters of which nothing is to be seen."""

from __future__ import annotations

import re
import unicodedata

# Nothing is to be seen of these, although Python takes them for printable or unassigned: Unicode's "default
# ignorable" ones (joiners, fillers, variation selectors, tags), the blank of Braille, and what is no character.
find_blank = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufdd0-\ufdef\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
).search
# Controls, formats (zero-width and bidirectional ones), surrogates, separators of lines and of paragraphs.
UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def without_unseen(text: str) -> str:
    """Return a text without the characters of which nothing is to be seen."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char for char in text if unicodedata.category(char) not in UNSEEN_CATEGORIES and not find_blank(char)
    )
