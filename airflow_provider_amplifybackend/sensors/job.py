"""The sensor that waits for a job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_amplifybackend._compat import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)
from airflow_provider_amplifybackend.aws_parameters import AwsParameters
from airflow_provider_amplifybackend.deadlines import deferral_timeout, earliest_deadline
from airflow_provider_amplifybackend.exceptions import BackendJobFailedError, BackendJobTimeoutError, request_error
from airflow_provider_amplifybackend.jobs import Job, JobRef, Outcome, iso_time
from airflow_provider_amplifybackend.operators.base import DEFAULT_DEFERRABLE
from airflow_provider_amplifybackend.parameters import as_flag, as_name, as_number
from airflow_provider_amplifybackend.polling import JobWait, ServiceError, look_at_job
from airflow_provider_amplifybackend.triggers.events import job_of_event

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context


class BackendJobSensor(AwsParameters, BaseSensorOperator):
    """
    Wait until a job has ended.

    .. seealso:: `GetBackendJob <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackendJob>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment of the job. (templated)
    :param job_id: The job's id, e.g. ``clone.output["JobId"]``. (templated)
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param poke_interval: Seconds between two looks; when deferred, the longest ones.
    :param timeout: Seconds to wait at most. It holds when deferred, too.

    :return: The job, as the job operators return it.
    :raises BackendJobFailedError: The job ended as FAILED.
    :raises AirflowSensorTimeout: The job had not ended in time.
    """

    template_fields: Sequence[str] = (
        "app_id",
        "backend_environment_name",
        "job_id",
        "deferrable",
        *AwsParameters.template_fields,
    )
    readers = AwsParameters.readers | {
        "app_id": as_name,
        "backend_environment_name": as_name,
        "job_id": as_name,
        "deferrable": as_flag,
    }
    ui_color = "#fff3e0"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        job_id: str,
        deferrable: bool = DEFAULT_DEFERRABLE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.job_id = job_id
        self.deferrable = deferrable
        self._wait: JobWait | None = None

    def execute(self, context: Context) -> Any:
        """Wait for the job, on the worker or in the triggerer."""
        self.validate()
        ref, started = self._ref(), self._started(context)
        self._wait = JobWait(ref, deadline=started + self.timeout, started=started)
        if not self.read("deferrable"):
            return self._poke_until_done(context)
        job = self._look()
        if job is not None and job.is_finished:
            return self._result(job)
        deadline = earliest_deadline(started, self.timeout, self.execution_timeout)
        return self._defer(ref, started=started, deadline=deadline)

    def _poke_until_done(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:
            raise self._timeout(error) from error

    def poke(self, context: Context) -> PokeReturnValue | bool:
        """Look at the job once."""
        job = self._look()
        if job is None or not job.is_finished:
            return False
        return PokeReturnValue(True, self._result(job))

    def _look(self) -> Job | None:
        wait = self._wait or JobWait(self._ref(), deadline=time.time(), started=time.time())
        try:
            job = self.hook.run(look_at_job(wait.ref))
        except ServiceError as error:
            try:
                note = wait.missed(error, time.time())
            except ServiceError:
                raise request_error(error, wait.ref.request) from error
            if note:
                self.log.info(note)
            return None
        note = wait.saw(job)
        if note:
            self.log.info(note)
        return job

    def _result(self, job: Job) -> dict[str, Any]:
        if not job.is_failed:
            return job.to_xcom(Outcome.FOUND)
        failure = BackendJobFailedError(job)
        # Airflow skips for a failure on resume, but not in poke; the task must not depend on where it waits.
        if self.soft_fail or getattr(self, "never_fail", False):
            raise AirflowSkipException(str(failure)) from failure
        raise failure

    def _timeout(self, error: BaseException) -> AirflowSensorTimeout:
        if self._wait is None:
            return AirflowSensorTimeout(*error.args)
        return AirflowSensorTimeout(str(BackendJobTimeoutError.of(self._wait, time.time())))

    def _ref(self) -> JobRef:
        return JobRef(self.read("app_id"), self.read("job_id"), (self.read("backend_environment_name"),))

    def _started(self, context: Context) -> float:
        """Return when this try began to wait; in reschedule mode that was in an earlier process."""
        first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        return first.timestamp() if first else time.time()

    def _defer(self, ref: JobRef, *, started: float, deadline: float) -> NoReturn:
        from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger

        trigger = BackendJobTrigger.waiting_for(
            ref,
            started=started,
            deadline=deadline,
            waiter_delay=as_number("poke_interval", self.poke_interval, least=0.1),
            **self.aws_parameters,
        )
        self.log.info("%s: waiting in the triggerer, until %s at most", ref, iso_time(int(deadline * 1000)))
        self.defer(trigger=trigger, method_name="execute_complete", timeout=deferral_timeout(deadline))
        raise AssertionError("defer does not return")

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Return the job that has ended, or raise its error."""
        try:
            return self._result(job_of_event(event))
        except BackendJobTimeoutError as error:
            raise AirflowSensorTimeout(str(error)) from error
