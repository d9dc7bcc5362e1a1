"""The part of a seed that AWS Amplify and CloudFormation tell of: the signs that an environment must not be touched.

Each can be set on what is there already, by a seed that names it again; what a seed leaves out stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.api_model import CLOUDFORMATION, service_model
from airflow_provider_amplifybackend.local.service.errors import AnsweredError
from airflow_provider_amplifybackend.local.service.hosting import ENDED
from airflow_provider_amplifybackend.local.service.names import askable
from airflow_provider_amplifybackend.local.service.neighbours import cloudformation, tags
from airflow_provider_amplifybackend.local.service.stack_parts import DEPLOYMENT_BUCKET_KIND, LEFTOVER_TYPES
from airflow_provider_amplifybackend.local.testing import seed_checks as read
from airflow_provider_amplifybackend.local.testing.seed_checks import SeedError

SIGN_MEMBERS = ("age_seconds", "locked", "stack_policy", "termination_protection", "retain")
RETAINABLE = (DEPLOYMENT_BUCKET_KIND, *LEFTOVER_TYPES)

# As `amplify gen2-migration lock` leaves them: a variable of the app, and a statement in the root stack's policy.
MIGRATION_VARIABLE = "GEN2_MIGRATION_ENVIRONMENT_NAME"
LOCK_STATEMENT = {"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}

_LONGEST_VARIABLE = 5500


@dataclass(frozen=True)
class SeededSigns:
    """The signs that an environment is to show; None: as it is."""

    age_seconds: float | None = None
    locked: bool | None = None
    stack_policy: str | None = None
    termination_protection: bool | None = None
    retain: frozenset[str] | None = None

    @property
    def are_of_the_stack(self) -> bool:
        return any(
            one is not None for one in (self.locked, self.stack_policy, self.termination_protection, self.retain)
        )


@dataclass(frozen=True)
class SeededStack:
    """A stack that is no environment's: one of Gen 2, or what a migration holds."""

    name: str
    status: str
    age_seconds: float
    policy: str | None
    termination_protection: bool
    tags: dict[str, str | None]
    outputs: dict[str, str | None]


@dataclass(frozen=True)
class SeededBranchJob:
    """A job that has ended, or that ends `seconds` from now; without them it never does."""

    status: str
    seconds: float | None
    age_seconds: float


@dataclass(frozen=True)
class SeededBranch:
    """A branch with its jobs, the oldest first."""

    name: str
    tags: dict[str, str | None] = field(default_factory=dict)
    jobs: tuple[SeededBranchJob, ...] = ()


def read_signs(entry: Mapping[str, Any]) -> SeededSigns:
    return SeededSigns(
        age_seconds=read.optional_age(entry),
        locked=read.optional_flag(entry, "locked"),
        stack_policy=_policy(entry.get("stack_policy")),
        termination_protection=read.optional_flag(entry, "termination_protection"),
        retain=_retain(entry.get("retain")),
    )


def _policy(given: Any) -> str | None:
    """Return a policy as SetStackPolicy takes it, from its text or as an object."""
    if given is None:
        return None
    text = json.dumps(given) if isinstance(given, Mapping) else checks.text(given, "stack_policy")
    if not cloudformation.is_policy(text):
        raise SeedError(f"stack_policy must be a JSON object with a Statement, not {checks.shown(given)}")
    return text


def _retain(given: Any) -> frozenset[str] | None:
    if given is None:
        return None
    kinds = read.entries(given, "retain")
    for kind in kinds:
        if not isinstance(kind, str) or kind not in RETAINABLE:
            raise SeedError(f"retain takes {', '.join(RETAINABLE)}, not {checks.shown(kind)}")
    return frozenset(kinds)


def read_variables(given: Any) -> dict[str, str | None]:
    variables = read.texts(given, "variables")
    for name, value in variables.items():
        if not 1 <= len(name) <= checks.LONGEST_NAME or len(value or "") > _LONGEST_VARIABLE:
            raise SeedError(f"variables: {checks.shown(name)} or its value is too long, or has no name")
    return variables


def read_tags(given: Any) -> dict[str, str | None]:
    found = read.texts(given, "tags")
    try:
        tags.check({key: value or "" for key, value in found.items()})
    except AnsweredError as refusal:
        raise SeedError(f"tags: {refusal.message}") from None
    return found


def read_branch(entry: Any) -> SeededBranch:
    if isinstance(entry, str):
        entry = {"name": entry}
    read.only(entry, "a branch", "name", "tags", "jobs")
    return SeededBranch(
        name=askable(read.required(entry, "a branch", "name"), "a branch's name"),
        tags=read_tags(entry.get("tags", {})),
        jobs=tuple(_branch_job(one) for one in read.entries(entry.get("jobs", ()), "a branch's jobs")),
    )


def _branch_job(entry: Any) -> SeededBranchJob:
    read.only(entry, "a branch's job", "status", "seconds", "age_seconds")
    status, seconds = entry.get("status", "SUCCEED"), entry.get("seconds")
    if checks.text(status, "status") not in (*ENDED, "RUNNING"):
        raise SeedError(f"a branch's job is {', '.join(sorted(ENDED))} or RUNNING, not {checks.shown(status)}")
    return SeededBranchJob(
        status=status,
        seconds=None if seconds is None else checks.seconds(seconds, "seconds"),
        age_seconds=read.age(entry.get("age_seconds", 0)),
    )


def read_stack(entry: Any) -> SeededStack:
    if isinstance(entry, str):
        entry = {"name": entry}
    read.only(
        entry, "a stack", "name", "status", "age_seconds", "stack_policy", "termination_protection", "tags", "outputs"
    )
    status = checks.text(entry.get("status", "CREATE_COMPLETE"), "status")
    known = service_model(CLOUDFORMATION).shape_for("StackStatus").metadata["enum"]
    if status not in known:
        raise SeedError(f"a stack's status is one of {', '.join(known)}, not {checks.shown(status)}")
    return SeededStack(
        name=checks.short_name(read.required(entry, "a stack", "name"), "a stack's name"),
        status=status,
        age_seconds=read.age(entry.get("age_seconds", 0)),
        policy=_policy(entry.get("stack_policy")),
        termination_protection=bool(read.optional_flag(entry, "termination_protection")),
        tags=read.texts(entry.get("tags", {}), "tags"),
        outputs=read.texts(entry.get("outputs", {}), "outputs"),
    )
