"""Jobs on the service's clock: their rows, who holds an environment, and what happens when they end."""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.local.service.clock import Clock, epoch_millis
from airflow_provider_amplifybackend.local.service.errors import ServiceError

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

# A job is PENDING for a fifth of its time, so that both waiting states are seen, but never for long.
_PENDING_SHARE = 0.2
_LONGEST_PENDING_SECONDS = 2.0


@dataclass(frozen=True)
class Fate:
    """What becomes of a job: the plain case, or what a fault script says."""

    fails: bool = False
    error: str | None = None
    ends: bool = True
    shown_status: str | None = None
    shown_seconds: float | None = None
    shown_members: Mapping[str, str | None] = field(default_factory=dict)
    list_lag_seconds: float = 0.0
    get_lag_seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What an operation asks of the job book: where the job lives, what it holds, what it will change."""

    app_id: str
    environments: tuple[str, ...]
    """Where the job can be read; the first is its own. None of them: under any name."""
    holds: frozenset[str]
    shares: frozenset[str]
    complete: Callable[[], None]
    fail: Callable[[], None]


@dataclass(slots=True)
class Job:
    """One job with its row and its claims."""

    job_id: str
    account: str
    region: str
    operation: str
    plan: Plan
    fate: Fate
    started: float
    created_wall: float
    updated_wall: float
    status: str = "PENDING"
    error: str | None = None

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
        """The row as GetBackendJob and ListBackendJobs answer it: what a fault script says, over what is so."""
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
        self.by_id: dict[str, Job] = {}
        # Ordered by job id, which says nothing about time: the real service's rows come in no time order.
        self._rows: dict[tuple[str, str], list[str]] = {}
        self._anywhere: dict[str, list[str]] = {}
        self._holders: dict[tuple[str, str], list[Job]] = {}
        self._sharers: dict[tuple[str, str], list[Job]] = {}

    def add(self, job: Job) -> None:
        self.by_id[job.job_id] = job
        for environment in job.plan.environments:
            insort(self._rows.setdefault((job.plan.app_id, environment), []), job.job_id)
        if not job.plan.environments:
            insort(self._anywhere.setdefault(job.plan.app_id, []), job.job_id)
        if not job.finished:
            for table, key in self._claims(job):
                table.setdefault(key, []).append(job)

    def release(self, job: Job) -> None:
        for table, key in self._claims(job):
            if job in table.get(key, ()):
                table[key].remove(job)
                if not table[key]:
                    del table[key]

    def _claims(self, job: Job) -> Iterator[tuple[dict[tuple[str, str], list[Job]], tuple[str, str]]]:
        for environment in job.plan.holds:
            yield self._holders, (job.plan.app_id, environment)
        for environment in job.plan.shares:
            yield self._sharers, (job.plan.app_id, environment)

    def is_held(self, app_id: str, environment: str, *, shared: bool = False) -> bool:
        key = (app_id, environment)
        return key in self._holders or (not shared and key in self._sharers)

    def find(self, app_id: str, environment: str, job_id: str) -> Job | None:
        job = self.by_id.get(job_id)
        if job is None or job.plan.app_id != app_id:
            return None
        if job.plan.environments and environment not in job.plan.environments:
            return None
        return job

    def listed(self, app_id: str, environment: str, after: str = "") -> Iterator[Job]:
        """The jobs of an environment in the order of their ids, from beyond `after` on."""
        own = self._rows.get((app_id, environment), [])
        anywhere = self._anywhere.get(app_id, [])
        # A page in the middle of ten thousand rows costs what the first one does.
        for job_id in heapq.merge(_beyond(own, after), _beyond(anywhere, after)):
            yield self.by_id[job_id]

    def knows(self, app_id: str, environment: str) -> bool:
        return (app_id, environment) in self._rows or app_id in self._anywhere

    def all(self) -> Iterable[Job]:
        return self.by_id.values()


def _beyond(ids: list[str], after: str) -> Iterator[str]:
    return (ids[place] for place in range(bisect_right(ids, after), len(ids)))


@dataclass(order=True, slots=True)
class _Step:
    due: float
    order: int
    job: Job = field(compare=False)
    book: JobBook = field(compare=False)
    status: str = field(compare=False)


class Schedule:
    """Moves jobs from status to status as the clock passes; asked before every request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: list[_Step] = []
        self._order = itertools.count()

    def add(self, job: Job, book: JobBook, seconds: float) -> None:
        fate = job.fate
        running_from = job.started + min(seconds * _PENDING_SHARE, _LONGEST_PENDING_SECONDS)
        self._push(running_from, job, book, fate.shown_status or "RUNNING")
        if fate.shown_status and fate.shown_seconds is not None:
            self._push(running_from + fate.shown_seconds, job, book, "RUNNING")
        if fate.ends:
            # Being shown a strange status for a while does not end the job earlier than that.
            ends_at = max(job.started + seconds, running_from + (fate.shown_seconds or 0.0))
            self._push(ends_at, job, book, "FAILED" if fate.fails else "COMPLETED")

    def end(self, job: Job, book: JobBook, seconds: float) -> None:
        """Only the end of a job that is already on its way."""
        self._push(job.started + seconds, job, book, "FAILED" if job.fate.fails else "COMPLETED")

    def _push(self, due: float, job: Job, book: JobBook, status: str) -> None:
        heapq.heappush(self._steps, _Step(due, next(self._order), job, book, status))

    def settle(self) -> None:
        now = self._clock.now()
        while self._steps and self._steps[0].due <= now:
            step = heapq.heappop(self._steps)
            if not step.job.finished:
                self.move(step.job, step.book, step.status, at=step.due, error=step.job.fate.error)

    def move(self, job: Job, book: JobBook, status: str, *, at: float, error: str | None = None) -> None:
        """Give a job a status; the effect on the environment comes with COMPLETED or FAILED."""
        job.updated_wall = self._clock.wall(at)
        if status not in FINISHED:
            job.status = status
            return
        book.release(job)
        if status == "COMPLETED":
            try:
                job.plan.complete()
            except ServiceError as failure:
                status, error = "FAILED", failure.message
        if status == "FAILED":
            job.error = error
            job.plan.fail()
        job.status = status

    def clear(self) -> None:
        self._steps.clear()
