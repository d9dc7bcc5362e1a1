"""The event that ends a wait: the wire format between triggerer and worker, which may run different versions.

It is stored and logged by Airflow, and carries no text of the service: the triggerer knows no secrets to look for in
one. A worker reads the text of a failed job itself (``tasks/failed_job.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from airflow_provider_amplifybackend.core.encodable import MAX_MESSAGE, encodable, shortened
from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.status_check import Awaited, CheckResult, Condition, EnvironmentCondition
from airflow_provider_amplifybackend.core.waiting import Wait
from airflow_provider_amplifybackend.exceptions import (
    AmplifyBackendError,
    BackendJobTimeoutError,
    BackendRequestError,
    BackendTimeoutError,
)

VERSION = 1
FINISHED = "finished"
TIMEOUT = "timeout"
ERROR = "error"


def finished(awaited: Awaited, seen: CheckResult) -> dict[str, Any]:
    """Return the event for a wait that came to its end: a job completed or failed, or a condition was reached."""
    what = (
        {"job": vars(seen) | {"error": None}}
        if isinstance(seen, Job)
        else {"target": asdict(awaited), "status": seen.status}
    )
    return _event(FINISHED, **what)


def timed_out(wait: Wait, now: float) -> dict[str, Any]:
    """Return the event for a wait that timed out."""
    return _event(
        TIMEOUT,
        ref=asdict(wait.awaited),
        waited=now - wait.started,
        last_status=wait.last_status,
        last_error=str(wait.last_error) if wait.last_error else None,
    )


def error(message: str) -> dict[str, Any]:
    """Return the event for a wait that cannot continue."""
    return _event(ERROR, message=shortened(message, MAX_MESSAGE))


def _event(kind: str, **content: Any) -> dict[str, Any]:
    """Return an event. One that cannot be encoded would end the triggerer, and each one that takes over from it."""
    event: dict[str, Any] = encodable({"version": VERSION, "kind": kind, **content})
    return event


def as_it_is(text: str) -> str:
    """Return a text of the triggerer as it is."""
    return text


def job_of_event(event: object, redacted: Callable[[str], str] = as_it_is) -> Job:
    """Return the ended job of an event. Nothing but a well-formed one is ever taken for an ended job.

    It has no error text. Earlier versions put it into the event, where nobody had looked for secrets in it.

    :param redacted: Returns a text without secrets. Earlier versions put texts of the service into errors, too.
    :raises BackendTimeoutError: The wait timed out.
    :raises BackendRequestError: The wait could not continue; carries the trigger's message.
    :raises AmplifyBackendError: The event is missing or malformed.
    """
    with _well_formed(event, redacted) as content:
        job = Job(**{key: content["job"].get(key) for key in Job.__dataclass_fields__ if key != "error"})
        if job.job_id and job.is_finished:
            return job
    raise _unusable(event)


def check_event(event: object, awaited: EnvironmentCondition) -> str:
    """Return the status of an environment that has reached its condition. Raises as :func:`job_of_event` does."""
    with _well_formed(event, as_it_is) as content:
        if content["target"] == asdict(awaited):
            return str(content["status"])
    raise _unusable(event)


@contextmanager
def _well_formed(event: object, redacted: Callable[[str], str]) -> Iterator[Mapping[str, Any]]:
    """Give the content of an event whose wait came to its end; raise the error of any other."""
    content: Mapping[str, Any] = event if isinstance(event, Mapping) else {}
    try:
        kind = content.get("kind")
        if kind == TIMEOUT:
            raise _timeout(content, redacted)
        if kind == ERROR:
            raise BackendRequestError(redacted(str(content["message"])))
        if kind != FINISHED:
            raise _unusable(event)
        yield content
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as malformed:
        raise _unusable(event) from malformed


def _timeout(event: Mapping[str, Any], redacted: Callable[[str], str]) -> BackendTimeoutError:
    last_error = event.get("last_error")
    facts: dict[str, Any] = {
        "waited": float(event["waited"]),
        "last_status": event.get("last_status"),
        "last_error": redacted(str(last_error)) if last_error else None,
    }
    ref = event["ref"]
    if "condition" in ref:
        names = ref["app_id"], ref["backend_environment_name"]
        return BackendTimeoutError(EnvironmentCondition(*names, Condition(ref["condition"])), **facts)
    job = JobRef(ref["app_id"], ref["job_id"], tuple(ref["environments"]), ref.get("operation"))
    return BackendJobTimeoutError(job, **facts)


def _unusable(event: object) -> AmplifyBackendError:
    shape = sorted(event) if isinstance(event, Mapping) else type(event).__name__
    return AmplifyBackendError(
        f"Unusable event at the end of the wait ({shape}): the outcome is unknown. A retry of the task checks the "
        "status again."
    )
