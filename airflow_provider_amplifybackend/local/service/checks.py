"""Checks of what a script, a seed or a setting gives; ValueError names the member and what it takes.

A value that passes cannot break the service later: numbers stay within what clocks and sleeps can take.
"""

from __future__ import annotations

import math
import re

# A hundred years: longer than any test waits, and any clock can add it.
LONGEST_SECONDS = 3_153_600_000.0
LONGEST_NAME = 255
_SHOWN = 80
# Up to the last @ before the path, or before the text's end if what follows a colon is no port: people write passwords
# as they are, with slashes in them.
_USERINFO = re.compile(
    r"""//(?:[^\s'"<>/?#\\@:]*:(?!\d*[/?#\s'"])[^\s'"<>]*|[^\s'"<>/?#\\]*)@""",
)


def without_userinfo(text: str) -> str:
    """Return a text whose addresses have neither user nor password: what is refused is printed, logged and raised."""
    return _USERINFO.sub("//", text)


def host_without_userinfo(host: str) -> str:
    """Return a host, which may be a whole address and needs no scheme, without user and password."""
    scheme, separator, rest = host.rpartition("//")
    return scheme + separator + rest.rpartition("@")[2]


def shown(value: object) -> str:
    """Return a value as an error names it: without passwords of addresses, and cut where it is long."""
    text = without_userinfo(repr(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} must be a string, not {shown(value)}")
    return value


def name(value: object, what: str) -> str:
    if not text(value, what):
        raise ValueError(f"{what} must not be empty")
    return str(value)


def short_name(value: object, what: str) -> str:
    given = name(value, what)
    if len(given) > LONGEST_NAME:
        raise ValueError(f"{what} must have 1 to {LONGEST_NAME} characters, not {len(given)}")
    return given


def flag(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{what} must be true or false, not {shown(value)}")
    return value


def whole(value: object, what: str, *, least: int, most: int = 2**31) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{what} must be a whole number from {least} to {most}, not {shown(value)}")
    return value


def number(value: object, what: str, *, least: float, most: float) -> float:
    # Compared before it is converted: an integer of Python can be too large for a float. NaN compares false.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError(f"{what} must be a number, at least {least:g} and at most {most:g}, not {shown(value)}")
    return float(value)


def seconds(value: object, what: str, *, least: float = 0.0) -> float:
    return number(value, what, least=least, most=LONGEST_SECONDS)


def moment(value: float) -> bool:
    """Return true for a time that can be written in every form in which the service writes times."""
    return math.isfinite(value) and 0 <= value <= 32_503_680_000  # 1970 to 3000
