"""Names become part of a path, if not of this request's then of the next one's about the same thing."""

from __future__ import annotations

import re
from urllib.parse import unquote

from airflow_provider_amplifybackend.local.service import checks

_SEPARATORS = re.compile(r"[/\\]")
_MOST_DECODINGS = 8


def has_dot_segments(text: str) -> bool:
    r"""Return true where anybody on the way could resolve a path, or what has a name in it, to another one.

    They differ in what they decode first and in what separates segments (`%2e%2e`, `..%2F`, `%252e`, `..\\`, `..;x`),
    so all of it counts. What is encoded more often than anybody decodes is refused, too.
    """
    if "." not in text and "%" not in text:  # most texts: asked for every name of every request
        return False
    path = text
    for _ in range(_MOST_DECODINGS):
        if any(segment.partition(";")[0] in (".", "..") for segment in _SEPARATORS.split(path)):
            return True
        decoded = unquote(path, errors="surrogateescape")
        if decoded == path:
            return False
        path = decoded
    return True


def askable(value: object, what: str) -> str:
    """Return a name; ValueError says why no request could ever ask for what has it."""
    name = checks.short_name(value, what)
    if not name.strip():
        raise ValueError(f"{what} must not be blank, not {name!r}: the service refuses each request for it")
    if has_dot_segments(name):
        raise ValueError(
            f"{what} must have no dot segments, not {checks.shown(name)}: the service refuses each request for it"
        )
    return name
