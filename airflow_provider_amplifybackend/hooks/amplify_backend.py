"""The hook: safe calls of AmplifyBackend."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_amplifybackend._compat import AirflowNotFoundException
from airflow_provider_amplifybackend._errors import request_error, timeout_error, wait_error
from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.core.encodable import encodable_answer
from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, OPERATIONS
from airflow_provider_amplifybackend.core.requests import (
    JOBS_PER_PAGE,
    Call,
    FaultKind,
    Paging,
    ServiceError,
    drive,
    list_environments,
)
from airflow_provider_amplifybackend.core.schedule import Durations, PollSchedule
from airflow_provider_amplifybackend.core.status_check import check_job
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.core.waiting import Wait
from airflow_provider_amplifybackend.exceptions import (
    BackendGuardError,
    BackendJobFailedError,
    BackendParameterError,
    BackendRequestError,
)
from airflow_provider_amplifybackend.hooks._botocore_errors import (
    UnreadableAnswerError,
    cause,
    check_answer,
    client_error,
    service_error,
)
from airflow_provider_amplifybackend.hooks._connected import ConnectedHook, always
from airflow_provider_amplifybackend.parameters.limits import LONGEST_WAIT, as_bounded

if TYPE_CHECKING:
    from mypy_boto3_amplifybackend import AmplifyBackendClient

T = TypeVar("T")

UNREADABLE_ANSWERS = 2  # to a read, before one is an error


class AmplifyBackendHook(ConnectedHook):
    """
    Interact with AWS Amplify's backend API, the one behind Amplify Studio and Amplify Gen 1 backends.

    The boto3 client is :attr:`conn`, an aiobotocore client comes from ``get_async_conn()``. The methods below are
    what callers would otherwise write repeatedly.

    .. seealso:: https://docs.aws.amazon.com/amplify-admin-ui/latest/APIReference/what-is-admin-ui.html

    :param aws_conn_id: The Airflow connection for AWS credentials. If it is None, or the default connection that does
        not exist, boto3's own credential chain is used.
    :param region_name: AWS region, e.g. ``us-east-1``. Default: the connection's.
    :param verify: Whether to verify TLS certificates, or the path of a CA bundle.
    :param config: botocore client configuration, a ``Config`` or its keyword arguments.
    """

    # ---------------------------------------------------------------------------------------------------- calls

    def call(self, api_operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """
        Call an operation by its API name, with botocore's retries, and return the response.

        :param api_operation: Name of the operation, e.g. ``GetBackend``.
        :param request: The API's members, e.g. ``{"AppId": "d123"}``.
        :raises BackendRequestError: The call failed; names the operation, the app and the service's own error.
        :raises BackendParameterError: The request does not fit the API's model. Nothing was sent.
        """
        try:
            return self.attempt(api_operation, request)
        except ServiceError as error:
            raise request_error(error, request) from error

    def attempt(self, api_operation: str, request: Mapping[str, Any], *, once: bool = False) -> dict[str, Any]:
        """
        Call an operation and raise the error as :class:`~airflow_provider_amplifybackend.core.waiting.ServiceError`.

        :param once: Send it once, without retries and within bounded time, as every start of a job must be.
        """
        known = OPERATIONS.get(api_operation)
        may_repeat = known is not None and known.only_reads and not once
        for _ in range(UNREADABLE_ANSWERS if may_repeat else 0):
            # botocore repeats neither of the two.
            with suppress(UnreadableAnswerError):
                return self._attempt(api_operation, request, once=False)
        return self._attempt(api_operation, request, once=once)

    def _attempt(self, api_operation: str, request: Mapping[str, Any], *, once: bool) -> dict[str, Any]:
        from botocore import xform_name

        self.texts.learn(request)
        client = self._client_for(api_operation, once=once)
        try:
            response = getattr(client, xform_name(api_operation))(**request)
        except (BackendGuardError, BackendRequestError):  # of the guard, which stands before the client
            raise
        except Exception as error:  # noqa: BLE001
            failure = service_error(api_operation, error, self.texts)
            self._learn(failure)
            raise failure from cause(error, self.texts)
        self.connection_works = True
        # Whoever uses `conn` itself gets boto3's answer as it is; nothing of ours does.
        answer = encodable_answer(response, client.meta.service_model.operation_model(api_operation).output_shape)
        check_answer(api_operation, answer)
        return self.texts.answer(api_operation, request, answer)

    def _client_for(self, api_operation: str, *, once: bool) -> AmplifyBackendClient:
        try:
            return self._start_conn if once else self.conn
        except BackendParameterError:
            raise
        except Exception as error:
            if isinstance(error, AirflowNotFoundException) and not self.connection_works:
                raise
            raise client_error(api_operation, error, self.texts) from cause(error, self.texts)

    def _learn(self, failure: ServiceError) -> None:
        if failure.needs_new_client:
            self.renew_clients()
        elif failure.kind in (FaultKind.NOT_FOUND, FaultKind.REFUSED, FaultKind.THROTTLED):
            self.connection_works = True

    def run(self, look: Generator[Call, Mapping[str, Any], T]) -> T:
        """Drive a generator of calls with the synchronous client and return its result."""
        return drive(look, lambda call: self.attempt(call.operation, call.request))

    # ------------------------------------------------------------------------------------- environments and jobs

    def get_environments(self, app_id: str) -> list[str]:
        """Return the names of an app's environments; none for an app that the service does not know."""
        with _RequestErrors({"AppId": app_id}):
            return self.run(list_environments(app_id))

    def environment_exists(self, app_id: str, backend_environment_name: str) -> bool:
        """Tell whether an environment exists.

        :raises BackendParameterError: It can have no such name.
        """
        # It is not sent, and whatever is no name would be a name that does not exist.
        if problem := names.problem("backend_environment_name", backend_environment_name):
            raise BackendParameterError(problem)
        return backend_environment_name in self.get_environments(app_id)

    def get_job(self, app_id: str, backend_environment_name: str, job_id: str) -> Job:
        """
        Return a job.

        :raises BackendRequestError: E.g. there is no such job in that environment.
        """
        ref = JobRef(app_id, job_id, (backend_environment_name,))
        with _RequestErrors(ref.request):
            return self.run(check_job(ref))

    def iter_jobs(
        self,
        app_id: str,
        backend_environment_name: str,
        *,
        job_id: str | None = None,
        operation: str | None = None,
        status: str | None = None,
    ) -> Iterator[Job]:
        """
        Iterate over the jobs of an environment, over all pages, in the service's order (which is none).

        :param job_id: Only the job with this id.
        :param operation: Only jobs of this operation, e.g. ``CloneBackend``.
        :param status: Only jobs with this status: ``PENDING``, ``RUNNING``, ``COMPLETED`` or ``FAILED``.
        """
        for page in self.job_pages(
            {
                "AppId": app_id,
                "BackendEnvironmentName": backend_environment_name,
                "JobId": job_id,
                "Operation": operation,
                "Status": status,
            }
        ):
            for row in page.get("Jobs", []):
                yield Job.from_response(row, app_id=app_id, backend_environment_name=backend_environment_name)

    def job_pages(self, filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Iterate over the pages of ListBackendJobs; ``filters`` are its members, those that are None are left out."""
        request = {key: value for key, value in filters.items() if value is not None}
        return self.pages("ListBackendJobs", request | {"MaxResults": JOBS_PER_PAGE})

    def pages(
        self,
        api_operation: str,
        request: Mapping[str, Any],
        *,
        adapt: Callable[[dict[str, Any]], dict[str, Any]] = lambda request: request,
    ) -> Iterator[dict[str, Any]]:
        """
        Iterate over the pages of a listing.

        :param adapt: Applied to the request of each page before it is sent.
        :raises BackendRequestError: A call failed, or a page leads back to one before it.
        """
        paging = Paging(api_operation, request)
        while paging.request is not None:
            page = self.call(api_operation, adapt(paging.request))
            yield page
            with _RequestErrors(request):
                paging.took(page)

    def start_operation(self, api_operation: str, request: Mapping[str, Any]) -> Job:
        """
        Start an operation that runs as a job: one request, no retries, bounded time-outs.

        This is the bare start. An operator adds what makes it happen once, whatever crashes.

        :param api_operation: Name of the operation, e.g. ``CloneBackend``.
        :param request: The API's members.
        :return: The job as answered: ``PENDING``, as a rule.
        :raises BackendRequestError: The start was refused, or its answer was lost. In the second case the job may
            have been started.
        """
        with _RequestErrors(request):
            return self.attempt_start(api_operation, request)

    def attempt_start(
        self, api_operation: str, request: Mapping[str, Any], *, may_send: Callable[[], bool] = always
    ) -> Job:
        """Send a start; an answer that names no job counts as a lost answer.

        :param may_send: Asked just before the socket whether the right to send still holds.
        """
        self._may_send = may_send
        operation = JOB_OPERATIONS.get(api_operation)
        if operation is None:
            raise ServiceError(FaultKind.SETUP, api_operation, "NotAJobOperation", "it starts no job; use call()")
        response = self.attempt(api_operation, request, once=True)
        environments = operation.environments(request)
        job = Job.from_response(
            response,
            app_id=request.get("AppId", ""),
            backend_environment_name=environments[0] if environments else "",
            operation=api_operation,
        )
        if not job.job_id:
            raise ServiceError(FaultKind.UNCLEAR, api_operation, "NoJobId", "the answer names no job")
        return job

    # ----------------------------------------------------------------------------------------------------- waits

    def wait_for_job(
        self,
        ref: JobRef,
        *,
        timeout: float,
        waiter_delay: float = 30,
        sleep: Callable[[float], None] | None = None,
    ) -> Job:
        """
        Wait until a job has ended, and return it.

        :param ref: The job, e.g. ``hook.get_job(...).ref``.
        :param timeout: Maximum seconds to wait.
        :param waiter_delay: Maximum seconds between status checks; the first ones come sooner.
        :raises BackendParameterError: ``timeout`` or ``waiter_delay`` cannot be waited; nothing was sent.
        :raises BackendJobFailedError: The job ended as FAILED.
        :raises BackendJobTimeoutError: The job had not ended in time.
        :raises BackendRequestError: The status cannot be checked, and waiting cannot help.
        """
        # What is left of a budget can be less than nothing: then one status check is made.
        deadline = time.time() + as_bounded("timeout", timeout, least=-LONGEST_WAIT)
        delay = as_bounded("waiter_delay", waiter_delay, least=0.01)
        job = self.await_end(ref, deadline=deadline, waiter_delay=delay, sleep=sleep)
        if job.is_failed:
            raise BackendJobFailedError(job)
        return job

    def await_end(
        self,
        ref: JobRef,
        *,
        deadline: float,
        waiter_delay: float,
        durations: Sequence[float] = (),
        sleep: Callable[[float], None] | None = None,
    ) -> Job:
        """Wait until a job has ended, well or badly, or until ``deadline`` (seconds since the epoch)."""
        wait = Wait(ref, deadline=deadline, started=time.time())
        expected = Durations.of(durations)
        schedule = PollSchedule(waiter_delay, expected)
        while True:
            try:
                job = self.run(check_job(ref))
            except ServiceError as error:
                wait.connection_works = self.connection_works
                try:
                    note = wait.missed(error, time.time())
                except ServiceError as last:
                    raise wait_error(ref, last) from last
            else:
                note = wait.saw(job)
                if job.is_finished:
                    if note:
                        self.log.log(note.level, note.text())
                    return job
            now = time.time()
            if wait.is_over(now):
                raise timeout_error(wait, now)
            delay = min(schedule.next_delay(now - wait.started), wait.until_deadline(now))
            if note:
                self.log.log(note.level, note.text(delay))
            self._sleep(wait, delay, expected.median if expected else None, sleep or current().sleep)

    def _sleep(self, wait: Wait, seconds: float, usual: float | None, sleep: Callable[[float], None]) -> None:
        """Sleep until the next status check, and log from time to time that the task is still waiting."""
        while True:
            report = wait.due_report(time.time(), usual)
            if report:
                self.log.log(report.level, report.text(seconds))
            piece = min(seconds, wait.until_report(time.time()))
            sleep(piece)
            seconds -= piece
            if seconds <= 0:
                return


class _RequestErrors:
    """Turn a ServiceError that leaves the block into the error that a user sees."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.request = request

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ServiceError):
            raise request_error(error, self.request) from error
