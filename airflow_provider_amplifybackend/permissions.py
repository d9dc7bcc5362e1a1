"""Which operations of AmplifyBackend an operator or sensor calls, and so which IAM actions its credentials need.

The calls around a start are made in ``hooks/start.py`` and ``polling.py``: whoever adds one there adds it here.
tests/docs compares this table with what the local service's journal shows. docs/operators.md is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_amplifybackend.jobs import JOB_OPERATIONS, Effect, JobOperation

# What an operation needs of other services.
DEPENDENT_ACTIONS = {"ListS3Buckets": ("s3:ListAllMyBuckets",)}

_READS = {"auth": "GetBackendAuth", "api": "GetBackendAPI", "storage": "GetBackendStorage"}
_SENSOR_CALLS = {
    "BackendJobSensor": ("GetBackendJob",),
}


@dataclass(frozen=True)
class Calls:
    """The operations that a task calls."""

    always: tuple[str, ...]
    """In a run in which nothing goes wrong."""
    sometimes: tuple[str, ...] = ()
    """Besides, in a retry, after a start that was refused or whose answer was lost, or while a job cannot be found."""


def calls_of(task_class: type) -> Calls:
    """Return the operations that an operator or sensor calls.

    :raises LookupError: It is a sensor that has no entry here.
    """
    operation = getattr(task_class, "api_operation", None)
    if operation is None:
        if task_class.__name__ not in _SENSOR_CALLS:
            raise LookupError(f"add the calls of {task_class.__name__} to {__name__}")
        return Calls(_SENSOR_CALLS[task_class.__name__])
    job_operation = JOB_OPERATIONS.get(operation)
    return _calls_of_start(job_operation) if job_operation else Calls((operation,))


def iam_actions(operations: tuple[str, ...]) -> tuple[str, ...]:
    """Return the IAM actions that calling the operations needs."""
    dependent = (action for operation in operations for action in DEPENDENT_ACTIONS.get(operation, ()))
    return (*(f"amplifybackend:{operation}" for operation in operations), *dependent)


def _calls_of_start(operation: JobOperation) -> Calls:
    # The job of a config is in an environment that only the answer names, so nothing is listed before the start.
    listing = () if operation.resource == "config" else ("ListBackendJobs",)
    always = (operation.name, *listing, *_existence_check(operation), "GetBackendJob")
    sometimes = tuple(name for name in ("ListBackendJobs", "GetBackend") if name not in always)
    return Calls(always, sometimes)


def _existence_check(operation: JobOperation) -> tuple[str, ...]:
    """Return how a start finds out whether what it creates or removes exists."""
    if operation.effect is Effect.CHANGES or operation.resource == "config":
        return ()
    is_import = operation.name.startswith("Import")  # the resource has no name yet
    return ("GetBackend" if is_import else _READS.get(operation.resource, "GetBackend"),)
