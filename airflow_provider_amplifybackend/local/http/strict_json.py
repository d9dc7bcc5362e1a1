"""JSON as RFC 8259 has it: UTF-8, no NaN, no number beyond a double, no nesting that no caller needs.

Python's own reader takes UTF-16, NaN and 1e400, and answers deep nesting with a RecursionError.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

# AmplifyBackend's own requests nest 7 levels; what nests deeper than this is an accident or an attack.
DEEPEST = 100

# Strings are matched whole, so that their brackets do not count; an unfinished one runs to the end.
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|([\[{])|([\]}])', re.DOTALL)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, an empty one for none; ValueError says what is wrong with it."""
    if not body:
        return {}
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the body is not valid UTF-8") from None
    _refuse_deep(text)
    try:
        content = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")
    return content


def _refuse_deep(text: str) -> None:
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for found in _TOKENS.finditer(text):
        if found[1]:
            depth += 1
            if depth > DEEPEST:
                raise ValueError(f"the body is nested deeper than {DEEPEST} levels")
        elif found[2]:
            depth -= 1


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:50]} is too large for a number")
    return number
