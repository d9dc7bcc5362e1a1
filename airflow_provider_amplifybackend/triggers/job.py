"""The trigger that waits for a job."""

from __future__ import annotations

from typing import Any

from airflow_provider_amplifybackend.core.job import JobRef
from airflow_provider_amplifybackend.triggers._base import WaitTrigger


class BackendJobTrigger(WaitTrigger):
    """
    Wait until a job has ended, and report its end.

    :param app_id: The app's id.
    :param job_id: The job's id.
    :param environments: The environments in which to check for the job, the likeliest first.
    :param operation: The operation of the job, if known.
    :param durations: Durations of earlier jobs of the operation, in seconds, for the schedule of status checks.
    :param kwargs: See :class:`~airflow_provider_amplifybackend.triggers._base.WaitTrigger`.
    """

    awaited: JobRef

    def __init__(
        self,
        *,
        app_id: str,
        job_id: str,
        environments: list[str],
        operation: str | None = None,
        durations: list[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.durations = durations or []
        self.awaited = JobRef(app_id, job_id, tuple(environments), operation)

    @classmethod
    def waiting_for(cls, ref: JobRef, **kwargs: Any) -> BackendJobTrigger:
        """Return the trigger for a job."""
        return cls(
            app_id=ref.app_id,
            job_id=ref.job_id,
            environments=list(ref.environments),
            operation=ref.operation,
            **kwargs,
        )

    def awaited_arguments(self) -> dict[str, Any]:
        """Return the arguments that identify what is waited for."""
        return {
            "app_id": self.awaited.app_id,
            "job_id": self.awaited.job_id,
            "environments": list(self.awaited.environments),
            "operation": self.awaited.operation,
            "durations": list(self.durations),
        }
