"""A GraphQL API from a schema file, and the models that are generated from it."""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.api import (
    CreateBackendAPIOperator,
    GenerateBackendAPIModelsOperator,
    GetBackendAPIModelsOperator,
    UpdateBackendAPIOperator,
)


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "environment": Param("staging", type="string"),
    },
    default_args={
        "app_id": "{{ params.app_id }}",
        "backend_environment_name": "{{ params.environment }}",
        "resource_name": "notes",
        "deferrable": True,
        "retries": 1,
        "retry_delay": timedelta(seconds=10),
    },
    tags=["amplifybackend"],
)
def example_api():
    create = CreateBackendAPIOperator(
        task_id="create",
        resource_config={
            "ApiName": "notes",
            "DefaultAuthType": {"Mode": "AMAZON_COGNITO_USER_POOLS"},
            "Service": "AppSync",
            "TransformSchema": "example_schema.graphql",
        },
        if_exists="skip",
    )
    # Where the API existed already, it gets the schema of this file.
    update = UpdateBackendAPIOperator(task_id="update", resource_config={"TransformSchema": "example_schema.graphql"})
    generate = GenerateBackendAPIModelsOperator(task_id="generate")
    models = GetBackendAPIModelsOperator(task_id="models")

    @task
    def check(models: dict) -> str:
        if models["Status"] != "LATEST":
            raise ValueError(f"the models are {models['Status']}")
        return models["Models"]

    create >> update >> generate >> models
    check(models.output)


example_api()
