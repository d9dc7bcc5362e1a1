"""Names of apps, environments, jobs and sessions. A name becomes part of an address; it is never a path.

botocore signs an address with its dot segments resolved and sends it as it is, so that behind a proxy that resolves
them, too, ``DeleteBackend`` of the environment ``..`` is a valid ``RemoveAllBackends``. What else a proxy, or whoever
reads a log, may take for something else than it is, is no name either.

This is asked for each request, so an ordinary name costs one match.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TypeGuard
from urllib.parse import unquote, urlsplit

from airflow_provider_amplifybackend.core.secrets import redact_secrets
from airflow_provider_amplifybackend.core.unseen import UNSEEN_CATEGORIES, find_blank, without_unseen

__all__ = ["address_problem", "can_name", "is_name_member", "is_name_parameter", "problem", "selects", "without_unseen"]

# Members that are names wherever a request has them; one in the address is a name whatever it is called.
NAME_ENDINGS = ("AppId", "EnvironmentName", "JobId", "SessionId")
PATH_MARKS = "/\\%?#"
TEMPLATE_MARKS = ("{{", "{%", "{#")
LONGEST_SHOWN = 100

_WORD = r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*"
_is_ordinary = re.compile(_WORD).fullmatch
_is_ordinary_address = re.compile(rf"[a-z]+://[^/?#]+(?:/{_WORD})+(?:\?.*)?").fullmatch
# Some servers leave what follows a semicolon out of a segment before they resolve it.
_is_dot_segment = re.compile(r"\.{0,2}(?:;.*)?", re.DOTALL).fullmatch
_find_path_mark = re.compile(f"[{re.escape(PATH_MARKS)}]").search
_PATH_CHARACTERS = frozenset({*PATH_MARKS, ".", ";"})


def is_name_member(member: str, location: str | None) -> bool:
    """Tell whether a member of a request is a name.

    :param location: Where the model puts it: ``uri``, or None for the body.
    """
    return location == "uri" or member.endswith(NAME_ENDINGS)


def is_name_parameter(parameter: str) -> bool:
    """Tell whether a parameter of an operator or sensor is a name."""
    return f"_{parameter}".endswith(("_app_id", "_environment_name", "_job_id", "_session_id"))


def selects(parameter: str) -> bool:
    """Tell whether a parameter of an operation names something: without it, another thing or all of them are meant."""
    return parameter.endswith(("_id", "_name"))


def can_name(value: object) -> TypeGuard[str]:
    """Tell whether a value can name something."""
    return isinstance(value, str) and _fault(value) is None


def problem(parameter: str, value: object) -> str | None:
    """Return a sentence that says why a value cannot name anything: with parameter, value and what to do."""
    if not isinstance(value, str):
        return f"{parameter} must be a string, not {type(value).__name__}"
    fault = _fault(value)
    return f"{parameter}={_shown(value)} {fault}" if fault else None


def address_problem(url: str) -> str | None:
    """Return why a request must not go to an address: a part of it is no name, so that it may lead elsewhere."""
    if _is_ordinary_address(url):
        return None
    path = urlsplit(url).path
    for part in path.split("/")[1:]:
        name = unquote(part)
        # Written as it is and not as %3B, a semicolon begins what some servers leave out of the path.
        if fault := _fault(name) or ("contains ';', which may end it" if ";" in part else None):
            return f"part {_shown(name)} of its address {_shown(path)} {fault}"
    return None


def _fault(name: str) -> str | None:
    if _is_ordinary(name):
        return None
    if not name.strip():
        return "is missing a value"
    if any(mark in name for mark in TEMPLATE_MARKS):
        return "is a template that was not rendered: Airflow renders templated parameters, once; pass the value itself"
    return _white_space_fault(name) or _path_fault(name) or _unseen_fault(name) or _lookalike_fault(name)


def _white_space_fault(name: str) -> str | None:
    if name[0].isspace():
        return f"begins with {_described(name[0])}: remove it"
    if name[-1].isspace():
        return f"ends with {_described(name[-1])}: remove it"
    return None


def _path_fault(name: str) -> str | None:
    if _is_dot_segment(name):
        return "is part of a path and would lead to another operation: pass a name"
    if mark := _find_path_mark(name):
        return f"contains {mark[0]!r} and may be taken for a path: pass a name without any of {' '.join(PATH_MARKS)}"
    return None


def _unseen_fault(name: str) -> str | None:
    blank = find_blank(name)
    unseen = blank[0] if blank else None
    if not name.isprintable():
        unseen = next((char for char in name if unicodedata.category(char) in UNSEEN_CATEGORIES), unseen)
    if unseen is None:
        return None
    if unicodedata.category(unseen) == "Cs":
        return (
            f"contains {_described(unseen)}, half a surrogate pair, which cannot be sent: fix the encoding of the text"
        )
    return f"contains {_described(unseen)}, which cannot be seen: remove it"


def _lookalike_fault(name: str) -> str | None:
    """Return the flaw of a name that turns into a path once normalized, as file systems and hosts may do."""
    if name.isascii():
        return None
    normalized = unicodedata.normalize("NFKC", name)
    if not (_is_dot_segment(normalized) or _find_path_mark(normalized)):
        return None
    culprit = next(char for char in name if char > "~" and _PATH_CHARACTERS & {*unicodedata.normalize("NFKC", char)})
    read_as = f"may be read as {_shown(normalized)}, which is a path: pass a name without it"
    return f"contains {_described(culprit)} and {read_as}"


def _described(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()


def _shown(value: str) -> str:
    """Return a value as Python writes it, so that what cannot be seen shows, without the secrets of a document."""
    value = redact_secrets(value)
    if len(value) <= LONGEST_SHOWN:
        return repr(value)
    return f"{value[:LONGEST_SHOWN]!r}... ({len(value)} characters)"
