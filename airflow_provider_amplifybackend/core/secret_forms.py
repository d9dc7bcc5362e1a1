"""The forms in which a secret may be written somewhere: a masker looks for texts, and knows of no escapes.

Whoever writes a secret down does so in its own way: JSON has two for whatever is not ASCII, Jinja's ``tojson`` a third
for ``'``, ``<``, ``>`` and ``&``, Python another for texts and one for bytes, and a log line of JSON may hold a
dictionary of Python that holds JSON. A key of several lines is also looked for line by line, because each way of
writing it has its own line breaks.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

from airflow_provider_amplifybackend.core.encodable import encodable_text

# Airflow 3 masks nothing shorter. Airflow 2 would, down to the "s" of the "%s" in everybody's log lines.
SHORTEST_MASKED = 5
# In a text, and as they are written in JSON and in Python, however often they were escaped.
_LINE_END = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+|\\+[rn]")
# Jinja's `tojson` escapes all four, Go and Java the first three, PHP the slash.
_JINJA = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"})
_GO = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_PHP = str.maketrans({"/": "\\/"})
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;"})
_KEY_MARK = re.compile("-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_KEY_LINE = re.compile("[A-Za-z0-9+/=]+")
_LETTERS_AND_DIGITS = re.compile("[A-Za-z0-9]{12,}")
_LONGEST_IN_BOTH_ALPHABETS = 200
# What is longer, and has no lines, is no secret that anybody has: it costs more and is written in fewer ways.
_LONG = 1_000
_HEX = re.compile(r"(?<=%)[0-9A-F]{2}|(?<=\\u)[0-9a-f]{4}")
_URL_SAFE = str.maketrans("+/", "-_")


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _in_json_of_utf8(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _in_python(text: str) -> str:
    return repr(text)[1:-1]


def _in_python_with_quotes(text: str) -> str:
    """Return a text as Python writes it inside of a longer one, which has quotes of its own."""
    return repr(text + "'\"")[1:-4]


def _in_yaml(text: str) -> str:
    """Return a text as YAML writes it between single quotes."""
    return text.replace("'", "''")


def _in_bytes(text: str) -> str:
    return repr(text.encode())[2:-1]


def _in_bytes_with_quotes(text: str) -> str:
    return repr(text.encode() + b"'\"")[2:-4]


# Of a member in a document.
_IN_DOCUMENTS: tuple[Callable[[str], str], ...] = (
    _in_json,
    _in_json_of_utf8,
    lambda text: _in_json(text).translate(_JINJA),
    lambda text: _in_json_of_utf8(text).translate(_GO),
    lambda text: _in_json(text).translate(_PHP),
    _in_python,
    _in_python_with_quotes,
    lambda text: ascii(text)[1:-1],
    _in_bytes,
    _in_bytes_with_quotes,
)
# Of a document that is written into another, a log line for one.
_AROUND_DOCUMENTS: tuple[Callable[[str], str], ...] = (
    _in_json,
    _in_yaml,
    _in_python,
    _in_python_with_quotes,
    _in_bytes,
    _in_bytes_with_quotes,
)
_ELSEWHERE: tuple[Callable[[str], str], ...] = (
    lambda text: quote(text, safe=""),
    quote,
    quote_plus,
    lambda text: quote(text, safe="!'()*"),  # JavaScript's
    html.escape,
    lambda text: html.escape(text, quote=False),
    lambda text: text.translate(_MARKUP),  # Jinja's
)


def written_forms(secret: str) -> list[str]:
    """Return the texts in which a secret may be written somewhere, the longest last; none of them is short."""
    # Airflow hands them on to other processes. What cannot be encoded is written nowhere; it may be without the rest.
    secret = encodable_text(secret)
    lines = [part for line in _lines(secret) for part in _line_forms(line)]
    forms = {*(lines or _forms(secret)), secret, *_in_base64(secret)} if secret.strip("*") else ()
    return sorted((form for form in forms if len(form) >= SHORTEST_MASKED), key=_length)


def _length(text: str) -> tuple[int, str]:
    return len(text), text


def _lines(secret: str) -> Iterator[str]:
    """Yield the lines of a secret that has several, but for what says that a key begins and ends."""
    lines = _LINE_END.split(secret)
    if len(lines) > 1:
        # A last line of a few characters tells nothing of a key, and stands in everybody's texts.
        yield from (line for line in lines if len(line) >= SHORTEST_MASKED and not _KEY_MARK.fullmatch(line))


def _line_forms(line: str) -> Iterator[str]:
    """Yield the forms of a line; of a key's, what is written the same everywhere.

    Airflow compiles all that it masks once more for each text that it is given, and a key has dozens of lines.
    """
    runs = _LETTERS_AND_DIGITS.findall(line) if _KEY_LINE.fullmatch(line) else []
    yield from (line, *runs) if runs else _forms(line)


def _forms(text: str) -> Iterator[str]:
    yield text
    if text.isascii() and text.isalnum():
        return  # written the same everywhere
    if len(text) > _LONG:
        yield from (write(text) for write in _IN_DOCUMENTS)
        return
    for once in {write(text) for write in _IN_DOCUMENTS}:
        yield once
        yield _other_case(once)
        yield from (write(once) for write in _AROUND_DOCUMENTS)
    for once in {write(text) for write in _ELSEWHERE}:
        yield once
        yield _other_case(once)


def _other_case(text: str) -> str:
    """Return a text with its hexadecimal digits in the case that other encoders write."""
    return _HEX.sub(lambda digits: digits[0].swapcase(), text)


def _in_base64(secret: str) -> Iterator[str]:
    """Yield what of a secret does not depend on what stands before and behind it, in each place that it can have."""
    content = secret.encode()
    if len(content) > _LONG * 4:
        return
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + content).decode()
        first, last = (0, 2, 3)[before], (before + len(content)) * 8 // 6
        yield encoded[first:last]
        if len(content) <= _LONGEST_IN_BOTH_ALPHABETS:
            yield encoded[first:last].translate(_URL_SAFE)
