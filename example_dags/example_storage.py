"""A bucket for an environment: a new one, or one that the account has already."""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.storage import (
    CreateBackendStorageOperator,
    ImportBackendStorageOperator,
    ListS3BucketsOperator,
)


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={
        "app_id": Param("d1example", type="string", description="The Amplify app"),
        "environment": Param("staging", type="string"),
        "bucket": Param("my-pictures", type="string", description="Imported if the account has it, else created"),
    },
    default_args={
        "app_id": "{{ params.app_id }}",
        "backend_environment_name": "{{ params.environment }}",
        "deferrable": True,
        "retries": 1,
        "retry_delay": timedelta(seconds=10),
    },
    tags=["amplifybackend"],
)
def example_storage():
    buckets = ListS3BucketsOperator(task_id="buckets")

    @task.branch
    def choose(listing: dict, params: dict | None = None) -> str:
        names = [bucket["Name"] for bucket in listing["Buckets"]]
        return "import" if (params or {})["bucket"] in names else "create"

    create = CreateBackendStorageOperator(
        task_id="create",
        resource_name="pictures",
        resource_config={
            "BucketName": "{{ params.bucket }}",
            "Permissions": {"Authenticated": ["READ", "CREATE_AND_UPDATE"]},
            "ServiceName": "S3",
        },
    )
    take_over = ImportBackendStorageOperator(
        task_id="import", service_name="S3", bucket_name="{{ params.bucket }}", if_exists="skip"
    )

    choose(buckets.output) >> [create, take_over]


example_storage()
