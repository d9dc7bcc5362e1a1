"""The rows of an inventory: one for each environment, and one for each app or region that could not be read.

A row holds names, ids, times and verdicts. It holds no text that the service wrote about a job and no value of a
tag or variable but a lease and the name of the environment that is being migrated: there may be secrets in them, or
people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.job import Job, earlier_durations, iso_time, newest
from airflow_provider_amplifybackend.core.meta_config import outputs
from airflow_provider_amplifybackend.core.schedule import usual_seconds
from airflow_provider_amplifybackend.fleet.gen2 import NOT_ASSESSED, Readiness, assess, readiness
from airflow_provider_amplifybackend.fleet.health import Health, health_of, stuck
from airflow_provider_amplifybackend.fleet.leases import lease_of
from airflow_provider_amplifybackend.fleet.migration import migration_of
from airflow_provider_amplifybackend.fleet.reading import App, Environment
from airflow_provider_amplifybackend.guard.inventory import MOST_RESOURCES
from airflow_provider_amplifybackend.guard.protected import (
    Entry,
    SettingError,
    protected_environments,
    refuse_app_id,
)

# The columns, in the order in which tables show them; what is nested comes last.
COLUMNS = (
    "kind",
    "connection",
    "region",
    "app_id",
    "app_name",
    "environment",
    "attention",
    "health",
    "created_at",
    "age_days",
    "last_change_at",
    "idle_days",
    "jobs",
    "jobs_are_complete",
    "failed_jobs",
    "last_job_id",
    "last_job_operation",
    "last_job_status",
    "last_job_at",
    "stuck_jobs",
    "running_jobs",
    "lease",
    "lease_until",
    "protection",
    "migration",
    "gen2",
    "resources",
    "stack_name",
    "unreadable",
    "read_at",
)


@dataclass(frozen=True)
class Place:
    """The place that rows are of."""

    connection: str
    region: str
    now: datetime
    # A job that has not ended for longer is stuck.
    stuck_after: timedelta
    entries: tuple[Entry, ...] = ()
    # Why the protected names cannot be read; the guard then refuses every change.
    setting_problem: str = ""
    stacks: Mapping[str, str] = field(default_factory=dict)


def _empty(kind: str, place: Place, app: App | None = None) -> dict[str, Any]:
    known = app or App("")
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    named = {"kind": kind, "connection": place.connection, "region": place.region, "read_at": _iso(place.now)}
    return row | named | {"app_id": known.app_id, "app_name": known.name, "environment": "", "attention": []}


def error_row(place: Place, why: Iterable[str], app: App | None = None, environment: str = "") -> dict[str, Any]:
    """Return the row of a region, an app or an environment that could not be read."""
    kind = "environment" if environment else "app" if app else "region"
    unread = {"unreadable": list(why), "health": Health.UNKNOWN, "resources": [], "stuck_jobs": [], "running_jobs": []}
    return _empty(kind, place, app) | unread | {"environment": environment, "gen2": Readiness.UNKNOWN}


def environment_row(place: Place, app: App, environment: Environment) -> dict[str, Any]:
    """Return the row of an environment."""
    known, jobs = environment.known, environment.jobs
    resources = list(resource_rows(environment))
    changed = _last_change(environment)
    last = newest(jobs)
    lease = lease_of(app.tags, known.name, place.now)
    return _empty("environment", place, app) | {
        "environment": known.name,
        "health": health_of(environment, place.now, place.stuck_after),
        "created_at": _iso(known.created),
        "age_days": _days(known.created, place.now),
        "last_change_at": _iso(changed),
        "idle_days": _days(changed, place.now),
        "jobs": None if environment.jobs_are_complete is None else len(jobs),
        "jobs_are_complete": environment.jobs_are_complete,
        "failed_jobs": sum(job.is_failed for job in jobs),
        "last_job_id": last.job_id if last else None,
        "last_job_operation": last.operation if last else None,
        "last_job_status": last.status if last else None,
        "last_job_at": iso_time(last.update_time_ms or last.create_time_ms) if last else None,
        "stuck_jobs": [_stuck_job(job) for job in stuck(jobs, place.now, place.stuck_after)],
        "running_jobs": [_running_job(job, jobs) for job in jobs if not job.is_finished],
        "lease": lease.text,
        "lease_until": _iso(lease.until),
        "protection": _protection(place, app, environment),
        "migration": migration_of(app, environment, place.stacks),
        "gen2": _gen2(environment),
        "resources": resources,
        "stack_name": environment.stack,
        "unreadable": _unreadable(environment),
    }


def _stuck_job(job: Job) -> dict[str, Any]:
    since = iso_time(job.update_time_ms or job.create_time_ms)
    return {"job_id": job.job_id, "operation": job.operation, "status": job.status, "since": since}


def _running_job(job: Job, jobs: Iterable[Job]) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "operation": job.operation,
        "status": job.status,
        "since": iso_time(job.create_time_ms),
        "usual_seconds": usual_seconds(earlier_durations(jobs, job.operation or "")),
    }


def _last_change(environment: Environment) -> datetime | None:
    """Return when anything last changed: a job ended, or AWS Amplify says so."""
    times = [job.update_time_ms or job.create_time_ms for job in environment.jobs]
    seen = [datetime.fromtimestamp(time / 1000, UTC) for time in times if time is not None]
    return max([*seen, *filter(None, [environment.known.updated, environment.known.created])], default=None)


def _protection(place: Place, app: App, environment: Environment) -> list[str]:
    matches = protected_environments(place.entries, app.app_id, [environment.known.name])
    reasons = [f"{match.entry.text!r} of {match.entry.setting}" for match in matches]
    if problem := place.setting_problem or _app_id_problem(place.entries, app.app_id):
        reasons.append(f"every change is refused: {problem}")
    signs = environment.signs.signs if environment.signs else []
    if any(sign.refusal is GuardRefusal.TERMINATION_PROTECTION for sign in signs):
        reasons.append("termination protection")
    return reasons


def _app_id_problem(entries: Iterable[Entry], app_id: str) -> str:
    try:
        refuse_app_id(entries, app_id)
    except SettingError as error:
        return str(error)
    return ""


def _unreadable(environment: Environment) -> list[str]:
    notes = [f"{gap.what}: {gap.why}" for gap in environment.found.gaps]
    if sum(1 for _ in _resources(environment.meta or {})) > MOST_RESOURCES:
        notes.append(f"its resources: there are more than {MOST_RESOURCES}, and the first of them are shown")
    return [*notes, *(environment.signs.unreadable if environment.signs else ())]


def _gen2(environment: Environment) -> Readiness:
    if environment.meta is None:
        return Readiness.UNKNOWN
    verdicts = [assess(category, entry, environment.flags) for category, _, entry in _resources(environment.meta)]
    return readiness(verdicts)


def _resources(meta: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    for category, entries in meta.items():
        if category not in NOT_ASSESSED and isinstance(entries, Mapping):
            for name, entry in entries.items():
                if isinstance(entry, Mapping):
                    yield str(category), str(name), entry


def resource_rows(environment: Environment) -> Iterable[dict[str, Any]]:
    """Yield the resources of an environment: what each is, where it is known, and what a migration makes of it."""
    for category, name, entry in islice(_resources(environment.meta or {}), MOST_RESOURCES):
        verdict = assess(category, entry, environment.flags)
        ids = {key: value for key, value in outputs({category: {name: entry}}).items() if value}
        yield {
            "category": category,
            "name": name,
            "service": str(entry.get("service") or ""),
            "imported": entry.get("serviceType") == "imported",
            "ids": ids,
            "generate": verdict.generate,
            "refactor": verdict.refactor,
            "note": verdict.note,
        }


def _iso(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat(timespec="seconds") if time else None


def _days(since: datetime | None, now: datetime) -> float | None:
    return round(max(0.0, (now - since).total_seconds()) / 86400, 1) if since else None
