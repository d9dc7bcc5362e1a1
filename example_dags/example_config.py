"""Amplify Studio for an app, with the log-in of one of its environments.

For an app that has no configuration yet: the service refuses a second one, and cannot be asked whether there is one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.config import CreateBackendConfigOperator, UpdateBackendConfigOperator
from airflow_provider_amplifybackend.operators.environment import GetBackendOperator


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "environment": Param("staging", type="string", description="Whose user pool people log in with"),
    },
    default_args={"app_id": "{{ params.app_id }}", "retries": 1, "retry_delay": timedelta(seconds=10)},
    tags=["amplifybackend"],
)
def example_config():
    create = CreateBackendConfigOperator(task_id="create", deferrable=True)
    get = GetBackendOperator(task_id="get", backend_environment_name="{{ params.environment }}")
    update = UpdateBackendConfigOperator(
        task_id="update",
        login_auth_config={
            "AwsCognitoIdentityPoolId": get.output["identity_pool_id"],
            "AwsCognitoRegion": get.output["region"],
            "AwsUserPoolsId": get.output["user_pool_id"],
            "AwsUserPoolsWebClientId": get.output["web_client_id"],
        },
    )

    create >> get >> update


example_config()
