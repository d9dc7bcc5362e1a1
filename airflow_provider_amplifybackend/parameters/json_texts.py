"""Reading JSON that users hand in: as a text, from a template, or in a file.

The text itself is never quoted: it may hold secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.lookalikes import listed
from airflow_provider_amplifybackend.parameters.reading import MOST_DIGITS, shown

CONFIGURATION_ADVICE = (
    "pass a dictionary, a list, or JSON text; a template that gives a list or a dictionary needs `| tojson`"
)
# A short text in one line that ends as files do. What is shown of it is no secret, then.
_is_file_name = re.compile(
    r"[^\r\n{}\[\]\"]{1,200}\.(json[5cl]?|ya?ml|graphqls?|gql|toml|txt|tf|py|j2|jinja2?|ini|cfg|env|xml|csv)",
    re.I,
).fullmatch
_is_comment = re.compile(r"//|/\*|#").match
_is_dangling_comma = re.compile(r",\s*[}\]]").match
_is_python = re.compile(r"'|True\b|False\b|None\b").match
_is_yaml = re.compile(r"\s*(---\s|- |[\w-]+:(\s|$))").match


def read_json(name: str, text: str, advice: str, *, file: str = "") -> Any:
    """Return what a JSON text holds.

    :param name: The parameter, and the member in it.
    :param advice: What to do, unless something better can be said.
    :param file: The file that it is the content of.
    :raises BackendParameterError: It is no JSON, or has a member twice, of which Python would take the last.
    """
    repeated: list[tuple[Any, list[str]]] = []
    try:
        document = json.loads(text, object_pairs_hook=_members(repeated), parse_int=_whole_number)
    except (ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else error
        what_to_do = _what_to_do(text, error, advice, is_file=bool(file))
        raise BackendParameterError(f"{_place(name, file)} is not valid JSON ({what}): {what_to_do}") from None
    for path, value in _containers(name, document) if repeated else ():
        if names := next((names for members, names in repeated if members is value), None):
            raise BackendParameterError(f"{_place(path, file)} has {listed(names)} more than once: write it once")
    return document


def _place(name: str, file: str) -> str:
    return f"{name} ({file})" if file else name


def _members(repeated: list[tuple[Any, list[str]]]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return what makes the dictionaries of a document, and takes note of those that have a member twice."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            repeated.append((found, [name for name in found if names.count(name) > 1]))
        return found

    return members


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number in it has more than {MOST_DIGITS} digits")
    return int(digits)


def _containers(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every dictionary and list of a document with its path, the outer ones first."""
    waiting = [(path, value)]
    while waiting:
        path, value = waiting.pop(0)
        if isinstance(value, dict):
            yield path, value
            waiting += [(f"{path}.{name}", member) for name, member in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", item) for index, item in enumerate(value)]


def _what_to_do(text: str, error: Exception, advice: str, *, is_file: bool) -> str:
    """Return what the author has likely taken for JSON, or the advice."""
    if not text.strip():
        return "it is empty"
    if not is_file and _is_file_name(text.strip()):
        return (
            f"{shown(text)} looks like a file name, and only one that ends in .json, in lower case and without blanks "
            "around it, is read"
        )
    if _is_yaml(text):
        return "it looks like YAML, and only JSON is read"
    if not isinstance(error, json.JSONDecodeError):
        return advice
    before, rest = text[: error.pos].rstrip(), text[error.pos :].lstrip()
    dangling = f",{rest}" if before.endswith(",") else rest
    if _is_comment(rest) or _is_dangling_comma(dangling):
        return "JSON has no comments and no trailing commas"
    if _is_python(rest):
        return f"JSON has double quotes, and true, false and null; {advice}"
    return advice
