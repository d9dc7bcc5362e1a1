"""Deleting the environment that a failed job of ours left behind, so that a retry can create it."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_amplifybackend._errors import request_error
from airflow_provider_amplifybackend.core.job import Job, JobRef, Outcome, newest
from airflow_provider_amplifybackend.core.requests import ServiceError, list_environments
from airflow_provider_amplifybackend.exceptions import AmplifyBackendError
from airflow_provider_amplifybackend.start.actions import AwaitEnd, Obstacle, StartPolicy, Steps, Whose
from airflow_provider_amplifybackend.start.protocol import StartProtocol

CLEANUP_KEY = "amplifybackend_cleanup"


def is_certainly_ours(start: StartProtocol, job: Job, outcome: Outcome) -> bool:
    """Tell whether the service answered our own start with this job, for a target that did not exist before.

    A job that was found by looking may be somebody else's, and a failed one leaves nothing that identifies it.
    """
    intent = start.intent
    if not start.has_store and (intent is None or intent.presumed):
        # Deferred by a version whose intents did not travel.
        return outcome is Outcome.STARTED
    return (
        intent is not None
        and intent.digest == start.digest
        and intent.job_id == job.job_id
        and not intent.found_by_looking
        and intent.target_existed is False
    )


def delete_earlier(start: StartProtocol, environment: str) -> Steps[None]:
    """Delete what the failed job of an earlier try left behind, before this one starts."""
    if start.intent is None or not start.intent.job_id:
        return
    job = yield from start.first_check((yield from start.place_of(start.intent.job)))
    if job and job.is_failed and is_certainly_ours(start, job, Outcome.ADOPTED):
        done = yield from Leftover(job, environment, start).delete()
        start.log.info("FAILED in an earlier try: %s. %s", job.ref, done)


def delete_after(start: StartProtocol, failed: Job, outcome: Outcome) -> Steps[str]:
    """Delete what this try's failed job left behind, and return a sentence on what was done."""
    environment = start.policy.delete_leftover or ""
    if not is_certainly_ours(start, failed, outcome):
        return "Kept what it left behind, because the job may be somebody else's."
    return (yield from Leftover(failed, environment, start).delete())


@dataclass(frozen=True)
class Leftover:
    """The environment that a failed job left behind, and what is needed to delete it once."""

    failed: Job
    environment: str
    # The attempt to start the job: what deletes its leftover has its round, deadline and store.
    start: StartProtocol

    def delete(self) -> Steps[str]:
        """Delete it unless somebody has used it since, and return a sentence on what was done."""
        try:
            return (yield from self._delete())
        except AmplifyBackendError as error:
            return f"Could not delete environment {self.environment}, which it left behind: {error}"

    def _delete(self) -> Steps[str]:
        deletion = self._deletion()
        yield from deletion.load()
        while True:
            if self.environment not in (yield from self._environments()):
                return (yield from self._nothing())
            user = yield from self._later_job()
            if user:
                return (
                    f"Kept environment {self.environment}, which it left behind: it has been used since, by {user.ref}."
                )
            yield from self.start.note_failure()
            step = yield from deletion.advance()
            if step.job is None:
                return (yield from self._nothing())
            ended: Job = yield AwaitEnd(self._ref(step.job), Whose.CLEANUP)
            if not isinstance(step, Obstacle):
                return (yield from self._report(ended))

    def _nothing(self) -> Steps[str]:
        yield from self.start.note_cleaned()
        return f"Nothing to delete: environment {self.environment} does not exist."

    def _report(self, ended: Job) -> Steps[str]:
        what = f"environment {self.environment}, which it left behind"
        if ended.is_failed:
            cause = (
                f"AmplifyBackend reported: {ended.error}" if ended.error else "AmplifyBackend reported no error text."
            )
            return f"Could not delete {what}: FAILED: {ended.ref}. {cause}"
        yield from self.start.note_cleaned()
        return f"Deleted {what}; a retry can create it again (job {ended.job_id})."

    def _ref(self, job: Job) -> JobRef:
        places = dict.fromkeys(filter(None, (job.backend_environment_name, self.environment)))
        return JobRef(job.app_id, job.job_id, tuple(places), job.operation)

    def _environments(self) -> Steps[list[str]]:
        names = {"AppId": self.failed.app_id}
        try:
            return (yield from list_environments(self.failed.app_id))
        except ServiceError as error:
            raise request_error(error, names) from error

    def _later_job(self) -> Steps[Job | None]:
        """Return a job in the environment that is younger than the failed one: it is in use, and no longer ours.

        That goes for a completed deletion too, since the environment exists: somebody has made it again.
        """
        since = self.failed.create_time_ms or 0
        listed = yield from self.start.observer.jobs((self.environment,), self.failed.app_id)
        return newest(
            job
            for job in listed
            if (job.create_time_ms or 0) > since
            and job.job_id != self.failed.job_id
            and (job.operation != "DeleteBackend" or job.is_completed)
        )

    def _deletion(self) -> StartProtocol:
        request = {"AppId": self.failed.app_id, "BackendEnvironmentName": self.environment}
        return StartProtocol(
            "DeleteBackend",
            request,
            round=self.start.round,
            policy=StartPolicy(if_missing="skip", patience=self.start.policy.patience),
            deadline=self.start.deadline,
            log=self.start.log,
            has_store=self.start.has_store,
            try_number=self.start.try_number,
            timing=self.start.timing,
            # One key for each failed job: the next one's leftover is another one to delete.
            key=f"{CLEANUP_KEY}_{self.failed.job_id}",
        )
