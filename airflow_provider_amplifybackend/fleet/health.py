"""The health of an environment: what its jobs tell of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from airflow_provider_amplifybackend.core.job import Job, newest
from airflow_provider_amplifybackend.fleet.reading import Environment


class Health(StrEnum):
    """The state that the jobs of an environment have left it in."""

    OK = "ok"
    BUSY = "busy"
    # Its last job that has ended has failed.
    FAILED = "failed"
    # A job does not end, and lets no other begin.
    STUCK = "stuck"
    # AWS Amplify lists it, and AmplifyBackend knows nothing of it.
    MISSING = "missing"
    UNKNOWN = "unknown"


def stuck(jobs: Iterable[Job], now: datetime, after: timedelta) -> list[Job]:
    """Return the jobs that have not ended for longer than they ever take, the oldest first."""
    limit = (now - after).timestamp() * 1000
    return sorted((job for job in jobs if not job.is_finished and _seen(job) < limit), key=_seen)


def _seen(job: Job) -> float:
    # Without a time nobody knows for how long: it is taken for new.
    return float(job.update_time_ms or job.create_time_ms or datetime.max.replace(tzinfo=UTC).timestamp() * 1000)


def health_of(environment: Environment, now: datetime, stuck_after: timedelta) -> Health:
    """Return the health of an environment."""
    if not environment.exists:
        return Health.MISSING
    if environment.jobs_are_complete is None:
        return Health.UNKNOWN
    if stuck(environment.jobs, now, stuck_after):
        return Health.STUCK
    if any(not job.is_finished for job in environment.jobs):
        return Health.BUSY
    last = newest(environment.jobs)
    return Health.FAILED if last and last.is_failed else Health.OK
