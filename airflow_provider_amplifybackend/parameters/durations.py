"""Durations, as people write them: ``"6h"``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.limits import LONGEST_WAIT

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_find_duration = re.compile(r"([0-9]{1,9})\s*([smhdw])").fullmatch


def duration_of(value: Any) -> timedelta:
    """Return a duration of at most ten years: a number with a unit, or a ``timedelta``.

    :raises ValueError: It is none; the text says what it must be.
    """
    if isinstance(value, timedelta):
        found = value
    else:
        match = _find_duration(value.strip().lower()) if isinstance(value, str) else None
        if match is None:
            raise ValueError("must be a number with s, m, h, d or w, such as '6h', or a timedelta")
        # Cut before it is a timedelta, which cannot hold all of these numbers.
        found = timedelta(seconds=min(int(match[1]) * _UNITS[match[2]], LONGEST_WAIT + 1))
    if found <= timedelta(0):
        raise ValueError("must be more than nothing")
    if found.total_seconds() > LONGEST_WAIT:
        raise ValueError(f"is too long: the maximum is {LONGEST_WAIT / _UNITS['d']:.0f}d (ten years)")
    return found


def as_duration(name: str, value: Any) -> timedelta:
    """Return a duration."""
    try:
        return duration_of(value)
    except ValueError as error:
        raise BackendParameterError(f"{name} {error}") from None
