"""Reading the parameters that are ours rather than the API's; rendered templates are strings here too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.core.secrets import redact_secrets, redact_words
from airflow_provider_amplifybackend.exceptions import BackendParameterError

# What a template leaves behind that had no value: these never name anything.
EMPTY_RENDERINGS = frozenset({"", "None"})
DEEPEST = 64  # levels of a value; the API's own configurations have seven
MOST_DIGITS = 4000  # of a number; beyond 4,300 Python itself refuses to write it down
LONGEST_SHOWN = 200  # characters of a value in a message
_is_decimal = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?").fullmatch
# Where Cognito puts a code into a message: `{####}`, or `{##` and `##}` around a link's text, which may hold templates
# and braces (`{username}`, a style). Jinja takes it for a comment.
CODE_PLACE = re.compile(r"(\{##+\})|(\{##)((?:(?!#\}|\{#).)*)(##\})", re.DOTALL)


def is_template(value: Any) -> bool:
    """Tell whether a value is yet to be rendered: a Jinja text, an XComArg, or something else that Airflow resolves."""
    if isinstance(value, str):
        return any(mark in without_code_places(value) for mark in ("{{", "{%", "{#"))
    return _is_resolved_later(value)


def without_code_places(text: str) -> str:
    """Return a text without Cognito's marks for a code, but with the texts of its links."""
    return CODE_PLACE.sub(r"\3", text) if "{##" in text else text


def _is_resolved_later(value: Any) -> bool:
    try:
        return hasattr(value, "resolve") or callable(value)
    except Exception:  # noqa: BLE001  # whatever an object does when it is asked for an attribute
        return False


def flaws(parameter: str, value: Any) -> Iterator[str]:
    """Yield a sentence for each part of a value that nothing can send, store or show."""
    try:
        # A member's name, and so its path, may be a document with a secret, too.
        yield from map(redact_words, _flaws(value, parameter, inside=(), seen=set()))
    except Exception as error:  # noqa: BLE001  # whatever a class of the user's does when it is looked into
        yield f"{parameter}, a {type(value).__name__}, cannot be read ({type(error).__name__})"


def _flaws(value: Any, path: str, *, inside: tuple[int, ...], seen: set[int]) -> Iterator[str]:
    if isinstance(value, str | int | float) and (found := [*_flaws_of_class(value, path)]):
        yield from found
        return
    if isinstance(value, str):
        yield from _flaws_of_text(value, path)
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, int):
        if value.bit_length() > MOST_DIGITS * 3.33:
            yield f"{path} is a number of more than {MOST_DIGITS} digits"
    elif isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            yield f"{path}={float.__repr__(value)} is not accepted: it must be a finite number"
    elif isinstance(value, dict | list | tuple | set | frozenset):
        yield from _flaws_inside(value, path, inside=inside, seen=seen)
    elif not _is_resolved_later(value):
        yield from _flaws_of_object(value, path)


def _flaws_inside(value: Any, path: str, *, inside: tuple[int, ...], seen: set[int]) -> Iterator[str]:
    if id(value) in inside:
        yield f"{_start(path)} contains itself"
    elif len(inside) == DEEPEST:
        yield f"{re.split('[.[]', path)[0]} is nested deeper than {DEEPEST} levels"
    elif id(value) not in seen:
        seen.add(id(value))
        inside = (*inside, id(value))
        if isinstance(value, dict):
            for key, member in value.items():
                problems = [*_flaws(key, f"a member name in {path}", inside=inside, seen=seen)]
                yield from problems
                if not problems:
                    yield from _flaws(member, f"{path}.{key}", inside=inside, seen=seen)
        else:
            for index, item in enumerate(value):
                yield from _flaws(item, f"{path}[{index}]", inside=inside, seen=seen)


def _flaws_of_text(value: str, path: str) -> Iterator[str]:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        fault = names.problem(path, value) if names.is_name_parameter(path) else None
        yield fault or (
            f"{path} is a string that cannot be encoded: character {error.start + 1} is half of a surrogate pair "
            f"(U+{ord(value[error.start]):04X})"
        )


def _flaws_of_class(value: Any, path: str) -> Iterator[str]:
    """Yield the flaws of a plain value whose class may do anything when it is used."""
    if type(value) not in (str, int, float, bool):
        yield from _flaws_of_object(value, path)


def _flaws_of_object(value: Any, path: str) -> Iterator[str]:
    try:
        str(value), repr(value), bool(value)
    except Exception as error:  # noqa: BLE001  # whatever an object does when it is shown
        yield f"{path}, a {type(value).__name__}, cannot be shown as text ({type(error).__name__})"


def _start(path: str) -> str:
    return path if len(path) <= LONGEST_SHOWN else f"{path[:LONGEST_SHOWN]}..."


def shown(value: Any) -> str:
    """Return a value as messages show it: shortened, and by its type alone if it is not a plain value.

    A text can be a document with a secret in it that has landed in the wrong place: it is shown without the secret.
    """
    for plain in (str, bool, int, float):
        if isinstance(value, plain):
            text = repr(redact_secrets(str.__str__(value))) if isinstance(value, str) else plain.__repr__(value)
            return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}... ({len(text):,} characters)"
    return "None" if value is None else f"<{type(value).__name__}>"


def holds_template(value: Any, levels: int = 10) -> bool:
    """Tell whether a value, or anything in it, is yet to be rendered."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return levels > 0 and any(holds_template(item, levels - 1) for item in value)
    return is_template(value)


def refuse_missing(name: str, value: Any, *, instead: str = "") -> None:
    """Refuse what a template or another task has left empty: it was meant to be more careful, not less.

    :param instead: What to pass where nothing is meant.
    """
    if isinstance(value, str) and value.strip() in EMPTY_RENDERINGS:
        raise BackendParameterError(
            f"{name}={shown(value)} is missing a value; if it comes from an upstream task, that task returned none"
            f"{instead}"
        )


def as_flag(name: str, value: Any) -> bool:
    """Return a boolean, also from a rendered ``"True"`` or ``"false"``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise BackendParameterError(f"{name}={shown(value)} must be true or false")


def as_verify(value: Any) -> Any:
    """Return a setting of ``verify`` as it is meant: a rendered template or a connection may have a boolean as text."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text in EMPTY_RENDERINGS:  # botocore takes an empty text for false
        return None
    return text.lower() == "true" if text.lower() in ("true", "false") else text


def decimal_text(value: Any) -> str:
    """Return a number as text, or a text that is one as people write it: "1_0" and other digits are for Python only.

    :raises ValueError: It is none.
    """
    text = str(value).strip()
    if not _is_decimal(text):
        raise ValueError
    return text


def as_number(name: str, value: Any, *, least: float) -> float:
    """Return a number, also from a rendered string."""
    try:
        is_none = isinstance(value, bool | bytes | bytearray)
        number = None if is_none else float(decimal_text(value) if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or not least <= number < float("inf"):
        raise BackendParameterError(f"{name}={shown(value)} must be a number, {least} or more")
    return number


def as_text(value: Any) -> str | None:
    """Return the text that a value is for a member of text: itself, or an integer's digits; None if it is neither.

    A fraction or a boolean has more than one spelling, and so is no text.
    """
    if isinstance(value, str):
        return str.__str__(value)
    return int.__repr__(value) if isinstance(value, int) and not isinstance(value, bool) else None


def is_name(value: Any) -> bool:
    """Tell whether a value can name something."""
    text = as_text(value)
    return text is not None and text.strip() not in EMPTY_RENDERINGS


def as_name(name: str, value: Any) -> str:
    """Return a name; a template that had no value renders as an empty text or as "None", which name nothing."""
    text = as_text(value)
    if text is None and value is not None:
        raise BackendParameterError(f"{name}={shown(value)} must be a string")
    if text is None or text.strip() in EMPTY_RENDERINGS:
        raise BackendParameterError(
            f"{name}={shown(value)} is missing a value; if it comes from an upstream task, that task returned none"
        )
    if problem := names.problem(name, text):
        raise BackendParameterError(problem)
    return text


def problems_of(read: Callable[[str, Any], Any], name: str, value: Any) -> list[str]:
    """Return the complaint of a reader about a parameter, if it has one."""
    try:
        read(name, value)
    except BackendParameterError as error:
        return [str(error)]
    return []


def as_choice(name: str, value: Any, accepted: Sequence[str]) -> str:
    """Return one of the accepted words."""
    if not isinstance(value, str) or value not in accepted:
        raise BackendParameterError(f"{name}={shown(value)} is not accepted; accepted values: {', '.join(accepted)}")
    return str.__str__(value)
