"""A user pool from a configuration file, with a stricter password policy after that.

The file is a template: ``example_auth.json`` takes the pool's name from the run. Clear or rerun it as you like: what
already exists counts as created.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.auth import (
    CreateBackendAuthOperator,
    GetBackendAuthOperator,
    UpdateBackendAuthOperator,
)

STRICTER = {
    "AuthResources": "IDENTITY_POOL_AND_USER_POOL",
    "Service": "COGNITO",
    "UserPoolConfigs": {
        "PasswordPolicy": {"AdditionalConstraints": ["REQUIRE_DIGIT", "REQUIRE_SYMBOL"], "MinimumLength": 14}
    },
}


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "environment": Param("staging", type="string"),
        "name": Param("people", type="string", description="Of the resource and its pools"),
    },
    default_args={
        "app_id": "{{ params.app_id }}",
        "backend_environment_name": "{{ params.environment }}",
        "resource_name": "{{ params.name }}",
        "deferrable": True,
        "retries": 1,
        "retry_delay": timedelta(seconds=10),
    },
    tags=["amplifybackend"],
)
def example_auth():
    create = CreateBackendAuthOperator(task_id="create", resource_config="example_auth.json", if_exists="skip")
    update = UpdateBackendAuthOperator(task_id="update", resource_config=STRICTER)
    get = GetBackendAuthOperator(task_id="get")

    create >> update >> get


example_auth()
