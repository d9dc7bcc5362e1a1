"""The ways in which a secret can be written, and the search for all of them at once.

Each secret of the hunt has a *core* of letters and digits, which JSON, repr, URLs, HTML and YAML all leave as it is,
so that one search finds it in all of those, inside a longer text, cut, and in each single line of a key. All cores of
a run begin with the same *mark*: to look for the mark in each encoding that changes letters, and only then for whose
it is, takes one pass for the encodings and not one for each secret. What can have no core (a number, three characters,
an id that the service made) is looked for as it is.
"""

from __future__ import annotations

import base64
import html
import json
import re
import secrets
from collections.abc import Mapping
from urllib.parse import quote

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_NEAR = 120


def new_mark() -> str:
    """Return what all cores of one run begin with."""
    return "Hq" + secrets.token_hex(5)


def core(mark: str, number: int) -> str:
    """Return the unmistakable part of a secret."""
    return f"{mark}{_ALPHABET[number // 36]}{_ALPHABET[number % 36]}{secrets.token_hex(4)}"


def encodings(text: str) -> set[bytes]:
    """Return a text as what changes even letters and digits writes it; base64 wherever in its three the text begins."""
    raw = text.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), text.encode("utf-16-le"), text.encode("utf-16-be")}
    for wide in (raw, text.encode("utf-16-le")):
        for before in range(3):
            encoded = base64.b64encode(b"\0" * before + wide)
            # The first and the last characters also depend on what stands beside the text.
            first, last = (0, 2, 3)[before], -(-(before + len(wide)) % 3) - 1 if (before + len(wide)) % 3 else None
            found |= {encoded[first:last], encoded[first:last].translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def written_forms(text: str) -> set[bytes]:
    """Return a text that is more than letters and digits as it is written here or there."""
    escaped = json.dumps(text)[1:-1]
    shown = {text, escaped, json.dumps(escaped)[1:-1], repr(text)[1:-1], quote(text), quote(text, safe="")}
    shown |= {html.escape(text), escaped.replace("'", r"\u0027").replace("<", r"\u003c").replace(">", r"\u003e")}
    shown |= {json.dumps(text, ensure_ascii=False)[1:-1], repr(text.encode())[2:-1]}
    return {form for each in shown for form in encodings(each)}


class Search:
    """Finds secrets in bytes: those with a core, by name, and `others`, which have none."""

    def __init__(self, mark: str, cores: Mapping[str, str], others: Mapping[str, str]) -> None:
        self._marks = sorted(encodings(mark))
        self._cores = [(name, form) for name, text in cores.items() for form in encodings(text)]
        self._others = [(name, form) for name, text in others.items() for form in written_forms(text)]

    def names(self, content: bytes | str) -> set[str]:
        """Return the names of the secrets that stand in a content; "?" for one that is cut beyond recognition."""
        raw = content if isinstance(content, bytes) else content.encode(errors="surrogatepass")
        found = {name for name, form in self._others if form in raw}
        for mark in self._marks:
            for hit in re.finditer(re.escape(mark), raw) if mark in raw else ():
                near = raw[max(0, hit.start() - 8) : hit.end() + _NEAR]
                found |= {name for name, form in self._cores if form in near} or {"?"}
        return found

    def excerpt(self, content: bytes, name: str) -> str:
        """Return where in a content a secret stands, with what stands around it, for whoever mends it."""
        forms = [form for known, form in (*self._cores, *self._others) if known == name] or self._marks
        start = min((place for place in map(content.find, forms) if place >= 0), default=0)
        return content[max(0, start - 300) : start + 150].decode(errors="replace")
