"""The jobs of an environment that have ended since somebody looked before: without I/O.

The service lists jobs in no time order, lists them late, and may forget those of an environment with the environment.
So what was seen is remembered by id, and a job that removes the environment has ended, too, when both are gone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.core.job import COMPLETED, Job
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, Effect
from airflow_provider_amplifybackend.core.requests import (
    Call,
    ServiceError,
    all_pages,
    jobs_request,
    list_environments,
    says_missing,
)
from airflow_provider_amplifybackend.core.timing import http_date

VERSION = 1
# What is remembered is stored by Airflow, whose values should stay below 64 KB: these are some 25.
MOST_REMEMBERED = 500
MOST_UNFINISHED = 50
# A job is listed with a time of one clock of the service, and the list with that of another, in whole seconds.
CLOCK_MARGIN_MS = 2_000
REMOVALS = frozenset(
    name
    for name, known in JOB_OPERATIONS.items()
    if known.effect is Effect.REMOVES and known.resource in ("environment", "app")
)


@dataclass(frozen=True)
class JobList:
    """The jobs of an environment, as the service listed them."""

    app_id: str
    backend_environment_name: str
    jobs: tuple[Job, ...]
    # Whether the environment exists. It is only asked where no job is listed.
    exists: bool
    # The service's time, in epoch milliseconds.
    listed_ms: int
    # The requests that it took.
    requests: int


def list_jobs(app_id: str, environment: str, now_ms: int) -> Generator[Call, Mapping[str, Any], JobList]:
    """
    List the jobs of an environment; one that does not exist has none.

    :param now_ms: The time, should the service not say it.
    """
    pages: list[Mapping[str, Any]] = []
    try:
        pages = yield from all_pages("ListBackendJobs", jobs_request(app_id, environment))
    except ServiceError as error:
        if not says_missing(error):
            raise
    names = {"app_id": app_id, "backend_environment_name": environment}
    jobs = tuple(Job.from_response(row, **names) for page in pages for row in page.get("Jobs") or [])
    jobs = tuple(job for job in jobs if job.job_id)
    exists = bool(jobs) or environment in (yield from list_environments(app_id))
    # The first page is the oldest: what ends while the others are read is not missed.
    listed_ms = _date_ms(pages[0]) if pages else None
    return JobList(app_id, environment, jobs, exists, listed_ms or now_ms, len(pages) or 2)


def _date_ms(page: Mapping[str, Any]) -> int | None:
    try:
        date = page["ResponseMetadata"]["HTTPHeaders"]["date"]
        return int(http_date(date).timestamp() * 1000)
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Watermark:
    """
    The ends that are known: those that were reported, and those from before anybody watched.

    :param floor_ms: Whatever ended at or before this time is known, whether its id is remembered or not.
    :param ended: The ids of jobs that have ended, with the time of their end.
    :param unfinished: The ids of jobs that were listed and had not ended, with their operation. Their end is news
        whatever time it has.
    """

    floor_ms: int
    ended: Mapping[str, int] = field(default_factory=dict)
    unfinished: Mapping[str, str] = field(default_factory=dict)

    def to_stored(self) -> dict[str, Any]:
        """Return the form for a store of Airflow's."""
        return {
            "version": VERSION,
            "floor_ms": self.floor_ms,
            "ended": dict(self.ended),
            "unfinished": dict(self.unfinished),
        }

    @property
    def reach_ms(self) -> int:
        """Return the latest end that is known."""
        return max([self.floor_ms, *self.ended.values()])

    @classmethod
    def from_stored(cls, stored: object) -> Watermark | None:
        """Read what was stored; None if it is nothing of ours."""
        if not isinstance(stored, Mapping) or stored.get("version") != VERSION:
            return None
        try:
            return cls(
                int(stored["floor_ms"]),
                {str(job_id): int(end) for job_id, end in stored["ended"].items()},
                {str(job_id): str(operation) for job_id, operation in stored["unfinished"].items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


def begin(listed: JobList) -> Watermark:
    """Return the watermark from which somebody watches who begins now: whatever has ended already is known."""
    floor = listed.listed_ms - CLOCK_MARGIN_MS
    return _advanced(Watermark(floor), listed, _ended(listed, {}))


def advance(known: Watermark, listed: JobList) -> tuple[Watermark, list[Job]]:
    """Return the watermark after a list of jobs, and the jobs of it whose end is news, the earliest end first."""
    ended = _ended(listed, known.unfinished)
    news = [job for job in ended if job.job_id not in known.ended and _is_later(job, known, listed)]
    news.sort(key=lambda job: (_end_ms(job, listed), job.job_id))
    return _advanced(known, listed, ended), news


def _is_later(job: Job, known: Watermark, listed: JobList) -> bool:
    return job.job_id in known.unfinished or _end_ms(job, listed) > known.floor_ms


def _ended(listed: JobList, unfinished: Mapping[str, str]) -> list[Job]:
    """Return the jobs that have ended, also one that the service has forgotten with the environment that it removed."""
    there = {job.job_id for job in listed.jobs}
    gone = [
        Job(listed.app_id, listed.backend_environment_name, job_id, operation, COMPLETED)
        for job_id, operation in unfinished.items()
        if operation in REMOVALS and job_id not in there and not listed.exists
    ]
    return [*(job for job in listed.jobs if job.is_finished), *gone]


def _advanced(known: Watermark, listed: JobList, ended: Iterable[Job]) -> Watermark:
    ends = dict(known.ended)
    ended_ids = {job.job_id for job in ended} | ends.keys()
    for job in ended:
        # The time of its end is that at which it was seen first: somebody can touch the row of a job that has ended.
        ends.setdefault(job.job_id, _end_ms(job, listed))
    floor = known.floor_ms
    if len(ends) > MOST_REMEMBERED:
        kept = sorted(ends, key=lambda job_id: (ends[job_id], job_id))[-MOST_REMEMBERED:]
        floor = max([floor, *(end for job_id, end in ends.items() if job_id not in set(kept))])
        ends = {job_id: ends[job_id] for job_id in kept}
    listed_operations = {job.job_id: job.operation or "" for job in listed.jobs if not job.is_finished}
    # A list can lag, so what is missing in it may still be under way; but what is never listed again must not fill a
    # store.
    unfinished = [pair for pair in {**known.unfinished, **listed_operations}.items() if pair[0] not in ended_ids]
    return Watermark(floor, ends, dict(unfinished[-MOST_UNFINISHED:]))


def _end_ms(job: Job, listed: JobList) -> int:
    """Return when a job ended. One without times has ended when it was listed, as far as is known."""
    return job.update_time_ms or job.create_time_ms or listed.listed_ms
