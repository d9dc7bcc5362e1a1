"""Deleting the environment that a failed job of ours left behind, so that a retry can create it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_amplifybackend import jobs
from airflow_provider_amplifybackend.exceptions import AmplifyBackendError
from airflow_provider_amplifybackend.hooks.start import Blocked, Policy, StartOnce, StateStore
from airflow_provider_amplifybackend.jobs import Job, JobRef, Outcome

CLEANUP_KEY = "amplifybackend_cleanup"


def is_certainly_ours(starter: StartOnce, job: Job, outcome: Outcome) -> bool:
    """Whether the service answered our own start with this job, for a target that did not exist before.

    A job that was found by looking may be somebody else's, and a failed one leaves nothing to tell it by.
    """
    if starter.store is None:
        return outcome is Outcome.STARTED
    intent = starter.intent
    return (
        intent is not None
        and intent.digest == starter.digest
        and intent.job_id == job.job_id
        and not intent.found_by_looking
        and intent.target_existed is False
    )


@dataclass(frozen=True)
class Leftover:
    """The environment that a failed job left behind, and what is needed to delete it once."""

    failed: Job
    environment: str
    # The attempt to start the job: what deletes its leftover has its round, deadline and store.
    start: StartOnce
    # Waits for the end of a job, until the deadline.
    await_end: Callable[[JobRef, float], Job]

    def delete(self) -> str:
        """Delete it unless somebody has used it since, and say in a sentence what was done."""
        try:
            return self._delete()
        except AmplifyBackendError as error:
            return f"Environment {self.environment}, which it left behind, could not be deleted: {error}"

    def _delete(self) -> str:
        starter = self._starter()
        while True:
            if self.environment not in self.start.hook.get_environments(self.failed.app_id):
                return self._nothing()
            user = self._later_job()
            if user:
                return f"Environment {self.environment}, which it left behind, was kept: {user.ref} came later."
            self.start.note_failure()
            step = starter.advance()
            if step.job is None:
                return self._nothing()
            ended = self.await_end(self._ref(step.job), self.start.deadline)
            if not isinstance(step, Blocked):
                return self._report(ended)

    def _nothing(self) -> str:
        self.start.note_cleaned()
        return f"Environment {self.environment} does not exist: there is nothing left to delete."

    def _report(self, ended: Job) -> str:
        what = f"Environment {self.environment}, which it left behind,"
        if ended.is_failed:
            return f"{what} could not be deleted: {ended.ref} FAILED. {ended.error or 'There is no error text.'}"
        self.start.note_cleaned()
        return f"{what} was deleted (job {ended.job_id}), so that a retry can create it."

    def _ref(self, job: Job) -> JobRef:
        places = dict.fromkeys(filter(None, (job.backend_environment_name, self.environment)))
        return JobRef(job.app_id, job.job_id, tuple(places), job.operation)

    def _later_job(self) -> Job | None:
        """Return a job in the environment that is younger than the failed one: it is in use, and not ours any more.

        That goes for a completed deletion too, since the environment exists: somebody has made it again.
        """
        since = self.failed.create_time_ms or 0
        listed = self.start.hook.iter_jobs(self.failed.app_id, self.environment)
        return jobs.newest(
            job
            for job in listed
            if (job.create_time_ms or 0) > since
            and job.job_id != self.failed.job_id
            and (job.operation != "DeleteBackend" or job.is_completed)
        )

    def _starter(self) -> StartOnce:
        store = self.start.store
        request = {"AppId": self.failed.app_id, "BackendEnvironmentName": self.environment}
        return StartOnce(
            self.start.hook,
            "DeleteBackend",
            request,
            round=self.start.round,
            policy=Policy(if_missing="skip", patience=self.start.policy.patience),
            deadline=self.start.deadline,
            log=self.start.log,
            # One key for each failed job: the next one's leftover is another one to delete.
            store=_Renamed(store, f"{CLEANUP_KEY}_{self.failed.job_id}") if store is not None else None,
        )


@dataclass(frozen=True)
class _Renamed:
    """A state store in which the start of the deletion has a place of its own."""

    store: StateStore
    key: str

    def get(self, key: str, default: Any = None) -> Any:
        return self.store.get(self.key, default)

    def set(self, key: str, value: Any) -> None:
        self.store.set(self.key, value)
