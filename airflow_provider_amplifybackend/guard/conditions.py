"""Conditions that a user sets on a deletion or a change: ``only_if``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_amplifybackend.guard.protected import matches, pattern_problem
from airflow_provider_amplifybackend.guard.signs import Facts
from airflow_provider_amplifybackend.parameters.durations import duration_of
from airflow_provider_amplifybackend.parameters.lookalikes import listed

KEYS = ("name", "older_than", "no_pending_job", "empty", "created_by_this_run")


class ConditionError(Exception):
    """Conditions that cannot be read; the text says what is wrong."""


@dataclass(frozen=True)
class Conditions:
    """Conditions that must all hold at the moment of the deletion or change."""

    name: str | None = None
    older_than: timedelta | None = None
    no_pending_job: bool = False
    empty: bool = False
    created_by_this_run: bool = False
    # The run that is meant, by its digest as a lease has it; whoever asks knows it. None: there is none.
    run: str | None = None

    @property
    def wants_facts(self) -> bool:
        """Tell whether anything must be read of the environment."""
        return self.wants_age or self.empty

    @property
    def wants_age(self) -> bool:
        """Tell whether the age of the environment must be read."""
        return self.older_than is not None or self.created_by_this_run

    def unmet(self, environment: str, facts: Facts) -> list[str]:
        """Return a sentence for each condition that does not hold, or cannot be read."""
        checks: tuple[Callable[[str, Facts], str | None], ...] = (
            self._name,
            self._age,
            self._emptiness,
            self._jobs,
            self._origin,
        )
        return [found for check in checks if (found := check(environment, facts))]

    def _name(self, environment: str, facts: Facts) -> str | None:
        if self.name is None or matches(self.name, environment):
            return None
        return f"name: {environment!r} does not match {self.name!r}"

    def _age(self, environment: str, facts: Facts) -> str | None:
        if self.older_than is None or not facts.exists:
            return None
        if facts.created is None:
            return f"older_than: it cannot be read when environment {environment} was created"
        age = facts.now - facts.created
        if age > self.older_than:
            return None
        return f"older_than: environment {environment} is {_shown(age)} old, not more than {_shown(self.older_than)}"

    def _emptiness(self, environment: str, facts: Facts) -> str | None:
        if not self.empty or not facts.exists:
            return None
        if facts.is_empty is None:
            return f"empty: the configuration of environment {environment} cannot be read"
        return None if facts.is_empty else f"empty: environment {environment} has resources"

    def _jobs(self, environment: str, facts: Facts) -> str | None:
        if not self.no_pending_job:
            return None
        if facts.pending_jobs is None:
            return f"no_pending_job: the jobs of environment {environment} cannot be listed"
        if not facts.pending_jobs:
            return None
        return f"no_pending_job: environment {environment} has job {facts.pending_jobs[0]}"

    def _origin(self, environment: str, facts: Facts) -> str | None:
        if not self.created_by_this_run or not facts.exists:
            return None
        problem = self._origin_problem(environment, facts)
        return f"created_by_this_run: {problem}" if problem else None

    def _origin_problem(self, environment: str, facts: Facts) -> str | None:
        lease = facts.lease
        if facts.lease_problem:
            return facts.lease_problem
        if self.run is None:
            return "this is not the task of a run"
        if lease is None:
            return f"environment {environment} has no lease"
        if lease.run != self.run:
            return f"environment {environment} is leased to run {lease.run_id} of DAG {lease.dag_id}"
        if facts.created is None:
            return f"it cannot be read when environment {environment} was created"
        if facts.created < lease.since:
            return f"environment {environment} is older than its lease"
        return None


def conditions_of(value: Any) -> Conditions:
    """Return the conditions that a mapping states, rendered or not.

    :raises ConditionError: A key is unknown, or its value cannot be used.
    """
    if value is None:
        return Conditions()
    if not isinstance(value, Mapping):
        raise ConditionError(f"must be a dictionary of conditions, not {type(value).__name__}")
    unknown = [str(key) for key in value if key not in KEYS]
    if unknown:
        raise ConditionError(f"has unknown conditions: {listed(unknown)}. Known ones: {', '.join(KEYS)}")
    return Conditions(
        name=_pattern(value["name"]) if "name" in value else None,
        older_than=_duration(value["older_than"]) if "older_than" in value else None,
        no_pending_job=_only_true("no_pending_job", value),
        empty=_only_true("empty", value),
        created_by_this_run=_only_true("created_by_this_run", value),
    )


def _pattern(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else value
    problem = pattern_problem(text) or ("has a slash" if "/" in text else None)
    if problem or text == "None":
        raise ConditionError(f"name {problem or 'is missing a value'}: pass a pattern such as 'pr*'")
    return str(text)


def _duration(value: Any) -> timedelta:
    try:
        return duration_of(value)
    except ValueError as error:
        raise ConditionError(f"older_than {error}") from None


def _only_true(key: str, conditions: Mapping[str, Any]) -> bool:
    if key not in conditions:
        return False
    if conditions[key] is True or str(conditions[key]).strip().lower() == "true":
        return True
    raise ConditionError(f"{key} can only be True: leave it out if it does not matter")


def _shown(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}".replace(".0 ", " ")
    return f"{seconds} s"


def utc_now(seconds: float) -> datetime:
    """Return seconds since the epoch as a time."""
    return datetime.fromtimestamp(seconds, UTC)
