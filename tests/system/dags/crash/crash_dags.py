"""What the crash campaign kills: an environment is cloned, given auth, changed and deleted.

`crash` uses the operators of this package. `crash_naive` is the control: the same tasks with operators that submit and
then wait, as the amazon provider's do, with boto3's defaults.
"""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator

from airflow_provider_amplifybackend._compat import Context
from airflow_provider_amplifybackend.core.job import Job, JobRef, JobResult, Outcome
from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator, UpdateBackendAuthOperator
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, DeleteBackendOperator
from airflow_provider_amplifybackend.triggers._events import job_of_event
from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger

APP = "dcrash"
SOURCE = "staging"
ENVIRONMENT = "{{ dag_run.conf['environment'] }}"
AUTH = {
    "AuthResources": "USER_POOL_ONLY",
    "Service": "COGNITO",
    "UserPoolConfigs": {"RequiredSignUpAttributes": ["EMAIL"], "SignInMethod": "EMAIL", "UserPoolName": "people"},
}
AUTH_CHANGE = {
    "AuthResources": "USER_POOL_ONLY",
    "Service": "COGNITO",
    "UserPoolConfigs": {"PasswordPolicy": {"MinimumLength": 12}},
}
TASKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "clone": (
        CloneBackendOperator,
        {"backend_environment_name": SOURCE, "target_environment_name": ENVIRONMENT},
    ),
    "create_auth": (
        CreateBackendAuthOperator,
        {"backend_environment_name": ENVIRONMENT, "resource_name": "main", "resource_config": AUTH},
    ),
    "update_auth": (
        UpdateBackendAuthOperator,
        {"backend_environment_name": ENVIRONMENT, "resource_name": "main", "resource_config": AUTH_CHANGE},
    ),
    "delete": (DeleteBackendOperator, {"backend_environment_name": ENVIRONMENT}),
}


class NaiveJobOperator(BaseOperator):
    """Submits and then waits. Only the start is naive: it waits with this package's trigger."""

    template_fields = ("request", "deferrable")

    def __init__(self, *, api_operation: str, request: dict[str, Any], deferrable: bool | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.api_operation = api_operation
        self.request = request
        self.deferrable = deferrable

    def execute(self, context: Context) -> JobResult:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
        from botocore import xform_name

        hook = AwsBaseHook(client_type="amplifybackend")
        answer = getattr(hook.conn, xform_name(self.api_operation))(**self.request)
        environment = self.request.get("TargetEnvironmentName", self.request["BackendEnvironmentName"])
        ref = JobRef(APP, answer["JobId"], (environment,), self.api_operation)
        if str(self.deferrable) == "True":
            import time

            trigger = BackendJobTrigger.waiting_for(ref, deadline=time.time() + 600, waiter_delay=2)
            self.defer(trigger=trigger, method_name="execute_complete")
        return self._wait_here(ref)

    def _wait_here(self, ref: JobRef) -> JobResult:
        from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

        return self._end(AmplifyBackendHook().wait_for_job(ref, timeout=600, waiter_delay=2))

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> JobResult:
        return self._end(job_of_event(event))

    def _end(self, job: Job) -> JobResult:
        if job.is_failed:
            raise RuntimeError(f"{job.ref} failed")
        return job.to_xcom(Outcome.STARTED)


def _naive(task_id: str, operator: type[AmplifyBackendOperator], parameters: dict[str, Any]) -> BaseOperator:
    members = {
        "backend_environment_name": "BackendEnvironmentName",
        "target_environment_name": "TargetEnvironmentName",
        "resource_name": "ResourceName",
        "resource_config": "ResourceConfig",
    }
    request = {"AppId": APP} | {members[name]: value for name, value in parameters.items()}
    return NaiveJobOperator(
        task_id=task_id,
        api_operation=operator.api_operation,
        request=request,
        deferrable="{{ dag_run.conf['deferrable'] }}",
    )


def _chain(tasks: list[BaseOperator]) -> None:
    for earlier, later in itertools.pairwise(tasks):
        earlier >> later


with DAG("crash", schedule=None, max_active_runs=64, default_args={"retries": 60, "retry_delay": timedelta(seconds=1)}):
    _chain(
        [
            operator(
                task_id=task_id,
                app_id=APP,
                deferrable="{{ dag_run.conf['deferrable'] }}",
                waiter_delay=2,
                waiter_max_attempts=600,
                **parameters,
            )
            for task_id, (operator, parameters) in TASKS.items()
        ]
    )

# A naive task that once goes wrong may never come right again: fewer retries, so that its run ends.
with DAG(
    "crash_naive", schedule=None, max_active_runs=64, default_args={"retries": 8, "retry_delay": timedelta(seconds=1)}
):
    _chain([_naive(task_id, operator, parameters) for task_id, (operator, parameters) in TASKS.items()])
