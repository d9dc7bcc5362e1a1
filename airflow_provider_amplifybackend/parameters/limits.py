"""The bounds of delays and time budgets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.reading import EMPTY_RENDERINGS, as_number

# Ten years: more than any job takes, and within what clocks, dates and databases can hold, which a wait must not find
# out after its job has started.
LONGEST_WAIT = timedelta(days=3653).total_seconds()
LEAST_WAITER_DELAY = 0.1


def as_bounded(name: str, value: Any, *, least: float, most: float = LONGEST_WAIT) -> float:
    """Return a number that has both bounds, e.g. seconds that can be waited; also from a text or a ``timedelta``."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    try:
        number = as_number(name, value, least=least)
    except OverflowError:
        # Not quoted: Python refuses to write some of these numbers, too.
        raise BackendParameterError(f"{name} is not a number from {least:,} to {most:,.0f}") from None
    if number > most:
        raise BackendParameterError(f"{name}={value!r} is too large: the maximum is {most:,.0f}")
    return number


def as_whole(name: str, value: Any, *, least: int, most: int = 2**31) -> int:
    """Return a whole number that has both bounds; also from a text."""
    number = as_bounded(name, value, least=least, most=most)
    if not number.is_integer():
        raise BackendParameterError(f"{name}={number!r} must be a whole number")
    return int(number)


def as_optional_whole(name: str, value: Any, *, least: int) -> int | None:
    """Return a whole number, or None where there is none."""
    if value is None or (isinstance(value, str) and value.strip() in EMPTY_RENDERINGS):
        return None
    return as_whole(name, value, least=least)


def as_waiter_delay(name: str, value: Any) -> float:
    """Return the maximum seconds between status checks."""
    return as_bounded(name, value, least=LEAST_WAITER_DELAY)


def as_waiter_max_attempts(name: str, value: Any) -> float:
    """Return the factor of ``waiter_delay`` in the time budget."""
    return as_bounded(name, value, least=1, most=LONGEST_WAIT / LEAST_WAITER_DELAY)


def budget_problems(values: Mapping[str, Any]) -> list[str]:
    """Return a sentence if the time budget cannot be waited for, each factor of which can."""
    try:
        delay = as_waiter_delay("waiter_delay", values.get("waiter_delay"))
        attempts = as_waiter_max_attempts("waiter_max_attempts", values.get("waiter_max_attempts"))
    except BackendParameterError:
        return []  # a template, or reported already
    if delay * attempts <= LONGEST_WAIT:
        return []
    return [
        f"waiter_delay={delay:g} * waiter_max_attempts={attempts:g} is a time budget of {delay * attempts:,.0f} s; "
        f"the maximum is {LONGEST_WAIT:,.0f} s (ten years)"
    ]
