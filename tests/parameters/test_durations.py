"""Durations, as people write them: what is none, or longer than dates can hold, is refused by its name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.guard.conditions import ConditionError, conditions_of
from airflow_provider_amplifybackend.parameters.durations import as_duration
from airflow_provider_amplifybackend.parameters.limits import LONGEST_WAIT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("6h", timedelta(hours=6)),
        (" 2 W ", timedelta(weeks=2)),
        ("3653d", timedelta(days=3653)),
        (timedelta(seconds=LONGEST_WAIT), timedelta(days=3653)),
        (timedelta(microseconds=1), timedelta(microseconds=1)),
    ],
)
def test_a_duration_is_read(value: Any, expected: timedelta) -> None:
    assert as_duration("ttl", value) == expected


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("3654d", "is too long"),
        ("9999999d", "is too long"),
        ("200000000w", "is too long"),
        ("999999999w", "is too long"),
        (timedelta(days=3653, microseconds=1), "is too long"),
        (timedelta.max, "is too long"),
        ("0h", "must be more than nothing"),
        (timedelta.min, "must be more than nothing"),
        ("6", "must be a number with s, m, h, d or w"),
        (6, "must be a number with s, m, h, d or w"),
        (None, "must be a number with s, m, h, d or w"),
    ],
)
def test_what_is_no_duration_that_can_be_waited_is_refused_by_its_name(value: Any, complaint: str) -> None:
    with pytest.raises(BackendParameterError, match=f"^ttl {complaint}"):
        as_duration("ttl", value)
    with pytest.raises(ConditionError, match=f"^older_than {complaint}"):
        conditions_of({"older_than": value})
