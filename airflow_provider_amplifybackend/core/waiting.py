"""How a job is looked at and how long until the next look: one implementation for worker and triggerer.

Nothing here does I/O. ``look_at_job`` is a generator that asks its driver to make calls; ``Wait`` keeps the
time of one wait. The hook drives them with boto3, the poller of the triggerer with aiobotocore.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.start.rules import (
    COMPLETED,
    JOB_OPERATIONS,
    KNOWN_STATUSES,
    Effect,
    Job,
    JobRef,
    iso_time,
)

JOBS_PER_PAGE = 25  # the most that ListBackendJobs takes
# A job that was just started may not be listed yet, and one of a removed environment no longer.
NOT_FOUND_PATIENCE = 60.0
# The code of the error for what cannot name anything. Its message needs no more words.
NOT_A_NAME = "NotAName"
# How often in a row an error that nobody can explain is taken for a hiccup.
UNEXPLAINED_PATIENCE = 3
# A waiting task says at least this often that it is alive.
REPORT_EVERY = 180.0
# What is wrong with a parameter is wrong however often it is tried.
PARAMETER_ERRORS = frozenset({"ParamValidationError", "BackendParameterError", NOT_A_NAME})


class FaultKind(StrEnum):
    """What an error of a call means for whoever made it."""

    NOT_FOUND = "not found"
    REFUSED = "refused"
    THROTTLED = "throttled"
    # The request did not leave, or the answer did not come: for a read the two are the same.
    UNSENT = "not sent"
    UNCLEAR = "answer lost"
    EXPIRED = "credentials expired"
    # There are none, or they are refused, or the connection that has them cannot be looked up. A mistake where they
    # were never good; a hiccup where they have just been.
    CREDENTIALS = "credentials"
    SETUP = "set-up"


class ServiceError(Exception):
    """An error of a call to AmplifyBackend, whichever library it came from."""

    def __init__(
        self,
        kind: FaultKind,
        operation: str,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        is_unexplained: bool = False,
    ) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.kind = kind
        self.operation = operation
        self.code = code
        self.message = message
        self.headers = headers or {}
        # Whether it looks like a fault of the program or a setting, which may be a race in a library all the same.
        self.is_unexplained = is_unexplained

    def saying(self, more: str) -> ServiceError:
        """Return the same error with another sentence."""
        message = f"{self.message.rstrip('.')}. {more}"
        return ServiceError(self.kind, self.operation, self.code, message, headers=self.headers)

    @property
    def is_transient(self) -> bool:
        """Whether the same read can succeed a little later."""
        return self.kind in (FaultKind.THROTTLED, FaultKind.UNSENT, FaultKind.UNCLEAR, FaultKind.EXPIRED)

    @property
    def needs_new_client(self) -> bool:
        """Whether a client that is made anew, with the credentials as they are then, may do better."""
        return self.kind in (FaultKind.EXPIRED, FaultKind.CREDENTIALS)


@dataclass(frozen=True)
class Call:
    """A call that the driver of a generator is asked to make."""

    operation: str
    request: Mapping[str, Any]


Look = Generator[Call, Mapping[str, Any], Any]


def look_at_job(ref: JobRef) -> Generator[Call, Mapping[str, Any], Job]:
    """Look at a job once, in every environment it may live in.

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
        return Job.from_response(
            row,
            app_id=ref.app_id,
            backend_environment_name=environment,
            job_id=ref.job_id,
            operation=ref.operation,
        )
    unknown = missing or ServiceError(
        FaultKind.NOT_FOUND, "GetBackendJob", "NotFoundException", f"no environment to look for {ref} in"
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
            "The environment to create does not exist either: the job failed and left nothing, or the environment "
            "was deleted since"
        )
    raise unknown


class Condition(StrEnum):
    """What an environment can be waited for to be."""

    EXISTS = "exists"
    GONE = "gone"
    IDLE = "idle"


@dataclass(frozen=True)
class EnvironmentTarget:
    """An environment, and what it is waited for to be."""

    app_id: str
    backend_environment_name: str
    condition: Condition

    @property
    def request(self) -> dict[str, str]:
        """Return the members that identify the environment in a request."""
        return {"AppId": self.app_id, "BackendEnvironmentName": self.backend_environment_name}

    def __str__(self) -> str:
        return f"environment {self.backend_environment_name} (app {self.app_id}) until it {self.wish}"

    @property
    def wish(self) -> str:
        """Say what is waited for."""
        return {"exists": "exists", "gone": "is gone", "idle": "has no pending job"}[self.condition]


@dataclass(frozen=True)
class EnvironmentSeen:
    """What a look at an environment showed."""

    status: str
    is_finished: bool


Target = JobRef | EnvironmentTarget
Seen = Job | EnvironmentSeen


def look(target: Target) -> Generator[Call, Mapping[str, Any], Seen]:
    """Look once at what is waited for."""
    if isinstance(target, JobRef):
        return (yield from look_at_job(target))
    # What is no name would be taken for an environment that is gone.
    for member, name in target.request.items():
        if problem := names.problem(member, name):
            raise ServiceError(FaultKind.SETUP, "GetBackend", NOT_A_NAME, f"nothing was sent: {problem}")
    if target.condition is Condition.IDLE:
        return (yield from _look_for_pending_job(target))
    exists = target.backend_environment_name in (yield from list_environments(target.app_id))
    return EnvironmentSeen("exists" if exists else "gone", exists is (target.condition is Condition.EXISTS))


def _look_for_pending_job(target: EnvironmentTarget) -> Generator[Call, Mapping[str, Any], EnvironmentSeen]:
    request: dict[str, Any] = {**target.request, "MaxResults": JOBS_PER_PAGE}
    while True:
        page = yield Call("ListBackendJobs", request)
        for row in page.get("Jobs") or []:
            job = Job.from_response(row, **_names(target))
            if not job.is_finished:
                return EnvironmentSeen(f"{job.ref} is {job.status}", is_finished=False)
        if not page.get("NextToken"):
            return EnvironmentSeen("no job is pending", is_finished=True)
        request = request | {"NextToken": page["NextToken"]}


def _names(target: EnvironmentTarget) -> dict[str, str]:
    return {"app_id": target.app_id, "backend_environment_name": target.backend_environment_name}


def says_missing(error: ServiceError) -> bool:
    """Whether the service says that something is not there; of what was deleted it has said ValidationException."""
    return error.kind is FaultKind.NOT_FOUND or error.code == "ValidationException"


def list_environments(app_id: str) -> Generator[Call, Mapping[str, Any], list[str]]:
    """Return the environments of an app; an app that the service does not know has none."""
    try:
        answer = yield Call("GetBackend", {"AppId": app_id})
    except ServiceError as error:
        if says_missing(error):
            return []
        raise
    return list(answer.get("BackendEnvironmentList") or [])


@dataclass(frozen=True)
class Note:
    """A line for the log: what happened first, and the ids last, where a narrow window cuts them."""

    what: str
    target: Target
    level: int = logging.INFO

    def text(self, next_check: float | None = None) -> str:
        """Return the line, with the seconds until the next status check if there is one."""
        when = "" if next_check is None else f"; next status check in {next_check:.0f} s"
        return f"{self.what}{when}: {self.target}"


class Wait:
    """What one wait has seen so far, and when it is over.

    :param connection_works: Whether the connection has just been used with success: then credentials that cannot be
        had are waited for, and otherwise they are a mistake in the set-up.
    :param silent_fail: As that of a sensor: log what would fail, and keep waiting.
    """

    def __init__(
        self,
        target: Target,
        *,
        deadline: float,
        started: float,
        connection_works: bool = False,
        silent_fail: bool = False,
    ) -> None:
        self.target = target
        self.deadline = deadline
        self.started = started
        self.connection_works = connection_works
        self.silent_fail = silent_fail
        self.last_status: str | None = None
        self.last_error: ServiceError | None = None
        self._seen = False
        self._noted_errors: set[str] = set()
        self._first_missed: float | None = None
        self._unexplained = 0
        self._reported_at: float | None = None

    def saw(self, seen: Seen) -> Note | None:
        """Take note of a look; return a line to log if something changed."""
        recovered, self.last_error, self._seen = self.last_error, None, True
        self._noted_errors.clear()
        self._unexplained = 0
        if seen.status == self.last_status:
            return Note(f"{seen.status}, answering again", self.target) if recovered else None
        earlier, self.last_status = self.last_status, seen.status
        what = f"{seen.status}{_duration(seen)}" + (f" (was {earlier})" if earlier else "")
        if isinstance(seen, Job) and seen.status not in KNOWN_STATUSES:
            what += ", a status this version does not know: waiting on"
        return Note(what, self.target, logging.WARNING if _has_failed(seen) else logging.INFO)

    def is_ended_by(self, seen: Seen) -> bool:
        """Whether a look ends the wait."""
        return seen.is_finished and not (self.silent_fail and _has_failed(seen))

    def missed(self, error: ServiceError, now: float) -> Note | None:
        """Take note of an error; return a line to log if it is a new one.

        :raises ServiceError: the error, if waiting on cannot help.
        """
        # Counted from here and not from `started`: the job may be younger than the wait for others before it.
        if self._first_missed is None:
            self._first_missed = now
        self._unexplained += error.is_unexplained
        if not self._can_pass(error, now):
            raise error
        self.last_error = error
        if error.code in self._noted_errors:
            return None
        self._noted_errors.add(error.code)
        return Note(f"Retrying after {error}", self.target, logging.WARNING)

    def _can_pass(self, error: ServiceError, now: float) -> bool:
        if self.silent_fail and error.code not in PARAMETER_ERRORS:
            return True
        if error.kind is FaultKind.CREDENTIALS:
            return self.connection_works
        if self._unexplained > UNEXPLAINED_PATIENCE:
            return False
        is_new = not self._seen and now - (self._first_missed or now) < NOT_FOUND_PATIENCE
        return error.is_transient or (says_missing(error) and is_new)

    def due_report(self, now: float, usual: float | None = None) -> Note | None:
        """Return the line that says that the task still waits, if it is time for one.

        :param usual: How many seconds such jobs take.
        """
        if self.until_report(now) > 0:
            return None
        self._reported_at = now
        facts = [f"{self.last_status or 'Not seen yet'}, waiting for {duration_text(now - self.started)}"]
        if usual is not None:
            facts.append(f"such jobs usually take {duration_text(usual)}")
        facts.append(f"timing out at {iso_time(int(self.deadline * 1000))}")
        if self.last_error:
            facts.append(f"last error: {self.last_error}")
        return Note("; ".join(facts), self.target, logging.WARNING if self.last_error else logging.INFO)

    def until_report(self, now: float) -> float:
        """Return the seconds until the next line that says that the task still waits."""
        if self._reported_at is None:
            self._reported_at = now
        return max(0.0, self._reported_at + REPORT_EVERY - now)

    def is_over(self, now: float) -> bool:
        """Whether the time budget has ended."""
        return now >= self.deadline

    def until_deadline(self, now: float) -> float:
        """Return the seconds left. The last look comes at the deadline: a job that ends in time is never late."""
        return max(0.0, self.deadline - now)


def job_pages(app_id: str, environment: str) -> Generator[Call, Mapping[str, Any], list[Mapping[str, Any]]]:
    """Return the pages of an environment's job list."""
    request: dict[str, Any] = {"AppId": app_id, "BackendEnvironmentName": environment, "MaxResults": JOBS_PER_PAGE}
    pages = []
    while True:
        page = yield Call("ListBackendJobs", request)
        pages.append(page)
        if not page.get("NextToken"):
            return pages
        request = request | {"NextToken": page["NextToken"]}


def _has_failed(seen: Seen) -> bool:
    return isinstance(seen, Job) and seen.is_failed


def ended_text(job: Job) -> str:
    """Say how a job ended, and after how long."""
    return f"{job.status}{_duration(job)}: {job.ref}"


def _duration(seen: Seen) -> str:
    """Say how long a job took, if it has ended."""
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
