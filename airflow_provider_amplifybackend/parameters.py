"""Reading the parameters that are ours rather than the API's; rendered templates are strings here too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_amplifybackend import names
from airflow_provider_amplifybackend.exceptions import BackendParameterError

# What a template leaves behind that had no value: these never name anything.
EMPTY_RENDERINGS = frozenset({"", "None"})


def is_template(value: Any) -> bool:
    """Whether a value is yet to be rendered: a Jinja text, an XComArg, or something else that Airflow resolves."""
    if isinstance(value, str):
        return any(mark in value for mark in ("{{", "{%", "{#"))
    return hasattr(value, "resolve") or callable(value)


def holds_template(value: Any, levels: int = 10) -> bool:
    """Whether a value, or anything in it, is yet to be rendered."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return levels > 0 and any(holds_template(item, levels - 1) for item in value)
    return is_template(value)


def as_flag(name: str, value: Any) -> bool:
    """Return a boolean, also from a rendered ``"True"`` or ``"false"``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise BackendParameterError(f"{name}={value!r} must be true or false")


def as_verify(value: Any) -> Any:
    """Return a setting of ``verify`` as it is meant: a rendered template or a connection may have a boolean as text."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text in EMPTY_RENDERINGS:  # botocore takes an empty text for false
        return None
    return text.lower() == "true" if text.lower() in ("true", "false") else text


def as_number(name: str, value: Any, *, least: float) -> float:
    """Return a number, also from a rendered string."""
    try:
        number = float(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError):
        number = None
    if number is None or not least <= number < float("inf"):
        raise BackendParameterError(f"{name}={value!r} must be a number, {least} or more")
    return number


def as_optional_number(name: str, value: Any, *, least: float) -> float | None:
    """Return a number, or None where there is none."""
    if value is None or str(value).strip() in EMPTY_RENDERINGS:
        return None
    return as_number(name, value, least=least)


def is_name(value: Any) -> bool:
    """Whether a value can name something."""
    return value is not None and str(value).strip() not in EMPTY_RENDERINGS


def as_name(name: str, value: Any) -> str:
    """Return a name; a template that had no value renders as an empty text or as "None", which name nothing."""
    if not is_name(value):
        raise BackendParameterError(
            f"{name}={value!r} is missing a value; if it comes from an upstream task, that task has returned none"
        )
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if problem := names.problem(name, text):
        raise BackendParameterError(problem)
    return str(text)


def problems_of(read: Callable[[str, Any], Any], name: str, value: Any) -> list[str]:
    """Return what a reader says of a parameter that it cannot read: a sentence, or none."""
    try:
        read(name, value)
    except BackendParameterError as error:
        return [str(error)]
    return []


def as_choice(name: str, value: Any, accepted: Sequence[str]) -> str:
    """Return one of the accepted words."""
    if value not in accepted:
        raise BackendParameterError(f"{name}={value!r} is not accepted; accepted values: {', '.join(accepted)}")
    return str(value)
