"""The jobs of an account and region: their rows, and which of them hold an environment."""

from __future__ import annotations

import heapq
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.local.service.clock import epoch_millis
from airflow_provider_amplifybackend.local.service.effect import Effect

FINISHED = frozenset({"COMPLETED", "FAILED"})
ROW_MEMBERS = (
    "AppId",
    "BackendEnvironmentName",
    "CreateTime",
    "Error",
    "JobId",
    "Operation",
    "Status",
    "UpdateTime",
)


@dataclass(frozen=True)
class Fate:
    """The course and end of a job: by default the plain case, otherwise as a fault script says."""

    fails: bool = False
    error: str | None = None
    ends: bool = True
    shown_status: str | None = None
    shown_seconds: float | None = None
    shown_members: Mapping[str, str | None] = field(default_factory=dict)
    list_lag_seconds: float = 0.0
    get_lag_seconds: float = 0.0
    leaves: frozenset[str] = frozenset()
    """What a deletion leaves behind, although it completes."""


@dataclass(frozen=True)
class Plan:
    """A job as its operation asks for it: where it lives and what it holds."""

    app_id: str
    environments: tuple[str, ...]
    """The environments under which the job can be read, its own first. None of them: under any name."""
    holds: frozenset[str]
    shares: frozenset[str]


@dataclass(slots=True)
class JobRecord:
    """One job with its row and its claims."""

    job_id: str
    account: str
    region: str
    operation: str
    plan: Plan
    fate: Fate
    effect: Effect | None
    """What it will change; None once it has ended."""
    started: float
    created_wall: float
    updated_wall: float
    status: str = "PENDING"
    error: str | None = None
    error_is_own: bool = False
    """The error is this service's own text, and no script's."""

    @property
    def finished(self) -> bool:
        return self.status in FINISHED

    def row(self, environment: str | None = None) -> dict[str, Any]:
        own = self.plan.environments[0] if self.plan.environments else ""
        return {
            "AppId": self.plan.app_id,
            "BackendEnvironmentName": environment or own,
            "CreateTime": epoch_millis(self.created_wall),
            "Error": self.error,
            "JobId": self.job_id,
            "Operation": self.operation,
            "Status": self.status,
            "UpdateTime": epoch_millis(self.updated_wall),
        }

    def shown(self, environment: str) -> dict[str, Any]:
        """Return the row as GetBackendJob and ListBackendJobs answer it: the true one, under a fault script's."""
        return {**self.row(environment), **self.fate.shown_members}

    def internals(self) -> dict[str, Any]:
        return {
            **self.row(),
            "Account": self.account,
            "Region": self.region,
            "ReadableUnder": list(self.plan.environments),
            "Holds": sorted(self.plan.holds),
            "Shares": sorted(self.plan.shares),
            "Stuck": not self.fate.ends and not self.finished,
        }


class JobBook:
    """The jobs of one account and region."""

    def __init__(self) -> None:
        self.by_id: dict[str, JobRecord] = {}
        # Ordered by job id, which says nothing about time: the real service's rows come in no time order.
        self._rows: dict[tuple[str, str], list[str]] = {}
        self._anywhere: dict[str, list[str]] = {}
        self._holders: dict[tuple[str, str], list[JobRecord]] = {}
        self._sharers: dict[tuple[str, str], list[JobRecord]] = {}

    def add(self, job: JobRecord) -> None:
        self.by_id[job.job_id] = job
        for environment in job.plan.environments:
            insort(self._rows.setdefault((job.plan.app_id, environment), []), job.job_id)
        if not job.plan.environments:
            insort(self._anywhere.setdefault(job.plan.app_id, []), job.job_id)
        if not job.finished:
            for table, key in self._claims(job):
                table.setdefault(key, []).append(job)

    def release(self, job: JobRecord) -> None:
        job.effect = None
        for table, key in self._claims(job):
            if job in table.get(key, ()):
                table[key].remove(job)
                if not table[key]:
                    del table[key]

    def _claims(self, job: JobRecord) -> Iterator[tuple[dict[tuple[str, str], list[JobRecord]], tuple[str, str]]]:
        for environment in job.plan.holds:
            yield self._holders, (job.plan.app_id, environment)
        for environment in job.plan.shares:
            yield self._sharers, (job.plan.app_id, environment)

    def is_held(self, app_id: str, environment: str, *, shared: bool = False) -> bool:
        key = (app_id, environment)
        return key in self._holders or (not shared and key in self._sharers)

    def find(self, app_id: str, environment: str, job_id: str) -> JobRecord | None:
        job = self.by_id.get(job_id)
        if job is None or job.plan.app_id != app_id:
            return None
        if job.plan.environments and environment not in job.plan.environments:
            return None
        return job

    def listed(self, app_id: str, environment: str, after: str = "") -> Iterator[JobRecord]:
        """Return the jobs of an environment in the order of their ids, from beyond `after` on."""
        own = self._rows.get((app_id, environment), [])
        anywhere = self._anywhere.get(app_id, [])
        # A page in the middle of ten thousand rows costs what the first one does.
        for job_id in heapq.merge(_beyond(own, after), _beyond(anywhere, after)):
            yield self.by_id[job_id]

    def knows(self, app_id: str, environment: str) -> bool:
        return (app_id, environment) in self._rows or app_id in self._anywhere

    def all(self) -> Iterable[JobRecord]:
        return self.by_id.values()


def _beyond(ids: list[str], after: str) -> Iterator[str]:
    return (ids[place] for place in range(bisect_right(ids, after), len(ids)))
