"""Jobs: get, list, and the little that UpdateBackendJob can do."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterable, Iterator

from airflow_provider_amplifybackend.local.service.errors import bad_request, not_found
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation
from airflow_provider_amplifybackend.local.service.job_book import FINISHED, JobRecord

_LARGEST_PAGE = 25


def get_job(invocation: Invocation) -> Answer:
    return _found(invocation).shown(invocation.environment_name)


def _found(invocation: Invocation) -> JobRecord:
    job = invocation.store.jobs.find(invocation.app_id, invocation.environment_name, invocation.parameters["JobId"])
    hidden = job is not None and invocation.clock.now() < job.started + job.fate.get_lag_seconds
    if job is None or hidden or not _jobs_readable(invocation):
        raise not_found("BackendJob", f"Job {invocation.parameters['JobId']} of app {invocation.app_id}")
    return job


def _jobs_readable(invocation: Invocation) -> bool:
    """Return true where jobs can be read: they outlive their environment, unless the switch says otherwise."""
    if invocation.settings.deleted_environment_jobs == "readable":
        return True
    app = invocation.store.apps.get(invocation.app_id)
    return app is not None and invocation.environment_name in app.environments


def list_jobs(invocation: Invocation) -> Answer:
    _refuse_unknown(invocation)
    size = invocation.parameters.get("MaxResults", _LARGEST_PAGE)
    rows = _matching(invocation)
    page = list(itertools.islice(rows, size))
    more = next(rows, None) if len(page) == size else None
    return {
        "Jobs": [job.shown(invocation.environment_name) for job in page],
        "NextToken": _token(page[-1].job_id) if more is not None else None,
    }


def _refuse_unknown(invocation: Invocation) -> None:
    if invocation.store.jobs.knows(invocation.app_id, invocation.environment_name) and _jobs_readable(invocation):
        return
    invocation.environment()


def _matching(invocation: Invocation) -> Iterator[JobRecord]:
    wanted, now = invocation.parameters, invocation.clock.now()
    operation, status = wanted.get("Operation"), wanted.get("Status")
    for job in _candidates(invocation, _after(wanted.get("NextToken"))):
        shown = job.fate.shown_members
        if operation is not None and shown.get("Operation", job.operation) != operation:
            continue
        if status is not None and shown.get("Status", job.status) != status:
            continue
        if now >= job.started + job.fate.list_lag_seconds:
            yield job


def _candidates(invocation: Invocation, after: str) -> Iterable[JobRecord]:
    """Return all jobs of the environment, or the one that is asked for, without going through the others."""
    jobs, job_id = invocation.store.jobs, invocation.parameters.get("JobId")
    if job_id is None:
        return jobs.listed(invocation.app_id, invocation.environment_name, after)
    job = jobs.find(invocation.app_id, invocation.environment_name, job_id)
    return [job] if job is not None and job_id > after else []


def _token(job_id: str) -> str:
    return base64.urlsafe_b64encode(job_id.encode(errors="surrogatepass")).decode()


def _after(token: str | None) -> str:
    if token is None:
        return ""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode(errors="surrogatepass")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise bad_request("NextToken was not issued by this service") from None


def update_job(invocation: Invocation) -> Answer:
    """Change the job's row, or ignore the request: it is unknown whether the real service lets a stuck job end so.

    Only the row changes: what the job had not done by then is not done.
    """
    job = _found(invocation)
    if invocation.settings.update_job == "sets_status" and not job.finished:
        job.operation = invocation.parameters.get("Operation", job.operation)
        job.status = invocation.parameters.get("Status", job.status)
        job.updated_wall = invocation.clock.wall()
        if job.status in FINISHED:
            invocation.store.jobs.release(job)
    return job.shown(invocation.environment_name)


HANDLERS: dict[str, Handler] = {
    "GetBackendJob": get_job,
    "ListBackendJobs": list_jobs,
    "UpdateBackendJob": update_job,
}
