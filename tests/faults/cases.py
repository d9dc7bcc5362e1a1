"""The task instances of a campaign: drawn from a seed, each in an app of its own."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, Effect
from airflow_provider_amplifybackend.parameters import service_model
from tests.operators.requests_by_operation import CASES, operator_classes

# The same operation with what somebody else would want of it; the rest of the request is the same.
THEIRS: dict[str, dict[str, Any]] = {
    "CloneBackend": {"TargetEnvironmentName": "theirs"},
    "CreateBackendAuth": {"ResourceConfig": {"UserPoolConfigs": {"PasswordPolicy": {"MinimumLength": 8.0}}}},
    "UpdateBackendAuth": {"ResourceConfig": {"UserPoolConfigs": {"PasswordPolicy": {"MinimumLength": 9.0}}}},
    "ImportBackendAuth": {"UserPoolId": "us-east-1_Theirs"},
    "DeleteBackendAuth": {"ResourceName": "theirs"},
    "CreateBackendAPI": {"ResourceConfig": {"TransformSchema": "type Theirs @model { id: ID! }"}},
    "UpdateBackendAPI": {"ResourceConfig": {"TransformSchema": "type Theirs @model { id: ID! }"}},
    "DeleteBackendAPI": {"ResourceName": "theirs"},
    "CreateBackendStorage": {"ResourceConfig": {"Permissions": {"Authenticated": ["DELETE"]}}},
    "UpdateBackendStorage": {"ResourceConfig": {"Permissions": {"Authenticated": ["DELETE"]}}},
    "ImportBackendStorage": {"BucketName": "their-pictures"},
    "DeleteBackendStorage": {"ResourceName": "theirs"},
}
STRANGERS = {"none": 82, "same operation": 9, "pending": 5, "old": 4}


@dataclass(frozen=True)
class Case:
    """One task instance: what is asked for, where, and who else is there."""

    number: int
    app_id: str
    operation: str
    request: dict[str, Any]
    environment: dict[str, Any]
    stranger: str
    parameters: dict[str, Any] = field(default_factory=dict)
    """Of the operator, beside those of the API."""
    is_cleared: bool = False
    seed: int = 0

    @property
    def environments(self) -> tuple[str, ...]:
        return JOB_OPERATIONS[self.operation].environments(self.request)

    @property
    def theirs(self) -> dict[str, Any]:
        """The stranger's request."""
        request: dict[str, Any] = _merged(self.request, THEIRS[self.operation])
        return request

    def is_ours(self, parameters: Mapping[str, Any]) -> bool:
        """Whether a request in the journal is this task's and not the stranger's."""
        return self.stranger != "same operation" or not _holds(parameters, THEIRS[self.operation])

    def operator(self, **more: Any) -> Any:
        names = {member: parameter for parameter, member in service_model.members(self.operation).items()}
        own = {names[member]: copy.deepcopy(value) for member, value in self.request.items()}
        return _classes()[f"{self.operation}Operator"](task_id="task", **own, **self.parameters, **more)

    def seed_document(self) -> dict[str, Any]:
        """The app as it is before the task."""
        app: dict[str, Any] = {"app_id": self.app_id, "app_name": "shop", "environments": [self.environment]}
        place = {"environment": self.environment["name"]}
        if self.stranger == "pending":
            app["jobs"] = [place | {"operation": "UpdateBackendAPI", "status": "RUNNING", "seconds": 0.8}]
        if self.stranger == "old":
            old = place | {"operation": self.operation, "status": "COMPLETED", "age_seconds": 600}
            app["jobs"] = [old, old | {"age_seconds": 30}]
        return app


@cache
def _classes() -> dict[str, Any]:
    return dict(operator_classes())


def draw(seed: int, number: int, prefix: str) -> Case:
    """Draw the case with this number; the same for the same seed."""
    random_ = random.Random(f"{seed} {number}")
    operation = random_.choice(sorted(JOB_OPERATIONS))
    given = CASES[operation]
    stranger = random_.choices(list(STRANGERS), weights=list(STRANGERS.values()))[0]
    if stranger == "same operation" and operation not in THEIRS:
        stranger = "none"
    app_id = f"d{prefix}{number}"
    environment = copy.deepcopy(given.environment)
    if THEIRS.get(operation, {}).get("ResourceName"):
        kind = JOB_OPERATIONS[operation].resource
        environment.setdefault(kind, {})["theirs"] = None
    return Case(
        number=number,
        app_id=app_id,
        operation=operation,
        request={"AppId": app_id} | copy.deepcopy(given.request),
        environment=environment,
        stranger=stranger,
        parameters=_parameters(random_, operation),
        is_cleared=random_.random() < 0.05,
        seed=random_.getrandbits(32),
    )


def _parameters(random_: random.Random, operation: str) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "deferrable": random_.random() < 0.5,
        "wait_for_completion": random_.random() < 0.9,
        "on_pending_job": "fail" if random_.random() < 0.05 else "wait",
        "waiter_delay": 0.3,
        "waiter_max_attempts": 200,
    }
    effect = JOB_OPERATIONS[operation].effect
    if effect is Effect.CREATES:
        drawn["if_exists"] = "skip" if random_.random() < 0.3 else "fail"
    if effect is Effect.REMOVES:
        drawn["if_missing"] = "skip" if random_.random() < 0.3 else "fail"
    drawn["on_failure"] = "delete_target" if random_.random() < 0.5 else "keep"
    known = _classes()[f"{operation}Operator"].template_fields
    return {name: value for name, value in drawn.items() if name in known}


def _merged(ours: Any, theirs: Any) -> Any:
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        return copy.deepcopy(theirs)
    return {**copy.deepcopy(dict(ours)), **{name: _merged(ours.get(name), value) for name, value in theirs.items()}}


def _holds(shown: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(shown, Mapping) and all(_holds(shown.get(name), value) for name, value in wanted.items())
    return bool(shown == wanted)
