"""The event that ends a wait: the wire format between triggerer and worker, which may run different versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow_provider_amplifybackend.exceptions import (
    AmplifyBackendError,
    BackendJobTimeoutError,
    BackendRequestError,
)
from airflow_provider_amplifybackend.jobs import Job, JobRef
from airflow_provider_amplifybackend.polling import JobWait

VERSION = 1
FINISHED = "finished"
TIMEOUT = "timeout"
ERROR = "error"


def finished(job: Job) -> dict[str, Any]:
    """Return the event for a job that has ended, well or badly."""
    return {"version": VERSION, "kind": FINISHED, "job": asdict(job)}


def timed_out(wait: JobWait, now: float) -> dict[str, Any]:
    """Return the event for a time budget that ended first."""
    return {
        "version": VERSION,
        "kind": TIMEOUT,
        "ref": asdict(wait.ref) | {"environments": list(wait.ref.environments)},
        "waited": now - wait.started,
        "last_status": wait.last_status,
        "last_error": str(wait.last_error) if wait.last_error else None,
    }


def error(message: str) -> dict[str, Any]:
    """Return the event for a wait that cannot go on."""
    return {"version": VERSION, "kind": ERROR, "message": message}


def job_of_event(event: Any) -> Job:
    """Return the ended job of an event. Nothing but a well-formed one is ever taken for an ended job.

    :raises BackendJobTimeoutError: The time budget ended first.
    :raises BackendRequestError: The wait could not go on; carries the trigger's message.
    :raises AmplifyBackendError: The event is missing or malformed.
    """
    content = event if isinstance(event, Mapping) else {}
    try:
        if content.get("kind") == FINISHED:
            job = Job(**{key: content["job"].get(key) for key in Job.__dataclass_fields__})
            if job.job_id and job.is_finished:
                return job
        if content.get("kind") == TIMEOUT:
            ref = content["ref"]
            raise BackendJobTimeoutError(
                JobRef(ref["app_id"], ref["job_id"], tuple(ref["environments"]), ref.get("operation")),
                waited=float(content["waited"]),
                last_status=content.get("last_status"),
                last_error=content.get("last_error"),
            )
        if content.get("kind") == ERROR:
            raise BackendRequestError(str(content["message"]))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as malformed:
        raise _unusable(event) from malformed
    raise _unusable(event)


def _unusable(event: Any) -> AmplifyBackendError:
    shape = sorted(event) if isinstance(event, Mapping) else type(event).__name__
    return AmplifyBackendError(
        f"The wait ended with an event that says nothing usable ({shape}), so whether the job has ended is not known. "
        "A retry of the task looks at the job again."
    )
