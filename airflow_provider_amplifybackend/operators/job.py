"""Operators for jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend.core.job import readable_times
from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.operators._guarded import GuardedOperator
from airflow_provider_amplifybackend.operators._paged import PagedOperator

if TYPE_CHECKING:
    from mypy_boto3_amplifybackend.type_defs import (
        GetBackendJobResponseTypeDef,
        ListBackendJobsResponseTypeDef,
        UpdateBackendJobResponseTypeDef,
    )

    from airflow_provider_amplifybackend._compat import Context


class GetBackendJobOperator(AmplifyBackendOperator):
    """
    Get a job.

    .. seealso:: `GetBackendJob <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackendJob>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment of the job. (templated)
    :param job_id: The job's id. (templated)

    :return: The job in the API's spelling, and its times also as ISO 8601 (``created_at``, ``updated_at``).
    """

    api_operation: ClassVar[str] = "GetBackendJob"

    def __init__(self, *, app_id: str, backend_environment_name: str, job_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.job_id = job_id

    def present(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """Add the times in a readable form."""
        return readable_times(super().present(response))

    if TYPE_CHECKING:

        def execute(self, context: Context) -> GetBackendJobResponseTypeDef: ...


class ListBackendJobsOperator(PagedOperator):
    """
    List the jobs of an environment, over all pages. The service lists them in no time order.

    .. seealso:: `ListBackendJobs <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/ListBackendJobs>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param job_id: Only the job with this id. (templated)
    :param max_results: Maximum number of jobs per page, 1 to 25. (templated)
    :param next_token: Where an earlier listing ended. (templated)
    :param operation: Only jobs of this operation, e.g. ``CloneBackend``. (templated)
    :param status: Only jobs with this status, e.g. ``RUNNING``. (templated)

    :return: ``Jobs``, each with its times also as ISO 8601 (``created_at``, ``updated_at``); ``NextToken`` if
        ``max_items`` ended the listing.
    """

    api_operation: ClassVar[str] = "ListBackendJobs"
    items_member: ClassVar[str] = "Jobs"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        job_id: str | None = None,
        max_results: int | None = None,
        next_token: str | None = None,
        operation: str | None = None,
        status: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.job_id = job_id
        self.max_results = max_results
        self.next_token = next_token
        self.operation = operation
        self.status = status

    def present(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """Add the times in a readable form."""
        presented = super().present(response)
        return presented | {"Jobs": [readable_times(job) for job in presented["Jobs"]]}

    if TYPE_CHECKING:

        def execute(self, context: Context) -> ListBackendJobsResponseTypeDef: ...


class UpdateBackendJobOperator(GuardedOperator):
    """
    Set the operation or the status of a job. Whether that ends a stuck job is up to the service.

    .. seealso:: `UpdateBackendJob <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/UpdateBackendJob>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment of the job. (templated)
    :param job_id: The job's id. (templated)
    :param operation: The operation to set. (templated)
    :param status: The status to set, e.g. ``FAILED``. (templated)

    :return: The job in the API's spelling, and its times also as ISO 8601 (``created_at``, ``updated_at``).
    """

    api_operation: ClassVar[str] = "UpdateBackendJob"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        job_id: str,
        operation: str | None = None,
        status: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.job_id = job_id
        self.operation = operation
        self.status = status

    def present(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """Add the times in a readable form."""
        return readable_times(super().present(response))

    if TYPE_CHECKING:

        def execute(self, context: Context) -> UpdateBackendJobResponseTypeDef: ...
