"""Places of files, and lists of names, as parameters have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.json_texts import read_json
from airflow_provider_amplifybackend.parameters.reading import as_name, refuse_missing, shown


def as_place(name: str, value: Any) -> Any:
    """Return the place of a file or folder: an address, or an ``ObjectStoragePath``."""
    refuse_missing(name, value)
    if isinstance(value, str) or (hasattr(value, "fs") and hasattr(value, "path")):
        return value
    raise BackendParameterError(f"{name}={shown(value)} must be an address such as 's3://bucket/prefix'")


def as_optional_place(name: str, value: Any) -> Any:
    """Return a place; None where there is none."""
    return None if value is None else as_place(name, value)


def as_optional_names(
    name: str, value: Any, *, read: Callable[[str, Any], Any] = as_name, may_be_empty: bool = False
) -> list[str] | None:
    """Return a list of names, also from its JSON or from a text with commas; None where there is none.

    An empty list is an error: something was meant, and all is another thing than nothing.

    :param read: Reads one of them.
    :param may_be_empty: Accept an empty list, where the default is none of them.
    """
    if value is None:
        return None
    refuse_missing(name, value)
    given = _split(name, value) if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise BackendParameterError(f"{name}={shown(value)} must be a list of names")
    if not given and not may_be_empty:
        raise BackendParameterError(f"{name} names nothing; leave it out for the default")
    return list(dict.fromkeys(read(name, one) for one in given))


def _split(name: str, text: str) -> Any:
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",")]
    return read_json(name, text, "pass a list, or a template that ends with | tojson")
