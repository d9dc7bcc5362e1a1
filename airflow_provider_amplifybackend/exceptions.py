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
from airflow_provider_amplifybackend.core.waiting import NOT_A_NAME, ServiceError, Target, Wait
from airflow_provider_amplifybackend.start.rules import Job, JobRef

STILL_RUNNING = "The job is still running; AmplifyBackend cannot cancel jobs."


class AmplifyBackendError(AirflowException):
    """Base of all errors of this package."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive pickling and copying, whatever the constructor takes."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[AmplifyBackendError], args: tuple[Any, ...], facts: Mapping[str, Any]) -> AmplifyBackendError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


def _as_base(error: AmplifyBackendError) -> tuple[str, tuple[str], dict[str, Any]]:
    """Return what Airflow makes an error from again: its text, and so the base of those that are made from more."""
    return f"{AmplifyBackendError.__module__}.{AmplifyBackendError.__name__}", (str(error),), {}


class BackendParameterError(AmplifyBackendError, AirflowFailException):
    """A parameter is wrong. A retry cannot help, so the task fails at once."""


class BackendRequestError(AmplifyBackendError):
    """A call was refused or could not be made."""


class BackendStartError(AmplifyBackendError):
    """A job was not started, because something is in the way."""


class BackendJobFailedError(AmplifyBackendError):
    """A job ended as FAILED: how long it took, what can be left behind, what to do, and the service's own text.

    :param afterwards: What was done about it, or is to be done, in a sentence. Default: what is true of its operation.
    """

    def __init__(self, job: Job, afterwards: str = "") -> None:
        self.job = job
        # The service's text comes last: it can be many lines long, and whoever shows less of it shows its beginning.
        cause = f"The service says: {job.error}" if job.error else "The service gives no error text."
        what = f"{job.operation or 'a job'}, environment {job.backend_environment_name or 'unknown'}"
        parts = (
            f"FAILED{_duration(job)}: {what} (app {job.app_id}, job {job.job_id}).",
            afterwards or left_behind(job.operation),
            f"Check it with: {job.ref.look_command}",
            cause,
        )
        super().__init__("\n".join(parts))

    serialize = _as_base


def _duration(job: Job) -> str:
    if job.create_time_ms is None or job.update_time_ms is None or job.update_time_ms < job.create_time_ms:
        return ""
    return f" after {(job.update_time_ms - job.create_time_ms) / 1000:.0f} s"


def left_behind(operation: str | None, environment: str | None = None) -> str:
    """Say what a failed job of an operation can leave behind, and what to do about it.

    :param environment: The environment that it was to create, if known.
    """
    if operation in ("CloneBackend", "CreateBackend"):
        what = f"Environment {environment}" if environment else "The new environment"
        return (
            f"{what} can be left behind, empty, and then "
            'a retry refuses to start: delete it, or set on_failure="delete_target" to have it deleted.'
        )
    return "What was changed before that shows in the events of the environment's CloudFormation stack."


class BackendTimeoutError(AmplifyBackendError):
    """What was waited for had not come when the time budget ended."""

    def __init__(
        self, target: Target, *, waited: float, last_status: str | None, last_error: str | None = None
    ) -> None:
        self.target = target
        seen = f"Timed out after {waited:.0f} s; last status: {last_status or 'never seen'}"
        error = f"; last error: {last_error.rstrip('.')}" if last_error else ""
        super().__init__(". ".join((f"{seen}{error}: {target}", *self._advice())))

    serialize = _as_base

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


def wait_error(target: Target, error: ServiceError) -> BackendRequestError | BackendParameterError:
    """Return the error for a wait that a call has ended."""
    if error.code == NOT_A_NAME:
        return BackendParameterError(error.message)
    return BackendRequestError(f"Stopped waiting after {error}: {target}")


def request_error(error: ServiceError, request: Mapping[str, Any]) -> BackendRequestError | BackendParameterError:
    """Return the error that a user sees for a failed call: with app, environment and job, and the service's words."""
    if error.code == NOT_A_NAME:
        return BackendParameterError(error.message)
    names = ("AppId", "BackendEnvironmentName", "TargetEnvironmentName", "JobId")
    where = ", ".join(f"{name}={request[name]}" for name in names if request.get(name))
    message = f"{error.operation} failed ({error.code}) for {where or 'this account'}: {error.message}"
    if error.code == "ParamValidationError":
        return BackendParameterError(message)
    return BackendRequestError(message)
