"""The observations that a start is decided on: the app's environments, their jobs, the resource, the service's time.

Generators of calls, without I/O. An app, environment or job that the service does not know is an observation, too.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_amplifybackend._errors import request_error
from airflow_provider_amplifybackend.core import meta_config, names
from airflow_provider_amplifybackend.core.job import Job, JobRef, newest
from airflow_provider_amplifybackend.core.operations import CATEGORIES, Effect, Operation
from airflow_provider_amplifybackend.core.requests import (
    Call,
    ServiceError,
    all_pages,
    jobs_request,
    says_missing,
)
from airflow_provider_amplifybackend.core.status_check import check_job
from airflow_provider_amplifybackend.core.timing import Timing, http_date
from airflow_provider_amplifybackend.start.intent import Intent, is_unanswered, own_job

DATE_RESOLUTION_MS = 1_000  # of the HTTP Date header

T = TypeVar("T")
Observing = Generator[Call, Mapping[str, Any], T]


class ServiceClock:
    """The service's own time, from the Date headers of its answers: a worker's clock is another clock."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._time_ms: int | None = None
        self._noted_at = 0.0

    @property
    def has_been_read(self) -> bool:
        """Tell whether the service has answered at all."""
        return self._time_ms is not None

    @property
    def now_ms(self) -> int:
        """The service's time, in milliseconds since the epoch: the latest that its answers allow."""
        if self._time_ms is None:
            return int(self._timing.now() * 1000)
        return self._time_ms + int((self._timing.monotonic() - self._noted_at) * 1000)

    @property
    def earliest_now_ms(self) -> int:
        """The earliest that the service's time can be: whatever happens from now on is younger."""
        return self.now_ms - DATE_RESOLUTION_MS

    def note(self, headers: Mapping[str, str]) -> None:
        """Take the time of an answer.

        The header has whole seconds. The last moment of the second is taken, so that time never seems to jump ahead,
        which would cut patience short.
        """
        try:
            second = int(http_date(headers["date"]).timestamp() * 1000)
        except (KeyError, TypeError, ValueError):
            return
        if self._time_ms is None or not second <= self.now_ms < second + DATE_RESOLUTION_MS:
            self._time_ms, self._noted_at = second + DATE_RESOLUTION_MS - 1, self._timing.monotonic()


@dataclass(frozen=True)
class Observation:
    """The state of the service at one time, as far as a decision depends on it."""

    # Those that the job may live in.
    environments: tuple[str, ...]
    jobs: tuple[Job, ...]
    # Whether what the operation creates or removes exists; None where it changes something, or nothing tells.
    target_exists: bool | None
    target_is_empty: bool | None


class Observer:
    """The reads of a start, before and after it is sent."""

    def __init__(self, operation: Operation, request: Mapping[str, Any], timing: Timing) -> None:
        self.operation = operation
        self.request = request
        self.app_id: str = request["AppId"]
        self.clock = ServiceClock(timing)

    def observe(self, intent: Intent | None) -> Observing[Observation]:
        """Read everything that a decision depends on, and the job of an intent wherever it is."""
        environments = yield from self.environments()
        listed = yield from self.jobs(environments)
        known = (yield from self.job_of(intent, environments)) or (yield from self.job_elsewhere(intent, environments))
        if known:
            listed = [known, *(job for job in listed if job.job_id != known.job_id)]
        exists = (yield from self.target_exists()) if self.operation.effect is not Effect.CHANGES else None
        is_empty = (yield from self.target_is_empty()) if exists else None
        return Observation(environments, tuple(listed), exists, is_empty)

    # --------------------------------------------------------------------------------------------- environments

    def environments(self) -> Observing[tuple[str, ...]]:
        """Return the environments that the job may live in: those of the request, else all that there are."""
        return self.operation.environments(self.request) or (yield from self.readable_environments())

    def readable_environments(self) -> Observing[tuple[str, ...]]:
        """Return the app's environments, without what the service lists and cannot be asked for."""
        return tuple(filter(names.can_name, (yield from self.environments_of_app())))

    def environments_of_app(self) -> Observing[tuple[str, ...]]:
        """Return the app's environments as the service lists them."""
        return tuple((yield from self.read("GetBackend", {"AppId": self.app_id})).get("BackendEnvironmentList") or ())

    def app_is_known(self) -> Observing[bool]:
        """Tell whether the service knows the app."""
        return bool((yield from self.read("GetBackend", {"AppId": self.app_id})))

    # ----------------------------------------------------------------------------------------------------- jobs

    def jobs(self, environments: Sequence[str], app_id: str = "") -> Observing[list[Job]]:
        """Return the jobs of environments, of which one that the service does not know has none."""
        listed: list[Job] = []
        for environment in environments:
            listed += yield from self._jobs_of(environment, app_id or self.app_id)
        return listed

    def _jobs_of(self, environment: str, app_id: str) -> Observing[list[Job]]:
        try:
            pages = yield from all_pages("ListBackendJobs", jobs_request(app_id, environment))
        except ServiceError as error:
            self.clock.note(error.headers)
            if says_missing(error):
                return []
            raise request_error(error, {"AppId": app_id, "BackendEnvironmentName": environment}) from error
        for page in pages:
            self.clock.note(_headers(page))
        return [
            Job.from_response(row, app_id=app_id, backend_environment_name=environment)
            for page in pages
            for row in page.get("Jobs", [])
        ]

    def job_of(self, intent: Intent | None, environments: Iterable[str]) -> Observing[Job | None]:
        """Check the job whose id is known by itself: the list may lag.

        :param environments: Where it may live, besides those that the intent names.
        """
        if intent is None or not intent.job_id:
            return None
        places = dict.fromkeys((intent.job_environment or "", *intent.environments, *environments))
        ref = JobRef(intent.app_id, intent.job_id, tuple(filter(None, places)), self.operation.name)
        try:
            return (yield from check_job(ref))
        except ServiceError as error:
            if says_missing(error):
                return None
            raise request_error(error, self.request) from error

    def job_elsewhere(self, intent: Intent | None, looked_in: Iterable[str]) -> Observing[Job | None]:
        """Check for the job of a lost start outside this try's environments: its parameters may have changed."""
        if intent is None or not is_unanswered(intent):
            return None
        elsewhere = [name for name in intent.environments if name not in set(looked_in)]
        listed = yield from self.jobs(elsewhere, intent.app_id)
        return own_job(listed, intent)

    def pending_elsewhere(self) -> Observing[Job | None]:
        """Return a pending job of any environment that may hold this one: a clone may hold its source, and the removal
        of all may live in any.
        """
        listed = yield from self.jobs((yield from self.readable_environments()))
        return newest_pending(job for job in listed if job.operation in ("CloneBackend", "RemoveAllBackends"))

    # ------------------------------------------------------------------------------------------------- resource

    def target_exists(self) -> Observing[bool | None]:
        """Tell whether what the operation creates or removes exists; None where the service cannot tell."""
        match self.operation.resource:
            case "environment":
                return self.operation.target_environments(self.request)[0] in (yield from self.environments_of_app())
            case "app":
                return bool((yield from self.environments_of_app()))
            case category if category in CATEGORIES:
                return (yield from self._resource_exists(category))
        return None

    def target_is_empty(self) -> Observing[bool | None]:
        """Tell whether the environment to create, which exists, holds nothing; None for anything but an environment."""
        if self.operation.resource != "environment" or self.operation.effect is not Effect.CREATES:
            return None
        target = {"AppId": self.app_id, "BackendEnvironmentName": self.operation.target_environments(self.request)[0]}
        document = (yield from self.read("GetBackend", target)).get("AmplifyMetaConfig")
        return not any(meta_config.category(document, name) for name in CATEGORIES) if document else None

    def _resource_exists(self, category: str) -> Observing[bool | None]:
        """Ask for the resource by name; an import has no name, so there any resource of its category counts."""
        keys = ("AppId", "BackendEnvironmentName", "ResourceName")
        request = {key: self.request[key] for key in keys if key in self.request}
        if "ResourceName" not in request:
            document = (yield from self.read("GetBackend", request)).get("AmplifyMetaConfig")
            return bool(meta_config.category(document, category)) if document else None
        return bool((yield from self.read(CATEGORIES[category], request)))

    def read(self, api_operation: str, request: Mapping[str, Any]) -> Observing[dict[str, Any]]:
        """Read something; what the service does not know is empty."""
        try:
            response = yield Call(api_operation, request)
        except ServiceError as error:
            self.clock.note(error.headers)
            if says_missing(error):
                return {}
            raise request_error(error, request) from error
        self.clock.note(_headers(response))
        return {key: value for key, value in response.items() if key != "ResponseMetadata"}


def _headers(response: Mapping[str, Any]) -> Mapping[str, str]:
    headers: Mapping[str, str] = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def newest_pending(listed: Iterable[Job]) -> Job | None:
    """Return the youngest of the jobs that have not ended."""
    return newest(job for job in listed if not job.is_finished)
