"""The content of a notification of a task that failed: facts, and the next step.

It repeats no text of an exception: that of a failed job is somebody else's, and what others raise can hold anything.
The full text is in the task's log, which has its own rights and masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from airflow_provider_amplifybackend.core.changes import changed_environment
from airflow_provider_amplifybackend.core.job import STILL_RUNNING, Job, JobRef, left_behind, took_text
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import (
    BackendGuardError,
    BackendJobFailedError,
    BackendLeftoversError,
    BackendParameterError,
    BackendRecordError,
    BackendRequestError,
    BackendStartError,
    BackendTimeoutError,
)
from airflow_provider_amplifybackend.notifications._failed_task import FailedTask, as_name

SEE_LOG = "Read the task's log."
START_STEPS = {
    StartFailure.PENDING_JOB: "Wait for the job that holds the environment, and clear the task.",
    StartFailure.EXISTS: 'Delete what exists, or set if_exists="skip".',
    StartFailure.LEFTOVER: "Delete what the failed job has left behind, and clear the task.",
    StartFailure.MISSING: 'Check the name, or set if_missing="skip".',
    StartFailure.UNKNOWN_OWNER: "Check whose job it was; clear the task to have it done again.",
    StartFailure.OUT_OF_TIME: "Clear the task: it finds what was started. It may need more waiter_max_attempts.",
    StartFailure.UNREADABLE_STATE: "Install the newer version of the provider again, or check for the job by hand.",
    StartFailure.SLOW_STORE: "Clear the task; nothing was started. Look at how busy Airflow's API server is.",
}
FAULT_STEPS = {
    FaultKind.NOT_FOUND: "Check the names, the region and the account of the connection.",
    FaultKind.REFUSED: "Check the permissions and the parameters; the log has the service's answer.",
    FaultKind.THROTTLED: "Clear the task later, or start fewer tasks at once.",
    FaultKind.UNSENT: "Check the network between the worker and AWS, and clear the task.",
    FaultKind.UNCLEAR: "Clear the task: it finds what was started.",
    FaultKind.EXPIRED: "Clear the task. If this happens often, check how long the credentials are valid.",
    FaultKind.CREDENTIALS: "Check the connection and its credentials.",
    FaultKind.SETUP: "Check the settings of the connection and of botocore_config.",
}


@dataclass(frozen=True)
class Failure:
    """A task that failed, in facts that may leave Airflow."""

    dag_id: str
    task_id: str
    run_id: str
    try_number: int
    map_index: int
    error: str
    what: str
    next_step: str
    app_id: str | None = None
    environment: str | None = None
    operation: str | None = None
    job_id: str | None = None
    log_url: str | None = None
    owner: str | None = None

    @property
    def subject(self) -> str:
        """Return one line: what failed, and where."""
        return f"{self.what}: {self._where or self._task}"

    @property
    def text(self) -> str:
        """Return all of it, status first, then names, then ids, then what to do."""
        lines = [
            self.subject,
            f"Task: {self._task}, run {self.run_id}, try {self.try_number} ({self.error})",
            f"Job: {self.job_id}" if self.job_id else "",
            f"Log: {self.log_url}" if self.log_url else "",
            f"Next step: {self.next_step}",
        ]
        return "\n".join(line for line in lines if line)

    @property
    def _where(self) -> str:
        environment = f"environment {self.environment}" if self.environment else ""
        return ", ".join(part for part in (environment, f"app {self.app_id}" if self.app_id else "") if part)

    @property
    def _task(self) -> str:
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id}.{self.task_id}{index}"

    def to_dict(self) -> dict[str, Any]:
        """Return the facts for templates, with ``subject`` and ``text``."""
        return asdict(self) | {"subject": self.subject, "text": self.text}

    def owned_by(self, owner: str | None) -> Failure:
        """Return the same failure with whoever owns its app."""
        return replace(self, owner=owner)


def failure_of(context: Mapping[str, Any], app_id: str | None, environment: str | None) -> Failure:
    """
    Return the failure that a callback's context is about.

    :param app_id: The app. Default: the task's.
    :param environment: The environment. Default: the one that the task changes or reads.
    """
    ti, task, error = context["ti"], FailedTask(context), context.get("exception")
    operation = task.operation
    known = JOB_OPERATIONS.get(str(operation))
    own = {name: task.name(name) for name in ("app_id", "backend_environment_name", "target_environment_name")}
    own_environment = changed_environment(known, own) if known else own["backend_environment_name"]
    app_id, environment = as_name(app_id), as_name(environment)
    job = _job(error)
    return Failure(
        dag_id=str(ti.dag_id),
        task_id=str(ti.task_id),
        run_id=str(ti.run_id),
        try_number=int(ti.try_number),
        map_index=-1 if ti.map_index is None else int(ti.map_index),
        error=type(error).__name__ if isinstance(error, BaseException) else "no exception is known",
        what=_what(error, operation),
        next_step=_next_step(error, environment or own_environment),
        app_id=app_id or own["app_id"],
        environment=environment or own_environment,
        operation=operation,
        job_id=job.job_id if job else None,
        log_url=getattr(ti, "log_url", None),
    )


def _job(error: object) -> Job | JobRef | None:
    if isinstance(error, BackendJobFailedError):
        return error.job
    awaited = error.awaited if isinstance(error, BackendTimeoutError) else None
    return awaited if isinstance(awaited, JobRef) else None


def _what(error: object, operation: str | None) -> str:
    name = operation or "Task"
    if isinstance(error, BackendJobFailedError):
        return f"{error.job.operation or name} FAILED{took_text(error.job)}"
    if isinstance(error, BackendTimeoutError):
        return f"{name} timed out"
    if isinstance(error, BackendStartError):
        return f"{name} was not started ({error.reason})"
    if isinstance(error, BackendGuardError):
        return f"{name} was refused by the guard ({error.reason})"
    if fault := _fault(error):
        return f"{name} failed ({fault.kind})"
    return f"{name} failed"


def _next_step(error: object, environment: str | None) -> str:
    if isinstance(error, BackendJobFailedError):
        return f"{left_behind(error.job.operation, environment)} Check it with: {error.job.ref.check_command}"
    if isinstance(error, BackendTimeoutError) and isinstance(error.awaited, JobRef):
        return f"{STILL_RUNNING} Check it with: {error.awaited.check_command}"
    if isinstance(error, BackendStartError):
        return START_STEPS[error.reason]
    if isinstance(error, BackendGuardError):
        return "Nothing was sent. The task's log says who can lift what refused it."
    if isinstance(error, BackendParameterError):
        return "Nothing was sent. Correct the DAG; the task's log names the parameters."
    if isinstance(error, BackendLeftoversError):
        return "Delete what is left behind; the task's log has the commands. A retry looks again."
    if isinstance(error, BackendRecordError):
        return "Clear the task: it completes the record, and deletes nothing more."
    fault = _fault(error)
    return FAULT_STEPS[fault.kind] if fault else SEE_LOG


def _fault(error: object) -> ServiceError | None:
    cause = error if isinstance(error, BackendRequestError) else None
    while cause is not None and not isinstance(cause, ServiceError):
        cause = cause.__cause__  # type: ignore[assignment]
    return cause
