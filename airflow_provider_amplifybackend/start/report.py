"""The note that the task returns with its job: after a wait nothing else of a start is loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_amplifybackend.start.intent import STORE_KEY, Intent

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import StateStore
    from airflow_provider_amplifybackend.core.job import Job
    from airflow_provider_amplifybackend.start.actions import Log


def report(store: StateStore | None, job: Job, log: Log) -> None:
    """Note that the task returns with this job: clearing it from now on means to do it again."""
    try:
        intent = Intent.from_stored(store.get(STORE_KEY)) if store else None
        if store and intent and intent.job_id == job.job_id and not intent.reported:
            store.set(STORE_KEY, replace(intent, reported=True).to_stored())
    except Exception as error:  # noqa: BLE001
        # The job is done all the same.
        log.warning("Could not store that the job has ended (%s): %s", error, job.ref)
