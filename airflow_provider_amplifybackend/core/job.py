"""A job: the row that the service shows of it, its identity, and the texts about it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypedDict

from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, Effect

COMPLETED = "COMPLETED"
FAILED = "FAILED"
KNOWN_STATUSES = frozenset({"PENDING", "RUNNING", COMPLETED, FAILED})
STILL_RUNNING = "The job is still running; AmplifyBackend cannot cancel jobs."


class Outcome(StrEnum):
    """The way in which a job operator came to its result."""

    STARTED = "started"
    ADOPTED = "adopted"
    FOUND = "found"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class JobRef:
    """The identity of a job. ``environments`` are tried in order: some answers do not say where a job lives."""

    app_id: str
    job_id: str
    environments: tuple[str, ...]
    operation: str | None = None

    @property
    def request(self) -> dict[str, str]:
        """Return the members that identify the job in a request, with the likeliest environment."""
        names = {"AppId": self.app_id, "JobId": self.job_id}
        return names | ({"BackendEnvironmentName": self.environments[0]} if self.environments else {})

    @property
    def check_command(self) -> str:
        """Return the AWS CLI command that shows the job."""
        environment = self.environments[0] if self.environments else "ENVIRONMENT"
        return (
            f"aws amplifybackend get-backend-job --app-id {shlex.quote(self.app_id)} "
            f"--backend-environment-name {shlex.quote(environment)} --job-id {shlex.quote(self.job_id)}"
        )

    def __str__(self) -> str:
        where = " or ".join(self.environments) or "unknown"
        return f"job {self.job_id} ({self.operation or 'operation unknown'}, app {self.app_id}, environment {where})"


class JobResult(TypedDict):
    """The result of every job operator: the job in the API's spelling, readable times, and the outcome."""

    AppId: str
    BackendEnvironmentName: str | None
    JobId: str | None
    Operation: str | None
    Status: str | None
    Error: str | None
    CreateTime: str | None
    UpdateTime: str | None
    created_at: str | None
    updated_at: str | None
    outcome: str


@dataclass(frozen=True)
class Job:
    """A job as the service showed it."""

    app_id: str
    backend_environment_name: str
    job_id: str
    operation: str | None = None
    status: str | None = None
    error: str | None = None
    create_time_ms: int | None = None
    update_time_ms: int | None = None

    @classmethod
    def from_response(cls, row: Mapping[str, Any], **defaults: Any) -> Job:
        """Read a job row or the answer to a start; ``defaults`` fill the members that it leaves out."""
        known = {key: value for key, value in row.items() if value not in (None, "")}
        return cls(
            app_id=known.get("AppId") or defaults.get("app_id", ""),
            backend_environment_name=known.get("BackendEnvironmentName")
            or defaults.get("backend_environment_name", ""),
            job_id=known.get("JobId") or defaults.get("job_id", ""),
            operation=known.get("Operation") or defaults.get("operation"),
            status=known.get("Status"),
            error=known.get("Error"),
            create_time_ms=epoch_ms(known.get("CreateTime")),
            update_time_ms=epoch_ms(known.get("UpdateTime")),
        )

    @property
    def is_completed(self) -> bool:
        """Tell whether the job has completed."""
        return self.status == COMPLETED

    @property
    def is_failed(self) -> bool:
        """Tell whether the job has failed."""
        return self.status == FAILED

    @property
    def is_finished(self) -> bool:
        """Tell whether the job has ended. The model's status is a free string: an unknown one means that it has not."""
        return self.is_completed or self.is_failed

    @property
    def seconds(self) -> float | None:
        """Return how long the job took, if it has ended well."""
        return self.seconds_until_end if self.is_completed else None

    @property
    def seconds_until_end(self) -> float | None:
        """Return how long the job took, if it has ended, well or badly."""
        if not self.is_finished or self.create_time_ms is None or self.update_time_ms is None:
            return None
        return (self.update_time_ms - self.create_time_ms) / 1000

    @property
    def ref(self) -> JobRef:
        """Return what identifies this job."""
        return JobRef(self.app_id, self.job_id, (self.backend_environment_name,), self.operation)

    def to_xcom(self, outcome: Outcome) -> JobResult:
        """Return the dictionary that every job operator returns, in the API's spelling, the same in every mode."""
        return {
            "AppId": self.app_id,
            "BackendEnvironmentName": self.backend_environment_name or None,
            "JobId": self.job_id or None,
            "Operation": self.operation,
            "Status": self.status,
            "Error": self.error,
            "CreateTime": _text(self.create_time_ms),
            "UpdateTime": _text(self.update_time_ms),
            "created_at": iso_time(self.create_time_ms),
            "updated_at": iso_time(self.update_time_ms),
            "outcome": str(outcome),
        }


def epoch_ms(value: object) -> int | None:
    """Read a time of the service, a string of epoch milliseconds; None where it is missing or something else."""
    text = str(value).strip() if value is not None else ""
    return int(text) if text.isdecimal() else None


def iso_time(milliseconds: int | None) -> str | None:
    """Return epoch milliseconds as ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).isoformat(timespec="milliseconds")


def readable_times(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job row with its times also as ISO 8601."""
    return dict(row) | {
        "created_at": iso_time(epoch_ms(row.get("CreateTime"))),
        "updated_at": iso_time(epoch_ms(row.get("UpdateTime"))),
    }


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def earlier_durations(jobs: Iterable[Job], operation: str, *, most: int = 10) -> list[float]:
    """Return how long the youngest completed jobs of an operation took, in seconds."""
    done = sorted((job for job in jobs if job.operation == operation), key=lambda job: job.create_time_ms or 0)
    return [job.seconds for job in done if job.seconds is not None][-most:]


def newest(jobs: Iterable[Job]) -> Job | None:
    """Return the youngest of some jobs; the service lists them in no time order."""
    return max(jobs, key=lambda job: job.create_time_ms or 0, default=None)


def newest_creation(resource: str, jobs: Iterable[Job]) -> Job | None:
    """Return the youngest of the jobs that create this kind of resource."""
    kinds = {
        name for name, known in JOB_OPERATIONS.items() if (known.resource, known.effect) == (resource, Effect.CREATES)
    }
    return newest(job for job in jobs if job.operation in kinds)


def ended_text(job: Job) -> str:
    """Return how a job ended, and after how long."""
    return f"{job.status}{took_text(job)}: {job.ref}"


def took_text(seen: object) -> str:
    """Return how long a job took, if it is one and has ended."""
    if not isinstance(seen, Job) or not seen.is_finished or None in (seen.create_time_ms, seen.update_time_ms):
        return ""
    return f" after {duration_text(((seen.update_time_ms or 0) - (seen.create_time_ms or 0)) / 1000)}"


def duration_text(seconds: float) -> str:
    """Return a duration as people say it, e.g. ``3 min 42 s``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def left_behind(operation: str | None, environment: str | None = None) -> str:
    """Return a sentence on what a failed job of an operation can leave behind, and what to do about it.

    :param environment: The environment that it was to create, if known.
    """
    if operation in ("CloneBackend", "CreateBackend"):
        what = f"Environment {environment}" if environment else "The new environment"
        return (
            f"{what} may be left behind, empty; a retry then refuses to start. "
            'Delete it, or set on_failure="delete_target" to have it deleted.'
        )
    return "For what was changed before, see the events of the environment's CloudFormation stack."
