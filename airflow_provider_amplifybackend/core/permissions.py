"""The operations that an operator or sensor calls, and the IAM actions that its credentials need for them.

The calls around a start are made in ``start/observation.py``, ``core/status_check.py``, ``core/comparison.py`` and
``guard/signs.py``: who adds one adds it here.
tests/docs compares this table with what the local service's journal shows. docs/operators.md is made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, OPERATIONS, Effect, Operation

# What an operation needs of other services.
DEPENDENT_ACTIONS = {"ListS3Buckets": ("s3:ListAllMyBuckets",)}


@dataclass(frozen=True)
class NeededOperations:
    """The operations that a task calls."""

    always: tuple[str, ...]
    """In a run in which nothing goes wrong."""
    after_trouble: tuple[str, ...] = ()
    """Besides, after a start that was refused or whose answer was lost."""
    with_option: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Besides, or instead, with an option."""
    chapter: str = ""
    """The chapter of docs/iam.md with what it reads of other services."""

    @property
    def all(self) -> tuple[str, ...]:
        """Return every operation that may be called."""
        optional = (name for names in self.with_option.values() for name in names)
        return tuple(dict.fromkeys((*self.always, *self.after_trouble, *optional)))


# What a snapshot reads: of the resources, those that there are.
_SNAPSHOT = ("GetBackend", "GetBackendAuth", "GetBackendAPI", "GetBackendAPIModels", "GetBackendStorage")
# What is no operator of one operation.
_FOR_OTHERS = {
    "BackendJobSensor": NeededOperations(("GetBackendJob",), with_option={"no_job_pending=True": ("ListBackendJobs",)}),
    "BackendEnvironmentSensor": NeededOperations(("GetBackend",)),
    "PlanBackendDeletionOperator": NeededOperations(("GetBackend",), chapter="plan-and-proof"),
    "BackendInventoryOperator": NeededOperations(("GetBackend", "ListBackendJobs"), chapter="fleet"),
    "SnapshotBackendOperator": NeededOperations(_SNAPSHOT),
    "CompareBackendsOperator": NeededOperations(_SNAPSHOT),
}


def needed_operations(task_class: Any) -> NeededOperations:
    """Return the operations that an operator or sensor calls.

    :raises LookupError: It is none of one operation, and has no entry here.
    """
    operation = getattr(task_class, "api_operation", None)
    if operation is None:
        if task_class.__name__ not in _FOR_OTHERS:
            raise LookupError(f"add the calls of {task_class.__name__} to {__name__}")
        return _FOR_OTHERS[task_class.__name__]
    job_operation = JOB_OPERATIONS.get(operation)
    if job_operation is None:
        return NeededOperations((operation, *_reads_of_guard(OPERATIONS[operation])))
    options = {'on_failure="delete_target"': ("DeleteBackend",)} if "on_failure" in task_class.template_fields else {}
    return replace(_needed_for_start(job_operation), with_option=options)


def iam_actions(operations: tuple[str, ...]) -> tuple[str, ...]:
    """Return the IAM actions that calling the operations needs."""
    dependent = (action for operation in operations for action in DEPENDENT_ACTIONS.get(operation, ()))
    return (*(f"amplifybackend:{operation}" for operation in operations), *dependent)


def _needed_for_start(operation: Operation) -> NeededOperations:
    reads = dict.fromkeys((*_reads_of_target(operation), *_reads_of_guard(operation)))
    always = (operation.name, "ListBackendJobs", *reads, "GetBackendJob")
    # The result of an adopted job is compared with the request; a refusal may be for a job in another environment.
    comparison = () if operation.is_import else (operation.read or "GetBackend",)
    after_trouble = dict.fromkeys((*comparison, "GetBackend"))
    return NeededOperations(always, tuple(name for name in after_trouble if name not in always))


def _reads_of_guard(operation: Operation) -> tuple[str, ...]:
    """Return the read with which the guard finds the root stack of an environment, or an app's environments."""
    has_environment = operation.environment is not None or operation.resource == "app"
    return ("GetBackend",) if has_environment and operation.may_disturb_a_migration else ()


def _reads_of_target(operation: Operation) -> tuple[str, ...]:
    """Return the reads with which a start checks whether what it creates or removes exists."""
    if operation.effect is Effect.CHANGES:
        return ()
    return (operation.read or "GetBackend",)
