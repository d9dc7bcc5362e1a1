"""The signs that an environment is being migrated, or is not to be deleted: where they are read, and what they mean.

A sign is found, or it is certainly absent, or it cannot be read; the three are told apart, because only the reader of
the setting ``guard`` decides what to make of the third. What cannot be read for the moment only is a fourth.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.meta_config import outputs, parse_document
from airflow_provider_amplifybackend.core.requests import ServiceError
from airflow_provider_amplifybackend.core.timing import http_date
from airflow_provider_amplifybackend.guard.lease import Lease
from airflow_provider_amplifybackend.guard.protected import folded

MIGRATION_VARIABLE = "GEN2_MIGRATION_ENVIRONMENT_NAME"
HOLDING_SUFFIX = "-holding"
# What the service answers for an environment that is gone, and for other things, too.
AMBIGUOUS = "ValidationException"
# All but DELETE_COMPLETE, under which a stack is listed for 90 more days.
STACK_STATUSES = (
    "CREATE_IN_PROGRESS",
    "CREATE_FAILED",
    "CREATE_COMPLETE",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_FAILED",
    "ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS",
    "DELETE_FAILED",
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "REVIEW_IN_PROGRESS",
    "IMPORT_IN_PROGRESS",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_IN_PROGRESS",
    "IMPORT_ROLLBACK_FAILED",
    "IMPORT_ROLLBACK_COMPLETE",
)


@dataclass(frozen=True)
class Ask:
    """A read of a service that the driver is asked to make."""

    service: str
    operation: str
    request: Mapping[str, Any]


class UnreadableError(Exception):
    """A read that has brought no answer.

    :param is_missing: The service says that there is no such thing, which is an answer, too.
    :param hiccup: The error of a service that could answer a moment later: it throttles, fails, or its answer was lost.
    :param step: What was refused before the read itself was asked for: ``sts:AssumeRole``.
    """

    def __init__(
        self,
        ask: Ask,
        why: str,
        *,
        is_missing: bool = False,
        hiccup: ServiceError | None = None,
        step: str | None = None,
    ) -> None:
        super().__init__(f"{step or f'{ask.service}:{ask.operation}'} ({why})")
        self.code = why
        self.is_missing = is_missing
        self.hiccup = hiccup

    @property
    def is_ambiguous(self) -> bool:
        """Tell whether the answer can mean that there is no such thing, and something else as well."""
        return self.is_missing and self.code == AMBIGUOUS


@dataclass(frozen=True)
class Sign:
    """A sign that was found: what it says, and who can lift it."""

    refusal: GuardRefusal
    text: str
    way_out: str


@dataclass
class Facts:
    """The facts of one app or environment; what could not be read is named."""

    now: datetime
    exists: bool = True
    stack_name: str | None = None
    created: datetime | None = None
    is_empty: bool | None = None
    # None: they cannot be read.
    pending_jobs: list[str] | None = field(default_factory=list)
    # The lease that the environment has, or why that cannot be told.
    lease: Lease | None = None
    lease_problem: str | None = None
    signs: list[Sign] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    # Of these, what could be read a moment later.
    hiccups: list[UnreadableError] = field(default_factory=list)

    def note(self, error: UnreadableError) -> None:
        """Note a read that has brought no answer."""
        self.unreadable.append(str(error))
        if error.hiccup:
            self.hiccups.append(error)


def app_signs(app_id: str, facts: Facts, environment: str | None) -> Generator[Ask, Mapping[str, Any], None]:
    """Read the signs of an app.

    :param environment: The one that is to be deleted or changed; None for the app itself, which any migration concerns.
    """
    app = yield from _read(Ask("amplify", "GetApp", {"appId": app_id}), facts)
    variables = ((app or {}).get("app") or {}).get("environmentVariables") or {}
    migrating = variables.get(MIGRATION_VARIABLE)
    if migrating and (environment is None or folded(migrating) == folded(environment)):
        facts.signs.append(
            Sign(
                GuardRefusal.MIGRATING,
                f"the variable {MIGRATION_VARIABLE} of app {app_id} is {migrating!r}: `amplify gen2-migration` is at "
                "work on it",
                "`amplify gen2-migration lock --rollback` or the end of the migration removes it",
            )
        )
    for stack in (yield from _holding_stacks(app_id, facts)):
        facts.signs.append(
            Sign(
                GuardRefusal.HOLDING_STACK,
                f"stack {stack} exists, in which `amplify gen2-migration refactor` keeps what it has moved",
                "finish the migration, or roll its refactor back",
            )
        )


def _holding_stacks(app_id: str, facts: Facts) -> Generator[Ask, Mapping[str, Any], list[str]]:
    found: list[str] = []
    request: dict[str, Any] = {"StackStatusFilter": list(STACK_STATUSES)}
    tokens = set()
    while True:
        page = yield from _read(Ask("cloudformation", "ListStacks", request), facts)
        names = [str(stack.get("StackName", "")) for stack in (page or {}).get("StackSummaries") or []]
        found += [name for name in names if is_holding_stack(name, app_id)]
        token = (page or {}).get("NextToken")
        if not token or token in tokens:
            return found
        tokens.add(token)
        request = {**request, "NextToken": token}


def is_holding_stack(name: str, app_id: str) -> bool:
    """Tell whether a stack holds what was moved out of an app: its name has the app's id, and the suffix."""
    name = name.casefold()
    return name.endswith(HOLDING_SUFFIX) and f"-{app_id.casefold()}-" in f"-{name}"


def environment_signs(
    app_id: str, environment: str, facts: Facts, *, wants_age: bool = False
) -> Generator[Ask, Mapping[str, Any], None]:
    """Read the signs of an environment: those of its root stack, and what conditions ask for.

    Where the service's answer can mean that it is gone, and other things, AWS Amplify decides, which knows it, too.
    """
    names = {"AppId": app_id, "BackendEnvironmentName": environment}
    backend: Mapping[str, Any] = {}
    is_doubtful = False
    try:
        backend = yield Ask("amplifybackend", "GetBackend", names)
    except UnreadableError as error:
        is_doubtful = error.is_ambiguous
        if error.is_missing and not is_doubtful:
            facts.exists = False
            return
        if not error.is_missing:
            facts.note(error)
    meta = parse_document(backend.get("AmplifyMetaConfig"))
    facts.is_empty = is_empty(meta) if backend else None
    facts.stack_name = outputs(meta)["stack_name"]
    if wants_age or not facts.stack_name:
        is_known = yield from _read_age(app_id, environment, facts)
        if is_doubtful and not is_known:
            facts.exists = False
            return
    if not facts.stack_name:
        facts.unreadable.append(f"the root stack of environment {environment}, which nothing names")
        return
    yield from stack_signs(facts.stack_name, facts)


def _read_age(app_id: str, environment: str, facts: Facts) -> Generator[Ask, Mapping[str, Any], bool]:
    """Read what AWS Amplify knows of an environment, and return False if it has no such environment."""
    names = {"appId": app_id, "environmentName": environment}
    answer = yield from _read(Ask("amplify", "GetBackendEnvironment", names), facts)
    if answer is None:
        return False
    known = answer.get("backendEnvironment") or {}
    created = known.get("createTime")
    facts.created = created if isinstance(created, datetime) else None
    facts.now = service_time(answer) or facts.now
    facts.stack_name = facts.stack_name or known.get("stackName")
    return True


def service_time(answer: Mapping[str, Any]) -> datetime | None:
    """Return the service's own time: a worker's clock is another one than that which dated the environment."""
    try:
        return http_date(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, TypeError, ValueError):
        return None


def pending_jobs(app_id: str, environment: str, facts: Facts) -> Generator[Ask, Mapping[str, Any], None]:
    """Read the jobs of an environment that have not ended."""
    known = len(facts.unreadable)
    jobs: list[str] = []
    for status in ("PENDING", "RUNNING"):
        names = {"AppId": app_id, "BackendEnvironmentName": environment, "Status": status}
        page = (yield from _read(Ask("amplifybackend", "ListBackendJobs", names), facts)) or {}
        jobs += [str(job.get("JobId")) for job in page.get("Jobs") or []]
    facts.pending_jobs = jobs if len(facts.unreadable) == known else None


def stack_signs(stack: str, facts: Facts) -> Generator[Ask, Mapping[str, Any], None]:
    """Read the signs of an environment's root stack."""
    described = yield from _read(Ask("cloudformation", "DescribeStacks", {"StackName": stack}), facts)
    for root in (described or {}).get("Stacks") or []:
        if root.get("EnableTerminationProtection"):
            facts.signs.append(
                Sign(
                    GuardRefusal.TERMINATION_PROTECTION,
                    f"its root stack {stack} has termination protection",
                    "whoever may call cloudformation:UpdateTerminationProtection can remove it",
                )
            )
    policy = yield from _read(Ask("cloudformation", "GetStackPolicy", {"StackName": stack}), facts)
    body = (policy or {}).get("StackPolicyBody")
    locked = is_lock(body) if body else False
    if locked is None:
        facts.unreadable.append(f"the policy of stack {stack}, which is not valid JSON")
    elif locked:
        facts.signs.append(
            Sign(
                GuardRefusal.LOCKED,
                f"the policy of its root stack {stack} denies all updates: `amplify gen2-migration lock` leaves it so",
                "`amplify gen2-migration lock --rollback` removes it",
            )
        )


def is_lock(policy: str) -> bool | None:
    """Tell whether a stack policy denies every update of everything; None if it cannot be read.

    The lock's statement stands beside others, so it is looked for and not compared.
    """
    try:
        document = json.loads(policy)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, Mapping):
        return None
    return any(_denies_all_updates(statement) for statement in _as_list(document.get("Statement")))


def _denies_all_updates(statement: Any) -> bool:
    if not isinstance(statement, Mapping) or str(statement.get("Effect", "")).casefold() != "deny":
        return False
    actions = {str(action).casefold() for action in _as_list(statement.get("Action"))}
    resources = {str(resource) for resource in _as_list(statement.get("Resource"))}
    return bool(actions & {"update:*", "*"}) and bool(resources & {"*", "LogicalResourceId/*"})


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def is_empty(meta: Any) -> bool | None:
    """Tell whether an environment has no resource in any category; None if its configuration cannot be read."""
    if not isinstance(meta, Mapping):
        return None
    return not any(meta.get(name) for name in meta if name != "providers")


def _read(ask: Ask, facts: Facts) -> Generator[Ask, Mapping[str, Any], Mapping[str, Any] | None]:
    """Return an answer; None if there is no such thing, and an empty one if it cannot be read, which is then noted."""
    try:
        return (yield ask)
    except UnreadableError as error:
        if error.is_missing:
            return None
        facts.note(error)
        return {}
