"""Reading jobs, and what UpdateBackendJob may do to one."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterable, Iterator

from airflow_provider_amplifybackend.local.service.errors import bad_request, not_found
from airflow_provider_amplifybackend.local.service.invocation import Answer, Call, Handler
from airflow_provider_amplifybackend.local.service.job_book import FINISHED, Job

_LARGEST_PAGE = 25


def get_job(call: Call) -> Answer:
    return _found(call).shown(call.environment_name)


def _found(call: Call) -> Job:
    job = call.store.jobs.find(call.app_id, call.environment_name, call.parameters["JobId"])
    hidden = job is not None and call.service.clock.now() < job.started + job.fate.get_lag_seconds
    if job is None or hidden or not _jobs_readable(call):
        raise not_found("BackendJob", f"Job {call.parameters['JobId']} of app {call.app_id}")
    return job


def _jobs_readable(call: Call) -> bool:
    """Jobs outlive their environment, unless the switch says otherwise."""
    if call.settings.deleted_environment_jobs == "readable":
        return True
    app = call.store.apps.get(call.app_id)
    return app is not None and call.environment_name in app.environments


def list_jobs(call: Call) -> Answer:
    _refuse_unknown(call)
    size = call.parameters.get("MaxResults", _LARGEST_PAGE)
    rows = _matching(call)
    page = list(itertools.islice(rows, size))
    more = next(rows, None) if len(page) == size else None
    return {
        "Jobs": [job.shown(call.environment_name) for job in page],
        "NextToken": _token(page[-1].job_id) if more is not None else None,
    }


def _refuse_unknown(call: Call) -> None:
    if call.store.jobs.knows(call.app_id, call.environment_name) and _jobs_readable(call):
        return
    call.environment()


def _matching(call: Call) -> Iterator[Job]:
    wanted, now = call.parameters, call.service.clock.now()
    operation, status = wanted.get("Operation"), wanted.get("Status")
    for job in _candidates(call, _after(wanted.get("NextToken"))):
        shown = job.fate.shown_members
        if operation is not None and shown.get("Operation", job.operation) != operation:
            continue
        if status is not None and shown.get("Status", job.status) != status:
            continue
        if now >= job.started + job.fate.list_lag_seconds:
            yield job


def _candidates(call: Call, after: str) -> Iterable[Job]:
    """All jobs of the environment, or the one that is asked for, without going through the others."""
    jobs, job_id = call.store.jobs, call.parameters.get("JobId")
    if job_id is None:
        return jobs.listed(call.app_id, call.environment_name, after)
    job = jobs.find(call.app_id, call.environment_name, job_id)
    return [job] if job is not None and job_id > after else []


def _token(job_id: str) -> str:
    return base64.urlsafe_b64encode(job_id.encode(errors="surrogatepass")).decode()


def _after(token: str | None) -> str:
    if token is None:
        return ""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode(errors="surrogatepass")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise bad_request("NextToken is not one that this service gave") from None


def update_job(call: Call) -> Answer:
    """Whether it ends a stuck job is unknown of the real service: it does, or it is ignored.

    It changes the row only: what the job had not done by then is not done.
    """
    job = _found(call)
    if call.settings.update_job == "sets_status" and not job.finished:
        job.operation = call.parameters.get("Operation", job.operation)
        job.status = call.parameters.get("Status", job.status)
        job.updated_wall = call.service.clock.wall()
        if job.status in FINISHED:
            call.store.jobs.release(job)
    return job.shown(call.environment_name)


HANDLERS: dict[str, Handler] = {
    "GetBackendJob": get_job,
    "ListBackendJobs": list_jobs,
    "UpdateBackendJob": update_job,
}
