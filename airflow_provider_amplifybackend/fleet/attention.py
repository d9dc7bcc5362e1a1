"""The findings of an inventory: things that need a person's attention, and which of them first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from airflow_provider_amplifybackend.fleet.gen2 import Readiness
from airflow_provider_amplifybackend.fleet.health import Health
from airflow_provider_amplifybackend.fleet.migration import STUCK_HOLDING_STATUS, Migration, holding_stacks

# Names in one sentence.
MOST_NAMED = 5
LONG_LIST = 500


class Level(StrEnum):
    """The urgency of a finding."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


_ORDER = {level: number for number, level in enumerate(Level)}


@dataclass(frozen=True)
class Finding:
    """A finding: how urgent it is, and a sentence."""

    level: Level
    text: str

    def to_dict(self) -> dict[str, str]:
        """Return it as rows have it."""
        return {"level": str(self.level), "text": self.text}


def findings(row: Mapping[str, Any], stacks: Mapping[str, str], now: datetime, stale_days: float) -> list[Finding]:
    """Return the findings of a row, the most urgent first.

    :param stacks: The stacks of the region with their status.
    :param stale_days: After how many days without a change an environment is worth a question.
    """
    found = [*_of_reading(row), *_of_jobs(row), *_of_migration(row, stacks), *_of_age(row, now, stale_days)]
    return sorted(found, key=lambda finding: _ORDER[finding.level])


def _of_reading(row: Mapping[str, Any]) -> Iterator[Finding]:
    unreadable = row["unreadable"] or []
    if row["kind"] != "environment" or (unreadable and row["jobs"] is None):
        yield Finding(Level.HIGH, f"cannot be read: {_named(unreadable)}")
    elif unreadable:
        yield Finding(Level.MEDIUM, f"cannot be read in full: {_named(unreadable)}")
    if row["health"] == Health.MISSING:
        yield Finding(Level.MEDIUM, "AWS Amplify lists it, and AmplifyBackend knows no such environment")


def _of_jobs(row: Mapping[str, Any]) -> Iterator[Finding]:
    for job in row["stuck_jobs"] or []:
        since = f"{job['since'][:16].replace('T', ' ')} UTC"
        text = f"job {job['job_id']} ({job['operation']}) is {job['status']} since {since} and lets no other begin"
        yield Finding(Level.HIGH, text)
    if row["health"] == Health.FAILED:
        yield Finding(Level.HIGH, f"its last job, {row['last_job_operation']}, has failed ({row['last_job_id']})")
    if (row["jobs"] or 0) > LONG_LIST:
        yield Finding(Level.LOW, f"its list has {row['jobs']} jobs, which each look for a job reads")


def _of_migration(row: Mapping[str, Any], stacks: Mapping[str, str]) -> Iterator[Finding]:
    if row["migration"] in (Migration.LOCKED, Migration.REFACTORED):
        yield Finding(Level.MEDIUM, f"a migration to Gen 2 is under way: {row['migration']}")
    held = holding_stacks(row["app_id"], stacks) if row["app_id"] else {}
    for name in sorted(name for name, status in held.items() if status == STUCK_HOLDING_STATUS):
        text = f"stack {name} is {STUCK_HOLDING_STATUS}: a refactor has failed, and no other can run"
        yield Finding(Level.HIGH, text)
    if row["gen2"] == Readiness.BY_HAND:
        blocked = [
            f"{one['category']}/{one['name']} ({one['note'] or one['service']})"
            for one in row["resources"]
            if "unsupported" in (one["generate"], one["refactor"])
        ]
        yield Finding(Level.LOW, f"to be migrated by hand: {_named(blocked)}")


def _of_age(row: Mapping[str, Any], now: datetime, stale_days: float) -> Iterator[Finding]:
    until = row["lease_until"]
    if until and datetime.fromisoformat(until) <= now:
        yield Finding(Level.MEDIUM, f"its lease ended at {until}, and it is still there")
    idle = row["idle_days"]
    if idle is not None and idle >= stale_days and not row["protection"] and not row["lease"]:
        yield Finding(Level.LOW, f"unchanged for {idle:.0f} days, and neither protected nor leased")


def _named(names: Iterable[str]) -> str:
    known = list(names)
    more = len(known) - MOST_NAMED
    return ", ".join(known[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def urgency(row: Mapping[str, Any]) -> tuple[int, int, str, str, str]:
    """Return the key by which rows are ordered: what needs attention first."""
    levels = [_ORDER[Level(finding["level"])] for finding in row["attention"]]
    first = min(levels, default=len(_ORDER))
    return first, -levels.count(first), row["region"] or "", row["app_id"] or "", row["environment"] or ""
