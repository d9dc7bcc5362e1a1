"""Secrets in a text that is no JSON: a YAML document, a dictionary as Python writes it, a cut JSON, a sentence.

Everything here takes a time that grows with the text's length and no faster: a text may have megabytes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from airflow_provider_amplifybackend.core.secret_names import WORDS, IsSecret, mentions_secret, plain

# The parsers of YAML take much time for a long text, and ever more for one that is nested deep.
_LONGEST_YAML = 100_000
_DEEPEST_YAML = 100
# JSON and YAML can write a letter of a name as an escape.
_ESCAPED_LETTER = re.compile(r"\\(?:u|U0000)([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})")
_DOCUMENT = re.compile(
    r"""\s*+(?:[\[{]|---\s|(?:-\ ++)*+(?:[\w$.-]++|"[^"\n]*+"|'[^'\n]*+')\s*+:(?:\s|$))""", re.VERBOSE
)
_COMMENT = re.compile(r"(?<!\S)#[^\n]++")
_COMMENTS = re.compile(r"(?:\s*+#[^\n]*+(?:\n|$))*+")
# A name, the sign behind it, and the quote that begins its value. No word is tried from its middle.
_MEMBER = re.compile(
    r"""
    (?<![\w$.-]) (?P<name>[\w$.-]++) (?:\\*+["'] | &(?:quot|\#34|\#39|\#x27); )?+ \]?+ [ \t]*+ (?P<sign>=>|[:=]) \s*+
    (?P<quote>(?P<escapes>\\*+)(?:"{3}|'{3}|["']))?+
    """,
    re.VERBOSE,
)
_ELEMENT = re.compile(r"<(?:[\w.-]++:)?(?P<name>[\w$.-]++)(?:\s[^<>]*+)?>(?P<value>[^<]++)</")
# A block of YAML: the mark, and the lines that stand further in.
_BLOCK = re.compile(r"[|>][-+\d]*+[ \t]*+\r?\n(?:(?:[ \t]++[^\n]*+)?(?:\n|\Z))+")
_BRACKETS = {"{": "}", "[": "]"}
_BRACKET = re.compile(r"[{}\[\]]")
# What can be a text in another code: percent-encoded, or JSON in base64.
_RUN = re.compile(r"[^\s\"'<>&;=?\#,]{12,}+")
_IN_BASE64 = re.compile(r"(?:e[wy]|W[3wy])[A-Za-z0-9+/_-]*+")
# With the word that a header has in front of what is secret, or a tag or an anchor of YAML.
_UNQUOTED = re.compile(
    r"""(?:(?:bearer|basic|digest|token|[!&]\S*+)[ ]++)*+(?:"[^"\n]*+"|'[^'\n]*+'|\S++)""", re.IGNORECASE
)
_OF_A_FORM = re.compile(r"[^\s&;]++")
_PUNCTUATION = ",;.:!?)}]\"'"
_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]++-----.*?(?:-----END [A-Z0-9 ]++-----|\Z)", re.DOTALL)
_WORD_BEFORE = re.compile(r"[\w$.-]+(?=[ ]\Z)")
NO_SECRETS = frozenset({"", "~", "null", "true", "false", "none", "***"})


@dataclass(frozen=True)
class Found:
    """A value in a text, and where it stands."""

    start: int
    end: int
    value: str = field(repr=False)
    is_secret: bool = True


def may_hold_secret(text: str) -> bool:
    """Tell whether a text can be a document with a secret in it."""
    if ":" not in text and "=" not in text and "\\" not in text and "</" not in text:
        return False
    if mentions_secret(text):
        return True
    return "\\" in text and mentions_secret(_ESCAPED_LETTER.sub(lambda match: chr(int(match[1] or match[2], 16)), text))


def looks_like_document(text: str) -> bool:
    """Tell whether a text that is no JSON seems to be a document all the same: a sentence can look like one, too."""
    comments = _COMMENTS.match(text)
    return _DOCUMENT.match(text, comments.end() if comments else 0) is not None


def is_no_sentence(text: str) -> bool:
    """Tell whether a text that looks like a document cannot be a sentence."""
    content = text.strip()
    return content.startswith(("{", "[")) or "\n" in content


def is_json(text: str) -> bool:
    """Tell whether a text holds a JSON document, or another text that is written as JSON."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def comments(text: str) -> Iterator[str]:
    """Yield the comments of a YAML document, and what looks like one."""
    return (comment[0] for comment in _COMMENT.finditer(text))


def comment_replaced(text: str, new: Callable[[str], str]) -> str:
    """Return a YAML document with other texts in place of its comments."""
    return _COMMENT.sub(lambda comment: new(comment[0]), text)


def in_document(text: str, is_secret: IsSecret) -> list[Found] | None:
    """Return the texts in a YAML document, which may be documents themselves; None if it cannot be read as one."""
    if len(text) > _LONGEST_YAML:
        return None
    import yaml  # costs more than all of this module, and few texts need it

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Reader(is_secret).read(yaml.parse(text, Loader=loader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


class _Level:
    """A mapping or a sequence that is being read."""

    def __init__(self, anchor: str | None, begins: int, *, is_mapping: bool, is_secret: bool) -> None:
        self.anchor = anchor
        self.begins = begins
        self.is_mapping = is_mapping
        self.is_secret = is_secret
        self.at_key = is_mapping
        self.value_is_secret = is_secret
        self.value_is_words = False
        self.key: str | None = None
        self.value_begins = begins
        # Of a mapping with a name and a value: whether the name is a secret's, and where its values were found.
        self.names_secret = False
        self.values: list[tuple[int, int]] = []


class _Reader:
    """Reads the events of a YAML document: no object is built, so no tag, alias or depth of it can do harm."""

    def __init__(self, is_secret: IsSecret) -> None:
        self._is_secret = is_secret
        self._found: list[Found] = []
        self._open: list[_Level] = []
        self._anchors: dict[str, tuple[int, int]] = {}

    def read(self, events: Any) -> list[Found]:
        for event in events:
            kind = type(event).__name__
            if kind in ("ScalarEvent", "AliasEvent", "MappingStartEvent", "SequenceStartEvent"):
                self._node(kind, event)
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                level = self._open.pop()
                for begins, ends in level.values if level.names_secret else ():
                    self._make_all_secret(begins, ends)
                self._name(level.anchor, level.begins)
                self._note_value(None)
        return self._found

    def _note_value(self, value: str | None) -> None:
        """Note the value that has just been read, if it is that of a mapping's member."""
        level = self._open[-1] if self._open else None
        if level is None or not level.is_mapping or not level.at_key or level.key is None:
            return
        if names_a_value(level.key):
            level.names_secret = level.names_secret or self._is_secret(value)
        elif is_a_value(level.key):
            level.values.append((level.value_begins, len(self._found)))

    def _node(self, kind: str, event: Any) -> None:
        above = self._open[-1] if self._open else None
        is_key = above is not None and above.is_mapping and above.at_key
        is_secret = False if above is None or is_key else above.value_is_secret
        if kind == "ScalarEvent":
            if is_key:
                self._key(event)
            elif above is None or not above.value_is_words:
                self._scalar(event, is_secret=is_secret)
        elif kind == "AliasEvent" and is_secret:
            self._make_secret(event.anchor)
        elif kind.endswith("StartEvent"):
            if len(self._open) == _DEEPEST_YAML:
                raise ValueError("nested too deeply")
            is_mapping = kind == "MappingStartEvent"
            self._open.append(_Level(event.anchor, len(self._found), is_mapping=is_mapping, is_secret=is_secret))
        if above is not None and above.is_mapping:
            if is_key:
                name = getattr(event, "value", None)
                above.value_is_secret = above.is_secret or self._is_secret(name)
                above.value_is_words = name in WORDS
                above.key, above.value_begins = name, len(self._found)
            above.at_key = not is_key
            if not is_key and not kind.endswith("StartEvent"):
                self._note_value(getattr(event, "value", None))

    def _key(self, event: Any) -> None:
        """Note a key that can hold a secret itself."""
        if may_hold_secret(event.value):
            self._found.append(Found(event.start_mark.index, event.end_mark.index, event.value, is_secret=False))

    def _scalar(self, event: Any, *, is_secret: bool) -> None:
        begins = len(self._found)
        if event.value.casefold() not in NO_SECRETS:
            self._found.append(Found(event.start_mark.index, event.end_mark.index, event.value, is_secret))
        self._name(event.anchor, begins)

    def _name(self, anchor: str | None, begins: int) -> None:
        if anchor:
            self._anchors[anchor] = (begins, len(self._found))

    def _make_secret(self, anchor: str) -> None:
        self._make_all_secret(*self._anchors.pop(anchor, (0, 0)))  # once is enough

    def _make_all_secret(self, begins: int, ends: int) -> None:
        for index in range(begins, ends):
            entry = self._found[index]
            self._found[index] = Found(entry.start, entry.end, entry.value)


def names_a_value(key: str) -> bool:
    """Tell whether the value of a member is the name of what stands beside it, as in an environment's variables."""
    word = plain(key)
    return word in _NAMES or word.endswith("name")


def is_a_value(key: str) -> bool:
    """Tell whether a member is the value to a name that stands beside it."""
    word = plain(key)
    return word == "val" or word.endswith("value")


_NAMES = frozenset({"key", "parameterkey", "outputkey", "variable"})


def in_words(text: str, is_secret: IsSecret) -> Iterator[Found]:
    """Yield what stands behind the name of a secret anywhere in a text: ``"ClientSecret": "..."``, ``token=...``."""
    position = 0
    elements = (element for element in _ELEMENT.finditer(text) if is_secret(element["name"]))
    element, member = next(elements, None), _MEMBER.search(text)
    while element or member:
        if element and (member is None or element.start() <= member.start()):
            if element.start() >= position:
                position = element.end("value")
                yield Found(element.start("value"), position, element["value"])
            element = next(elements, None)
        elif member and member.start() < position:
            member = _MEMBER.search(text, position)
        elif member:
            position = member.end()
            if is_secret(member["name"]) or is_secret(_word_before(text, member.start()) + member["name"]):
                position = max(position, _end_of_value(text, member))
                value = text[member.end() : position]
                if value.casefold() not in NO_SECRETS:
                    yield Found(member.end(), position, value)
            member = _MEMBER.search(text, position)


def decoded_runs(text: str) -> Iterator[Found]:
    """Yield what is percent-encoded in a text, or JSON in base64, with its decoded value."""
    for run in _RUN.finditer(text) if "%" in text or _IN_BASE64.search(text) else ():
        decoded = unquote_plus(run[0]) if "%" in run[0] else _from_base64(run[0])
        if decoded is not None and decoded != run[0]:
            yield Found(run.start(), run.end(), decoded)


def _from_base64(run: str) -> str | None:
    if not _IN_BASE64.fullmatch(run):
        return None
    try:
        return base64.b64decode(run + "=" * (-len(run) % 4), altchars=b"-_" if {"-", "_"} & {*run} else None).decode()
    except ValueError:
        return None


def _word_before(text: str, position: int) -> str:
    word = _WORD_BEFORE.search(text[max(0, position - 40) : position])
    return word[0] if word else ""


def _end_of_value(text: str, member: re.Match[str]) -> int:
    start = member.end()
    if quote := member["quote"]:
        mark = quote.lstrip("\\")
        if len(mark) == 3:
            end = text.find(mark, start)
            return end if end >= 0 else len(text)
        return _closing(text, start, mark, len(member["escapes"]))
    if text[start : start + 1] in _BRACKETS:
        return _end_of_brackets(text, start)
    if block := _BLOCK.match(text, start):
        return start + len(block[0].rstrip())
    value = _KEY.match(text, start) or (_OF_A_FORM if member["sign"] == "=" else _UNQUOTED).match(text, start)
    return start + len(value[0].rstrip(_PUNCTUATION)) if value else start


def _end_of_brackets(text: str, start: int) -> int:
    """Return where a value in brackets ends, with the text if they are not closed."""
    depth = 0
    for bracket in _BRACKET.finditer(text, start):
        depth += 1 if bracket[0] in _BRACKETS else -1
        if depth == 0:
            return bracket.end()
    return len(text)


def _closing(text: str, start: int, quote: str, escapes: int) -> int:
    """Return where a quoted value ends: before a quote that is escaped as often as the first, or with the text."""
    position = text.find(quote, start)
    while position >= 0:
        before = position
        while before > start and text[before - 1] == "\\":
            before -= 1
        found = position - before
        if found <= escapes or found % (2 * escapes + 2) == escapes:  # a backslash of the value is escaped, too
            return position - min(found, escapes)
        position = text.find(quote, position + 1)
    return len(text)


def replaced(text: str, found: Iterable[Found], new: Callable[[str, Found], str]) -> str:
    """Return a text with other texts in the places that were found in it."""
    parts, position = [], 0
    for entry in found:
        parts += [text[position : entry.start], new(text, entry)]
        position = entry.end
    return "".join([*parts, text[position:]])
