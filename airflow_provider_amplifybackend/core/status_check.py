"""Status checks of jobs and environments, without I/O.

Each is a generator that asks its driver to make calls: the hook drives it with boto3, the poller of the triggerer with
aiobotocore.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.core.job import COMPLETED, Job, JobRef
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, Effect
from airflow_provider_amplifybackend.core.requests import (
    NOT_A_NAME,
    Call,
    FaultKind,
    ServiceError,
    all_pages,
    jobs_request,
    list_environments,
    says_missing,
)


class Condition(StrEnum):
    """A state of an environment that can be waited for."""

    EXISTS = "exists"
    GONE = "gone"
    IDLE = "idle"


@dataclass(frozen=True)
class EnvironmentCondition:
    """An environment, and the condition that is waited for."""

    app_id: str
    backend_environment_name: str
    condition: Condition

    @property
    def request(self) -> dict[str, str]:
        """Return the members that identify the environment in a request."""
        return {"AppId": self.app_id, "BackendEnvironmentName": self.backend_environment_name}

    def __str__(self) -> str:
        return f"environment {self.backend_environment_name} (app {self.app_id}) {self.wish}"

    @property
    def wish(self) -> str:
        """The condition, as messages name it."""
        return {"exists": "to exist", "gone": "to be gone", "idle": "to have no pending job"}[self.condition]


@dataclass(frozen=True)
class EnvironmentStatus:
    """The result of a status check of an environment."""

    status: str
    is_finished: bool


Awaited = JobRef | EnvironmentCondition
CheckResult = Job | EnvironmentStatus


def check(awaited: Awaited) -> Generator[Call, Mapping[str, Any], CheckResult]:
    """Check once the job or environment that is waited for."""
    if isinstance(awaited, JobRef):
        return (yield from check_job(awaited))
    if awaited.condition is Condition.IDLE:
        _refuse_what_is_no_name(awaited)
        return (yield from _check_for_pending_job(awaited))
    return status_among(awaited, (yield from list_for(awaited)))


def listed_app(awaited: Awaited) -> str | None:
    """Return the app whose list of environments answers a status check, with those of others who wait for it."""
    if not isinstance(awaited, EnvironmentCondition) or awaited.condition is Condition.IDLE:
        return None
    # What is no name is refused by itself, and is neither gone nor a reason to refuse the others.
    return awaited.app_id if all(map(names.can_name, awaited.request.values())) else None


def list_for(awaited: EnvironmentCondition) -> Generator[Call, Mapping[str, Any], frozenset[str]]:
    """Return the environments of the app in which one is waited for, or waited to be gone."""
    _refuse_what_is_no_name(awaited)
    return frozenset((yield from list_environments(awaited.app_id)))


def status_among(awaited: EnvironmentCondition, existing: frozenset[str]) -> EnvironmentStatus:
    """Return the status of an environment, by those that exist."""
    exists = awaited.backend_environment_name in existing
    return EnvironmentStatus("exists" if exists else "gone", exists is (awaited.condition is Condition.EXISTS))


def _refuse_what_is_no_name(awaited: EnvironmentCondition) -> None:
    """Raise an error for what would otherwise be taken for an environment that is gone."""
    for member, name in awaited.request.items():
        if problem := names.problem(member, name):
            raise ServiceError(FaultKind.SETUP, "GetBackend", NOT_A_NAME, f"nothing was sent: {problem}")


def check_job(ref: JobRef) -> Generator[Call, Mapping[str, Any], Job]:
    """Check a job once, in every environment that it may live in.

    :raises ServiceError: the last error, if no environment knows the job.
    """
    missing: ServiceError | None = None
    for environment in ref.environments:
        try:
            row = yield Call("GetBackendJob", ref.request | {"BackendEnvironmentName": environment})
        except ServiceError as error:
            if not says_missing(error):
                raise
            missing = error
            continue
        return seen_job(ref, environment, row)
    unknown = missing or ServiceError(
        FaultKind.NOT_FOUND, "GetBackendJob", "NotFoundException", f"no environment to check for {ref}"
    )
    operation = JOB_OPERATIONS.get(ref.operation or "")
    if operation is None or operation.resource not in ("environment", "app"):
        raise unknown
    # The service may forget the jobs of an environment together with the environment.
    existing = set((yield from list_environments(ref.app_id)))
    if operation.effect is Effect.REMOVES and not (existing & set(ref.environments) if ref.environments else existing):
        return Job(ref.app_id, "".join(ref.environments[:1]), ref.job_id, ref.operation, status=COMPLETED)
    if operation.effect is Effect.CREATES and not existing.issuperset(ref.environments):
        raise unknown.saying(
            "The environment to create does not exist either: the job failed and left nothing behind, or the "
            "environment has been deleted since"
        )
    raise unknown


def seen_job(ref: JobRef, environment: str, row: Mapping[str, Any]) -> Job:
    """Return the job of an answer to GetBackendJob."""
    return Job.from_response(
        row,
        app_id=ref.app_id,
        backend_environment_name=environment,
        job_id=ref.job_id,
        operation=ref.operation,
    )


def _check_for_pending_job(awaited: EnvironmentCondition) -> Generator[Call, Mapping[str, Any], EnvironmentStatus]:
    def pending(page: Mapping[str, Any]) -> Job | None:
        jobs = (Job.from_response(row, **_names(awaited)) for row in page.get("Jobs") or [])
        return next((job for job in jobs if not job.is_finished), None)

    request = jobs_request(awaited.app_id, awaited.backend_environment_name)
    pages = yield from all_pages("ListBackendJobs", request, is_enough=lambda page: pending(page) is not None)
    job = pending(pages[-1])
    if job:
        return EnvironmentStatus(f"{job.ref} is {job.status}", is_finished=False)
    return EnvironmentStatus("no job is pending", is_finished=True)


def _names(awaited: EnvironmentCondition) -> dict[str, str]:
    return {"app_id": awaited.app_id, "backend_environment_name": awaited.backend_environment_name}
