"""The overview that the page at `/` shows: apps, environments, jobs, faults, the newest requests, in bounded size.

Names, times, statuses and codes only: no configuration, output, variable, parameter, token or error text of which a
secret could be a part.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from airflow_provider_amplifybackend import __version__
from airflow_provider_amplifybackend.local.service.api_model import named_app, named_environments
from airflow_provider_amplifybackend.local.service.job_book import JobRecord
from airflow_provider_amplifybackend.local.service.service import Service
from airflow_provider_amplifybackend.local.service.store import RESOURCE_KINDS, App, Environment, Store
from airflow_provider_amplifybackend.local.testing.faults import FaultBook
from airflow_provider_amplifybackend.local.testing.journal import Entry, Journal
from airflow_provider_amplifybackend.local.testing.seed_neighbours import MIGRATION_VARIABLE

MOST_APPS = 100
MOST_ENVIRONMENTS = 100
MOST_NAMES = 20
MOST_RUNNING = 200
MOST_ENDED = 50
MOST_ENTRIES = 200
MOST_FAULTS = 100
LONGEST_TEXT = 300

# Their requests carry secrets, which the scripted text of a failure may quote. The service's own texts quote none.
_WITH_SECRETS = frozenset({"CreateBackendAuth", "UpdateBackendAuth"})
_WITHHELD = "(the text is not shown: it may quote the request)"


def overview(service: Service, faults: FaultBook, journal: Journal, after: int) -> dict[str, Any]:
    """Return what there is now, and the entries of the journal beyond `after`."""
    service.settle()
    apps = [(store, app) for store in service.stores.values() for app in store.apps.values()]
    clock = service.clock
    return {
        "run": journal.run,
        "version": __version__,
        "time": clock.wall(),
        "skew_seconds": clock.skew_seconds,
        "frozen": clock.frozen,
        "apps": [_app(service, store, app) for store, app in apps[:MOST_APPS]],
        "more_apps": max(0, len(apps) - MOST_APPS),
        "jobs": _jobs(service),
        "faults": [_fault(fault.as_dict()) for fault in faults.all()[:MOST_FAULTS]],
        "journal": {
            "entries": [_entry(entry) for entry in journal.newest(MOST_ENTRIES, after)],
            "last": journal.last,
            "count": journal.count,
            "dropped": journal.dropped,
        },
    }


def _text(value: Any) -> str:
    """Return a text as it is shown: short, and text even where a request had something else in its place."""
    shown = value if isinstance(value, str) else "" if value is None else f"({type(value).__name__})"
    return shown if len(shown) <= LONGEST_TEXT else f"{shown[:LONGEST_TEXT]}..."


def _names(names: Iterable[Any]) -> list[str]:
    found = [_text(name) for name in itertools.islice(names, MOST_NAMES + 1)]
    return found if len(found) <= MOST_NAMES else [*found[:MOST_NAMES], "..."]


def _app(service: Service, store: Store, app: App) -> dict[str, Any]:
    environments = list(itertools.islice(app.environments.values(), MOST_ENVIRONMENTS))
    tags = itertools.islice(app.hosting.tags.items(), MOST_NAMES)
    return {
        "account": _text(store.account),
        "region": _text(store.region),
        "app_id": _text(app.app_id),
        "name": _text(app.name),
        "tags": {_text(name): _text(value) for name, value in tags},
        "environments": [_environment(service, store, app, one) for one in environments],
        "more_environments": len(app.environments) - len(environments),
    }


def _environment(service: Service, store: Store, app: App, environment: Environment) -> dict[str, Any]:
    return {
        "name": _text(environment.name),
        "created": environment.created,
        "signs": list(_signs(service, store, app, environment)),
        **{kind: _names(environment.resources(kind)) for kind in RESOURCE_KINDS},
    }


def _signs(service: Service, store: Store, app: App, environment: Environment) -> Iterator[str]:
    if app.hosting.variables.get(MIGRATION_VARIABLE) == environment.name:
        yield "locked by a migration"
    root = service.provisioner.root_of(store, environment)
    if root is None or not root.is_live:
        yield "no stack"
    elif root.termination_protection:
        yield "termination protection"
    if store.jobs.is_held(app.app_id, environment.name):
        yield "has a pending job"


def _jobs(service: Service) -> dict[str, Any]:
    """Return the jobs that run, and of the others those that started last."""
    jobs = [job for store in service.stores.values() for job in store.jobs.all()]
    running = [job for job in jobs if not job.finished]
    ended = [job for job in jobs if job.finished]
    ends = service.schedule.ends() if running else {}
    chosen = (*_newest(running, MOST_RUNNING), *_newest(ended, MOST_ENDED))
    return {
        "shown": [_job(service, job, ends.get(job.job_id)) for job in chosen],
        "more": len(jobs) - len(chosen),
        "running": len(running),
        "failed": sum(job.status == "FAILED" for job in ended),
        "total": len(jobs),
    }


def _newest(jobs: list[JobRecord], most: int) -> list[JobRecord]:
    return heapq.nlargest(most, jobs, key=lambda job: job.created_wall)


def _job(service: Service, job: JobRecord, ends: float | None) -> dict[str, Any]:
    row = job.row()
    return {
        "job_id": _text(job.job_id),
        "app_id": _text(row["AppId"]),
        "environment": _text(row["BackendEnvironmentName"]),
        "operation": _text(job.operation),
        "status": _text(job.status),
        "finished": job.finished,
        "error": _error(job),
        "created": job.created_wall,
        "updated": job.updated_wall,
        "ends": None if ends is None else service.clock.wall(ends),
    }


def _error(job: JobRecord) -> str:
    if job.error and job.operation in _WITH_SECRETS and not job.error_is_own:
        return _WITHHELD
    return _text(job.error)


def _fault(script: dict[str, Any]) -> dict[str, Any]:
    texts = {name: _text(script[name]) for name in ("kind", "operation", "app_id", "environment")}
    return {**texts, "fault_id": script["fault_id"], "used": script["used"], "times": script["times"]}


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "time": entry.time,
        "service": entry.service,
        "operation": entry.operation,
        "app_id": _text(named_app(entry.parameters)),
        "environments": _names(one for one in named_environments(entry.parameters) if one is not None),
        "status_code": entry.status_code,
        "error_code": entry.error_code,
        "faults": entry.faults,
        "job_id": entry.job_id,
    }
