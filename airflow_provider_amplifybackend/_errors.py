"""The exception that a user sees for an error of a call, or for a wait that is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend.core.job import JobRef
from airflow_provider_amplifybackend.core.requests import NOT_A_NAME, ServiceError
from airflow_provider_amplifybackend.core.status_check import Awaited
from airflow_provider_amplifybackend.core.waiting import Wait
from airflow_provider_amplifybackend.exceptions import (
    BackendJobTimeoutError,
    BackendParameterError,
    BackendRequestError,
    BackendTimeoutError,
)


def timeout_error(wait: Wait, now: float) -> BackendTimeoutError:
    """Return the error for a wait that is over."""
    error = BackendJobTimeoutError if isinstance(wait.awaited, JobRef) else BackendTimeoutError
    return error(
        wait.awaited,
        waited=now - wait.started,
        last_status=wait.last_status,
        last_error=str(wait.last_error) if wait.last_error else None,
    )


def wait_error(awaited: Awaited, error: ServiceError) -> BackendRequestError | BackendParameterError:
    """Return the error for a wait that a call has ended."""
    if error.code == NOT_A_NAME:
        return BackendParameterError(error.message)
    return BackendRequestError(f"Stopped waiting after {error}: {awaited}")


def request_error(error: ServiceError, request: Mapping[str, Any]) -> BackendRequestError | BackendParameterError:
    """Return the error that a user sees for a failed call: with app, environment and job, and the service's message."""
    if error.code == NOT_A_NAME:
        return BackendParameterError(error.message)
    names = ("AppId", "BackendEnvironmentName", "TargetEnvironmentName", "JobId")
    where = ", ".join(f"{name}={request[name]}" for name in names if request.get(name))
    message = f"{error.operation} failed ({error.reason}) for {where or 'this account'}: {error.message}"
    if error.code == "ParamValidationError":
        return BackendParameterError(message)
    return BackendRequestError(message)
