"""The course of jobs over time: from status to status on the service's clock, with their effect when they end."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_amplifybackend.local.service.clock import Clock
from airflow_provider_amplifybackend.local.service.effect import Effect
from airflow_provider_amplifybackend.local.service.errors import AnsweredError
from airflow_provider_amplifybackend.local.service.job_book import FINISHED, JobRecord
from airflow_provider_amplifybackend.local.service.store import Store
from airflow_provider_amplifybackend.local.service.surroundings import Surroundings

# A job is PENDING for a fifth of its time, so that both waiting states are seen, but never for long.
_PENDING_SHARE = 0.2
_LONGEST_PENDING_SECONDS = 2.0


@dataclass(order=True, slots=True)
class _Step:
    due: float
    order: int
    job: JobRecord = field(compare=False)
    store: Store = field(compare=False)
    status: str = field(compare=False)


class Schedule:
    """The statuses that jobs have yet to reach; asked before every request."""

    def __init__(self, clock: Clock, surroundings: Callable[[Store, JobRecord], Surroundings]) -> None:
        self._clock = clock
        self._surroundings = surroundings
        self.moves = 0
        self._steps: list[_Step] = []
        self._order = itertools.count()

    def add(self, job: JobRecord, store: Store, seconds: float) -> None:
        fate = job.fate
        running_from = job.started + min(seconds * _PENDING_SHARE, _LONGEST_PENDING_SECONDS)
        self._push(running_from, job, store, fate.shown_status or "RUNNING")
        if fate.shown_status and fate.shown_seconds is not None:
            self._push(running_from + fate.shown_seconds, job, store, "RUNNING")
        if fate.ends:
            # Being shown a strange status for a while does not end the job earlier than that.
            ends_at = max(job.started + seconds, running_from + (fate.shown_seconds or 0.0))
            self._push(ends_at, job, store, "FAILED" if fate.fails else "COMPLETED")

    def end(self, job: JobRecord, store: Store, seconds: float) -> None:
        """Add only the end of a job that is already on its way."""
        self._push(job.started + seconds, job, store, "FAILED" if job.fate.fails else "COMPLETED")

    def _push(self, due: float, job: JobRecord, store: Store, status: str) -> None:
        heapq.heappush(self._steps, _Step(due, next(self._order), job, store, status))

    def settle(self) -> None:
        now = self._clock.now()
        while self._steps and self._steps[0].due <= now:
            step = heapq.heappop(self._steps)
            if not step.job.finished:
                self.move(step.job, step.store, step.status, at=step.due, error=step.job.fate.error)

    def move(self, job: JobRecord, store: Store, status: str, *, at: float, error: str | None = None) -> None:
        """Give a job a status; the effect on the environment comes with COMPLETED or FAILED."""
        self.moves += 1
        job.updated_wall = self._clock.wall(at)
        if status not in FINISHED:
            job.status = status
            return
        effect, around = job.effect or Effect(), self._surroundings(store, job)
        store.jobs.release(job)
        if status == "COMPLETED":
            try:
                effect.complete(around)
            except AnsweredError as failure:
                status, error, job.error_is_own = "FAILED", failure.message, True
        if status == "FAILED":
            job.error = error
            effect.fail(around)
        job.status = status

    def ends(self) -> dict[str, float]:
        """Return when each job ends that ever does, by its id."""
        return {step.job.job_id: step.due for step in self._steps if step.status in FINISHED}

    def kept(self) -> list[tuple[float, str, str]]:
        """Return when which job, by its id, reaches which status, in this order."""
        steps = sorted(step for step in self._steps if not step.job.finished)
        return [(step.due, step.job.job_id, step.status) for step in steps]

    def restore(self, due: float, job: JobRecord, store: Store, status: str) -> None:
        self._push(due, job, store, status)

    def clear(self) -> None:
        self._steps.clear()
