"""The notes that a task leaves for the tab "Amplify job" of Airflow's UI, as XComs: their keys, and their form.

They are written by workers and read by the API server, which may have another version of this package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_amplifybackend.core.job import JobRef
from airflow_provider_amplifybackend.core.schedule import usual_seconds
from airflow_provider_amplifybackend.core.status_check import Awaited

VERSION = 1
# The wait for what the task is for: its job, or the condition of a sensor.
WAIT_KEY = "amplify_wait"
# The wait for another job, which held the environment.
OTHER_KEY = "amplify_wait_for_other"
ERROR_KEY = "amplify_error"
MOST_TEXT = 4000


def wait_note(
    awaited: Awaited,
    *,
    started: float,
    deadline: float,
    outcome: str | None = None,
    durations: Sequence[float] = (),
    created_ms: int | None = None,
) -> dict[str, Any]:
    """Return the note of a wait that begins.

    :param outcome: The way in which the task came to its job.
    :param durations: How long earlier jobs of the operation took, in seconds.
    :param created_ms: When the job was created, as far as is known.
    """
    note: dict[str, Any] = {
        "version": VERSION,
        "what": str(awaited),
        "started": started,
        "deadline": deadline,
        "outcome": outcome,
        "created": None if created_ms is None else created_ms / 1000,
        "usual_seconds": usual_seconds(durations),
    }
    if isinstance(awaited, JobRef):
        job = {"AppId": awaited.app_id, "JobId": awaited.job_id, "Operation": awaited.operation}
        environment = awaited.environments[0] if awaited.environments else None
        note["job"] = job | {"BackendEnvironmentName": environment}
    return note


def error_note(
    error: BaseException, text: str, service_text: str | None, took_seconds: float | None = None
) -> dict[str, Any]:
    """Return the note of an error.

    :param text: What it says, without secrets.
    :param service_text: The service's own text about the failed job, without secrets.
    :param took_seconds: How long the failed job took.
    """
    reason = getattr(error, "reason", None)
    return {
        "version": VERSION,
        "type": type(error).__name__,
        "reason": None if reason is None else str(reason),
        "text": text[:MOST_TEXT],
        "service_text": (service_text or "")[:MOST_TEXT] or None,
        "took_seconds": took_seconds,
    }


def read_note(value: Any) -> Mapping[str, Any] | None:
    """Return a note that this version can read; None for anything else."""
    return value if isinstance(value, Mapping) and value.get("version") == VERSION else None
