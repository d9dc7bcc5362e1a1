"""The verdict of the reaper on an environment: a pure function of what is known of it, the time and the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow_provider_amplifybackend.guard.lease import Lease
from airflow_provider_amplifybackend.guard.protected import matches


class OwnerState(StrEnum):
    """The state of the run that has a lease."""

    LIVING = "living"
    # It has ended, or was deleted.
    ENDED = "ended"
    # It cannot be asked about.
    UNKNOWN = "unknown"


class Action(StrEnum):
    """The reaper's verdict."""

    DELETE = "delete"
    # There is no such environment any more: only its lease goes.
    RELEASE = "release"
    KEEP = "keep"


class Why(StrEnum):
    """The reason of a verdict."""

    LEASE_ENDED = "lease_ended"
    MATCHES = "matches"
    PINNED = "pinned"
    PROTECTED = "protected"
    GUARDED = "guarded"
    PENDING = "pending_job"
    UNREADABLE_LEASE = "unreadable_lease"
    OTHER_DAG = "other_dag"
    LEASED = "leased"
    RUN_LIVES = "run_lives"
    RUN_UNKNOWN = "run_unknown"
    OLDER_THAN_LEASE = "older_than_lease"
    NO_RULE = "no_rule"
    YOUNG = "young"
    AGE_UNKNOWN = "age_unknown"
    NEXT_RUN = "next_run"


@dataclass(frozen=True)
class FleetRow:
    """Everything that the verdict on an environment depends on."""

    app_id: str
    environment: str
    exists: bool = True
    created: datetime | None = None
    lease: Lease | None = None
    # A tag is there that is no lease which this version reads.
    has_unreadable_lease: bool = False
    owner: OwnerState = OwnerState.UNKNOWN
    is_pinned: bool = False
    # What protects it by name, and what else the guard would refuse for or cannot read; empty: nothing.
    protected: str = ""
    guarded: str = ""
    # A job that has not ended; empty: there is none.
    pending: str = ""
    # Whether it is guarded or pending only because something cannot be read, a setting of the guard included.
    is_unread: bool = False


@dataclass(frozen=True)
class Rules:
    """The rules of a reaper.

    :param name: A pattern of names of environments without a lease; None: no such environment is reaped.
    :param older_than: The age that these must have.
    :param dag_ids: A pattern of the DAGs whose leases count.
    """

    name: str | None = None
    older_than: timedelta | None = None
    dag_ids: str = "*"


@dataclass(frozen=True)
class Decision:
    """The verdict on an environment, and its reason."""

    app_id: str
    environment: str
    action: Action
    why: Why
    text: str
    # Whether it is kept only because something cannot be read: next time, too, unless somebody sees to it.
    is_unread: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as an XCom has it."""
        return {
            "app_id": self.app_id,
            "backend_environment_name": self.environment,
            "action": str(self.action),
            "why": str(self.why),
            "text": self.text,
        }


def decide(row: FleetRow, now: datetime, rules: Rules) -> Decision:
    """Return the verdict on an environment: every doubt keeps it."""
    action, why, text = _verdict(row, now, rules)
    is_unread = row.is_unread and why in (Why.GUARDED, Why.PENDING)
    return Decision(row.app_id, row.environment, action, why, text, is_unread)


def no_more_than(most: int, decisions: Iterable[Decision]) -> Iterator[Decision]:
    """Yield the verdicts, those that go beyond what one run can delete left to the next one."""
    left = most
    for one in decisions:
        if one.action is not Action.DELETE:
            yield one
        elif left:
            left -= 1
            yield one
        else:
            text = f"one run deletes at most {most:,} ([core] max_map_length of Airflow); the next run deletes it"
            yield replace(one, action=Action.KEEP, why=Why.NEXT_RUN, text=f"{text}: {one.text}")


def _verdict(row: FleetRow, now: datetime, rules: Rules) -> tuple[Action, Why, str]:
    obstacle = _obstacle(row)
    if obstacle:
        return Action.KEEP, *obstacle
    if row.lease is not None:
        return _on_lease(row, row.lease, now, rules)
    return _without_lease(row, now, rules)


def _obstacle(row: FleetRow) -> tuple[Why, str] | None:
    if row.is_pinned:
        return Why.PINNED, "somebody keeps it: its pin is a tag of the app"
    if row.protected:
        return Why.PROTECTED, row.protected
    if row.guarded:
        return Why.GUARDED, row.guarded
    if row.pending:
        return Why.PENDING, f"it has {row.pending}"
    if row.has_unreadable_lease:
        return Why.UNREADABLE_LEASE, "its lease cannot be read: correct or remove the tag"
    return None


def _on_lease(row: FleetRow, lease: Lease, now: datetime, rules: Rules) -> tuple[Action, Why, str]:
    run = f"run {lease.run_id} of DAG {lease.dag_id}"
    if not matches(rules.dag_ids, lease.dag_id):
        return Action.KEEP, Why.OTHER_DAG, f"{run} has it, which this reaper is not for"
    if not lease.has_ended(now):
        return Action.KEEP, Why.LEASED, f"{run} has it until {lease.until:%Y-%m-%d %H:%M:%S} UTC"
    if row.owner is OwnerState.LIVING:
        return Action.KEEP, Why.RUN_LIVES, f"{run} is still running"
    if row.owner is OwnerState.UNKNOWN:
        return Action.KEEP, Why.RUN_UNKNOWN, f"nobody knows whether {run} is still running"
    ended = f"its lease ended at {lease.until:%Y-%m-%d %H:%M:%S} UTC, and {run} is over"
    if not row.exists:
        return Action.RELEASE, Why.LEASE_ENDED, f"it is gone, {ended}"
    if row.created is None:
        return Action.KEEP, Why.AGE_UNKNOWN, "it cannot be read when it was created"
    if row.created < lease.since:
        return Action.KEEP, Why.OLDER_THAN_LEASE, "it is older than its lease, so that it was not made for it"
    return Action.DELETE, Why.LEASE_ENDED, ended


def _without_lease(row: FleetRow, now: datetime, rules: Rules) -> tuple[Action, Why, str]:
    if rules.name is None or rules.older_than is None or not matches(rules.name, row.environment):
        return Action.KEEP, Why.NO_RULE, "it has no lease, and no rule is for it"
    if row.created is None:
        return Action.KEEP, Why.AGE_UNKNOWN, "it cannot be read when it was created"
    age = now - row.created
    if age <= rules.older_than:
        return Action.KEEP, Why.YOUNG, f"it is {_shown(age)} old, not more than {_shown(rules.older_than)}"
    return Action.DELETE, Why.MATCHES, f"its name matches {rules.name!r}, and it is {_shown(age)} old"


def _shown(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    return f"{hours / 24:.1f} d" if hours >= 48 else f"{hours:.1f} h"
