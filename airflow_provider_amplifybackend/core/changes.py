"""A change of an environment, as asset events tell of it: the facts of the job that made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend.core.job import Job, iso_time
from airflow_provider_amplifybackend.core.operations import Operation

# The parameters of operators for the members that can name the environment of an operation.
_PARAMETERS = {
    "BackendEnvironmentName": "backend_environment_name",
    "TargetEnvironmentName": "target_environment_name",
}


def environment_parameter(operation: Operation) -> str | None:
    """Return the parameter that names the environment which an operator changes; None if it changes the app."""
    return _PARAMETERS[operation.environment] if operation.environment else None


def changed_environment(operation: Operation, parameters: Mapping[str, Any]) -> str | None:
    """Return the environment that an operator changes, by its parameters; None if it changes the app."""
    parameter = environment_parameter(operation)
    name = parameters.get(parameter) if parameter else None
    return str(name) if name else None


def change_of(job: Job) -> dict[str, str | None]:
    """Return the facts of a job that has ended. They have no text of the service, which can repeat a secret."""
    return {
        "app_id": job.app_id,
        "backend_environment_name": job.backend_environment_name or None,
        "job_id": job.job_id or None,
        "operation": job.operation,
        "status": job.status,
        "created_at": iso_time(job.create_time_ms),
        "updated_at": iso_time(job.update_time_ms),
    }
