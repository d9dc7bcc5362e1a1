"""Checks of a seed document's members: each error says where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_amplifybackend.local.service import checks


class SeedError(ValueError):
    """The seed document is not one: the message says where."""


def only(given: Any, what: str, *allowed: str) -> None:
    if not isinstance(given, Mapping):
        raise SeedError(f"{what} must be an object, not {checks.shown(given)}")
    unknown = set(given) - set(allowed)
    if unknown:
        raise SeedError(f"{what} has no {', '.join(sorted(unknown))}; it takes: {', '.join(allowed)}")


def required(given: Mapping[str, Any], what: str, member: str) -> Any:
    if member not in given:
        raise SeedError(f"{what} needs {member}")
    return given[member]


def entries(given: Any, what: str) -> Sequence[Any]:
    if not isinstance(given, (list, tuple)):
        raise SeedError(f"{what} must be a list, not {checks.shown(given)}")
    return given


def texts(given: Any, what: str) -> dict[str, str | None]:
    """Return a map of texts, where null takes one away."""
    if not isinstance(given, Mapping):
        raise SeedError(f"{what} must be an object, not {checks.shown(given)}")
    return {key: None if one is None else checks.text(one, f"{what}.{key}") for key, one in given.items()}


def age(given: Any) -> float:
    return checks.seconds(given, "age_seconds", least=-checks.LONGEST_SECONDS)


def optional_age(given: Mapping[str, Any]) -> float | None:
    return None if given.get("age_seconds") is None else age(given["age_seconds"])


def optional_flag(given: Mapping[str, Any], member: str) -> bool | None:
    return None if given.get(member) is None else checks.flag(given[member], member)
