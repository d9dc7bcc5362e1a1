"""The errors of this package.

::

    AirflowException
    └── AmplifyBackendError
        ├── BackendParameterError     a parameter is wrong; nothing was sent (also an AirflowFailException)
        ├── BackendRequestError       the service, or the way to it, refused a call
        ├── BackendStartError         a job could not be started once; says what is in the way
        ├── BackendJobFailedError     the job ended as FAILED
        └── BackendTimeoutError       what was waited for had not come when the time budget ended
            └── BackendJobTimeoutError  the job had not ended by then
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend._compat import AirflowException, AirflowFailException
from airflow_provider_amplifybackend.jobs import Job, JobRef
from airflow_provider_amplifybackend.polling import ServiceError, Target, Wait

STILL_RUNNING = "The job is still running; AmplifyBackend cannot cancel jobs."


class AmplifyBackendError(AirflowException):
    """Base of all errors of this package."""


class BackendParameterError(AmplifyBackendError, AirflowFailException):
    """A parameter is wrong. A retry cannot help, so the task fails at once."""


class BackendRequestError(AmplifyBackendError):
    """A call was refused or could not be made."""


class BackendStartError(AmplifyBackendError):
    """A job was not started, because something is in the way."""


class BackendJobFailedError(AmplifyBackendError):
    """A job ended as FAILED.

    :param afterwards: What was done about it, in a sentence.
    """

    def __init__(self, job: Job, afterwards: str = "") -> None:
        self.job = job
        cause = f"The service says: {job.error}" if job.error else "The service gives no error text."
        super().__init__(" ".join(filter(None, (f"{job.ref} FAILED.", cause, afterwards))))


class BackendTimeoutError(AmplifyBackendError):
    """What was waited for had not come when the time budget ended."""

    def __init__(
        self, target: Target, *, waited: float, last_status: str | None, last_error: str | None = None
    ) -> None:
        self.target = target
        seen = f"Timed out after {waited:.0f} s; last status: {last_status or 'never seen'}"
        error = f"; last error: {last_error.rstrip('.')}" if last_error else ""
        super().__init__(". ".join((f"{seen}{error}: {target}", *self._advice())))

    def _advice(self) -> tuple[str, ...]:
        return ("To wait longer, raise timeout, or execution_timeout if that is shorter.",)


class BackendJobTimeoutError(BackendTimeoutError):
    """A job had not ended when the time budget did."""

    target: JobRef

    def _advice(self) -> tuple[str, ...]:
        return (
            f"{STILL_RUNNING} Check it with: {self.target.look_command}",
            "To wait longer, raise waiter_delay or waiter_max_attempts (their product is the time budget in seconds), "
            "or execution_timeout or a sensor's timeout if those are shorter.",
        )


def timeout_error(wait: Wait, now: float) -> BackendTimeoutError:
    """Return the error for a wait that is over."""
    error = BackendJobTimeoutError if isinstance(wait.target, JobRef) else BackendTimeoutError
    return error(
        wait.target,
        waited=now - wait.started,
        last_status=wait.last_status,
        last_error=str(wait.last_error) if wait.last_error else None,
    )


def wait_error(target: Target, error: ServiceError) -> BackendRequestError:
    """Return the error for a wait that a call has ended."""
    return BackendRequestError(f"Stopped waiting after {error}: {target}")


def request_error(error: ServiceError, request: Mapping[str, Any]) -> BackendRequestError | BackendParameterError:
    """Return the error that a user sees for a failed call: with app, environment and job, and the service's words."""
    names = ("AppId", "BackendEnvironmentName", "TargetEnvironmentName", "JobId")
    where = ", ".join(f"{name}={request[name]}" for name in names if request.get(name))
    message = f"{error.operation} failed ({error.code}) for {where or 'this account'}: {error.message}"
    if error.code == "ParamValidationError":
        return BackendParameterError(message)
    return BackendRequestError(message)
