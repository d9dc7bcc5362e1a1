"""An environment for one run: clone it, add auth, check it, and tear it down whatever happens.

The setup task only reserves a name. The clone is work inside, because a teardown does not run when its setup failed,
and a failed clone can leave an empty environment behind: so the teardown also runs after a failed, timed-out or
killed clone, waits for a clone that is still running, and succeeds if there is nothing to delete.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, DeleteBackendOperator

AUTH = {
    "AuthResources": "USER_POOL_ONLY",
    "Service": "COGNITO",
    "UserPoolConfigs": {
        "RequiredSignUpAttributes": ["EMAIL"],
        "SignInMethod": "EMAIL",
        "UserPoolName": "nightly",
        "PasswordPolicy": {"MinimumLength": 12},
    },
}


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "source": Param("staging", type="string", description="The environment to clone"),
        "fail_check": Param(False, type="boolean", description="Let the check fail, to see the teardown run"),
    },
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
    tags=["amplifybackend"],
)
def example_ephemeral_environment():
    @task
    def reserve_name(run_id: str | None = None) -> str:
        """Choose a name that is the same in every try of this run; the Amplify CLI takes 2 to 10 small letters."""
        digest = hashlib.sha256(str(run_id).encode()).digest()
        return "t" + "".join(chr(ord("a") + byte % 26) for byte in digest[:8])

    name = reserve_name()

    clone = CloneBackendOperator(
        task_id="clone",
        app_id="{{ params.app_id }}",
        backend_environment_name="{{ params.source }}",
        target_environment_name=name,
        deferrable=True,
    )

    add_auth = CreateBackendAuthOperator(
        task_id="add_auth",
        app_id="{{ params.app_id }}",
        backend_environment_name=name,
        resource_name="nightlyauth",
        resource_config=AUTH,
        deferrable=True,
    )

    @task(retries=0)
    def check(environment: str, params: dict | None = None) -> str:
        """Look at the clone with boto3, as your own check would."""
        from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

        params = params or {}
        auth = AmplifyBackendHook().conn.get_backend_auth(
            AppId=params["app_id"], BackendEnvironmentName=environment, ResourceName="nightlyauth"
        )
        if params["fail_check"]:
            raise ValueError("the check was set to fail")
        return auth["ResourceConfig"]["UserPoolConfigs"]["UserPoolName"]

    tear_down = DeleteBackendOperator(
        task_id="tear_down",
        app_id="{{ params.app_id }}",
        backend_environment_name=name,
        if_missing="skip",
        on_pending_job="wait",
        deferrable=True,
    )

    name >> clone >> add_auth >> check(name) >> tear_down.as_teardown(setups=name)


example_ephemeral_environment()
