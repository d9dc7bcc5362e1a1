"""The sensor that waits for a job, or for there to be none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.core.job import Job, JobRef, Outcome
from airflow_provider_amplifybackend.core.status_check import Condition, EnvironmentCondition
from airflow_provider_amplifybackend.exceptions import BackendJobFailedError
from airflow_provider_amplifybackend.parameters.reading import (
    as_flag,
    as_name,
    is_name,
    is_template,
    problems_of,
    shown,
)
from airflow_provider_amplifybackend.sensors._base import WaitSensor
from airflow_provider_amplifybackend.sensors.environment import environment_result
from airflow_provider_amplifybackend.tasks.failed_job import with_error_text
from airflow_provider_amplifybackend.triggers import _events as events

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.core.status_check import Awaited, CheckResult
    from airflow_provider_amplifybackend.triggers._base import WaitTrigger


class BackendJobSensor(WaitSensor):
    """
    Wait until a job has ended, or until no job is pending in an environment.

    .. seealso:: `GetBackendJob <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackendJob>`__,
        `ListBackendJobs <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/ListBackendJobs>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment of the job. (templated)
    :param job_id: The job's id, e.g. ``clone.output["JobId"]``. (templated)
    :param no_job_pending: Instead of a job: wait until no job is pending in the environment. (templated)
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``. (templated)
    :param poke_interval: Seconds between status checks; when deferred, the maximum.
    :param timeout: Maximum seconds to wait, also when deferred.

    :return: The job, as the job operators return it; with ``no_job_pending``, ``AppId``,
        ``BackendEnvironmentName`` and ``condition``.
    :raises BackendJobFailedError: The job ended as FAILED. With ``soft_fail`` the task is skipped, in every mode.
    :raises AirflowSensorTimeout: The wait timed out; names the last status.
    """

    template_fields: Sequence[str] = ("job_id", "no_job_pending", *WaitSensor.template_fields)
    readers = WaitSensor.readers | {"no_job_pending": as_flag}

    def __init__(self, *, job_id: str | None = None, no_job_pending: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.no_job_pending = no_job_pending

    @classmethod
    def problems(cls, values: Mapping[str, Any], *, templates: bool = False) -> list[str]:
        """Return a sentence for each parameter that cannot be used."""
        found = super().problems(values, templates=templates)
        job_id, no_job_pending = values.get("job_id"), values.get("no_job_pending")
        if templates and (is_template(job_id) or is_template(no_job_pending)):
            return found
        if no_job_pending is True or (isinstance(no_job_pending, str) and no_job_pending.strip().lower() == "true"):
            return found + ([f"job_id={shown(job_id)} and no_job_pending are mutually exclusive"] if job_id else [])
        if is_name(job_id):
            return found + problems_of(as_name, "job_id", job_id)
        return [
            *found,
            f"job_id={shown(job_id)} is missing a value; if it comes from an upstream task, that task started no job",
        ]

    def awaited(self) -> Awaited:
        """Return the job, or the environment without one."""
        app_id, environment = self.read("app_id"), self.read("backend_environment_name")
        if self.read("no_job_pending"):
            return EnvironmentCondition(app_id, environment, Condition.IDLE)
        return JobRef(app_id, as_name("job_id", self.job_id), (environment,))

    def trigger(self, **kwargs: Any) -> WaitTrigger:
        """Return the trigger that waits for it."""
        from airflow_provider_amplifybackend.triggers.environment import BackendEnvironmentTrigger
        from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger

        awaited = self.awaited()
        if isinstance(awaited, JobRef):
            return BackendJobTrigger.waiting_for(awaited, **kwargs)
        return BackendEnvironmentTrigger.waiting_for(awaited, **kwargs)

    def result(self, seen: CheckResult) -> dict[str, Any]:
        """Return the job, or raise its error."""
        if not isinstance(seen, Job):
            return environment_result(self.awaited())
        if not seen.is_failed:
            return dict(seen.to_xcom(Outcome.FOUND))
        raise BackendJobFailedError(seen)

    def result_of_event(self, event: object) -> dict[str, Any]:
        """Return the job that has ended, or raise its error."""
        awaited = self.awaited()
        if isinstance(awaited, EnvironmentCondition):
            events.check_event(event, awaited)
            return environment_result(awaited)
        job = events.job_of_event(event)
        return self.result(with_error_text(job, lambda: self.hook_after(event)) if job.is_failed else job)
