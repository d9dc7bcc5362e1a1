"""The examples of docs/operators.md: one DAG, so that a test can run them all against the local AmplifyBackend.

What stands between ``# [Name]`` and ``# [end]`` is pulled into the chapter of that name by scripts/docs.py.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from airflow import DAG

from airflow_provider_amplifybackend.operators.api import (
    CreateBackendAPIOperator,
    DeleteBackendAPIOperator,
    GenerateBackendAPIModelsOperator,
    GetBackendAPIModelsOperator,
    GetBackendAPIOperator,
    UpdateBackendAPIOperator,
)
from airflow_provider_amplifybackend.operators.auth import (
    CreateBackendAuthOperator,
    DeleteBackendAuthOperator,
    GetBackendAuthOperator,
    ImportBackendAuthOperator,
    UpdateBackendAuthOperator,
)
from airflow_provider_amplifybackend.operators.config import (
    CreateBackendConfigOperator,
    RemoveBackendConfigOperator,
    UpdateBackendConfigOperator,
)
from airflow_provider_amplifybackend.operators.environment import (
    CloneBackendOperator,
    CreateBackendOperator,
    DeleteBackendOperator,
    GetBackendOperator,
    RemoveAllBackendsOperator,
)
from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator
from airflow_provider_amplifybackend.operators.job import (
    GetBackendJobOperator,
    ListBackendJobsOperator,
    UpdateBackendJobOperator,
)
from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
from airflow_provider_amplifybackend.operators.snapshot import CompareBackendsOperator, SnapshotBackendOperator
from airflow_provider_amplifybackend.operators.storage import (
    CreateBackendStorageOperator,
    DeleteBackendStorageOperator,
    GetBackendStorageOperator,
    ImportBackendStorageOperator,
    ListS3BucketsOperator,
    UpdateBackendStorageOperator,
)
from airflow_provider_amplifybackend.operators.token import (
    CreateTokenOperator,
    DeleteTokenOperator,
    GetTokenOperator,
)
from airflow_provider_amplifybackend.sensors.environment import BackendEnvironmentSensor
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor

APP = "d1a2b3c4d5"

# [auth]
AUTH = {
    "AuthResources": "USER_POOL_ONLY",
    "Service": "COGNITO",
    "UserPoolConfigs": {
        "RequiredSignUpAttributes": ["EMAIL"],
        "SignInMethod": "EMAIL",
        "UserPoolName": "people",
    },
}
LONGER_PASSWORDS = {
    "AuthResources": "USER_POOL_ONLY",
    "Service": "COGNITO",
    "UserPoolConfigs": {"PasswordPolicy": {"MinimumLength": 14}},
}
# [end]

# [api]
API = {
    "ApiName": "shop",
    "TransformSchema": "type Order @model { id: ID! }",
    "DefaultAuthType": {"Mode": "AMAZON_COGNITO_USER_POOLS"},
}
# [end]

# [storage]
STORAGE = {"ServiceName": "S3", "Permissions": {"Authenticated": ["READ", "CREATE_AND_UPDATE"]}}
READ_ONLY = {"ServiceName": "S3", "Permissions": {"Authenticated": ["READ"]}}
# [end]

with DAG("operators", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), params={"stuck_job": "an id"}):
    # ------------------------------------------------------------------------------------------- environment

    # [CreateBackendOperator]
    create = CreateBackendOperator(
        task_id="create", app_id=APP, app_name="shop", backend_environment_name="dev", if_exists="skip"
    )
    # [end]

    # [CloneBackendOperator]
    clone = CloneBackendOperator(
        task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="nightly"
    )
    # [end]

    # [GetBackendOperator]
    look = GetBackendOperator(task_id="look", app_id=APP, backend_environment_name="nightly")
    # used downstream as look.output["user_pool_id"] or "{{ ti.xcom_pull('look', key='user_pool_id') }}"
    # [end]

    # ------------------------------------------------------------------------------------------- auth

    # [CreateBackendAuthOperator]
    create_auth = CreateBackendAuthOperator(
        task_id="create_auth", app_id=APP, backend_environment_name="dev", resource_name="people", resource_config=AUTH
    )
    # [end]

    # [UpdateBackendAuthOperator]
    update_auth = UpdateBackendAuthOperator(
        task_id="update_auth",
        app_id=APP,
        backend_environment_name="dev",
        resource_name="people",
        resource_config=LONGER_PASSWORDS,
    )
    # [end]

    # [GetBackendAuthOperator]
    get_auth = GetBackendAuthOperator(
        task_id="get_auth", app_id=APP, backend_environment_name="dev", resource_name="people"
    )
    # [end]

    # [DeleteBackendAuthOperator]
    delete_auth = DeleteBackendAuthOperator(
        task_id="delete_auth", app_id=APP, backend_environment_name="dev", resource_name="people", if_missing="skip"
    )
    # [end]

    # [ImportBackendAuthOperator]
    import_auth = ImportBackendAuthOperator(
        task_id="import_auth",
        app_id=APP,
        backend_environment_name="dev",
        user_pool_id="us-east-1_AbCdEfGhI",
        native_client_id="1h57kf5cpq17m0eml12EXAMPLE",
        web_client_id="6ie8rk5cpq17m0eml12EXAMPLE",
    )
    # [end]

    # ------------------------------------------------------------------------------------------- api

    # [CreateBackendAPIOperator]
    create_api = CreateBackendAPIOperator(
        task_id="create_api", app_id=APP, backend_environment_name="dev", resource_name="shop", resource_config=API
    )
    # [end]

    # [UpdateBackendAPIOperator]
    update_api = UpdateBackendAPIOperator(
        task_id="update_api",
        app_id=APP,
        backend_environment_name="dev",
        resource_name="shop",
        resource_config={"TransformSchema": "type Order @model { id: ID!, total: Int }"},
    )
    # [end]

    # [GetBackendAPIOperator]
    get_api = GetBackendAPIOperator(task_id="get_api", app_id=APP, backend_environment_name="dev", resource_name="shop")
    # [end]

    # [GenerateBackendAPIModelsOperator]
    generate_models = GenerateBackendAPIModelsOperator(
        task_id="generate_models", app_id=APP, backend_environment_name="dev", resource_name="shop"
    )
    # [end]

    # [GetBackendAPIModelsOperator]
    get_models = GetBackendAPIModelsOperator(
        task_id="get_models", app_id=APP, backend_environment_name="dev", resource_name="shop"
    )
    # [end]

    # [DeleteBackendAPIOperator]
    delete_api = DeleteBackendAPIOperator(
        task_id="delete_api", app_id=APP, backend_environment_name="dev", resource_name="shop", if_missing="skip"
    )
    # [end]

    # ------------------------------------------------------------------------------------------- storage

    # [CreateBackendStorageOperator]
    create_storage = CreateBackendStorageOperator(
        task_id="create_storage",
        app_id=APP,
        backend_environment_name="dev",
        resource_name="files",
        resource_config=STORAGE,
    )
    # [end]

    # [UpdateBackendStorageOperator]
    update_storage = UpdateBackendStorageOperator(
        task_id="update_storage",
        app_id=APP,
        backend_environment_name="dev",
        resource_name="files",
        resource_config=READ_ONLY,
    )
    # [end]

    # [GetBackendStorageOperator]
    get_storage = GetBackendStorageOperator(
        task_id="get_storage", app_id=APP, backend_environment_name="dev", resource_name="files"
    )
    # [end]

    # [DeleteBackendStorageOperator]
    delete_storage = DeleteBackendStorageOperator(
        task_id="delete_storage", app_id=APP, backend_environment_name="dev", resource_name="files", service_name="S3"
    )
    # [end]

    # [ImportBackendStorageOperator]
    import_storage = ImportBackendStorageOperator(
        task_id="import_storage", app_id=APP, backend_environment_name="dev", service_name="S3", bucket_name="my-files"
    )
    # [end]

    # [ListS3BucketsOperator]
    list_buckets = ListS3BucketsOperator(task_id="list_buckets", max_items=100)
    # [end]

    # ------------------------------------------------------------------------------------------- config

    # [CreateBackendConfigOperator]
    create_config = CreateBackendConfigOperator(task_id="create_config", app_id=APP)
    # [end]

    # [UpdateBackendConfigOperator]
    update_config = UpdateBackendConfigOperator(
        task_id="update_config",
        app_id=APP,
        login_auth_config={"AwsCognitoRegion": "us-east-1", "AwsUserPoolsId": look.output["user_pool_id"]},
    )
    # [end]

    # [RemoveBackendConfigOperator]
    remove_config = RemoveBackendConfigOperator(task_id="remove_config", app_id=APP)
    # [end]

    # ------------------------------------------------------------------------------------------- token

    # [CreateTokenOperator]
    create_token = CreateTokenOperator(task_id="create_token", app_id=APP)
    # [end]

    # [GetTokenOperator]
    get_token = GetTokenOperator(
        task_id="get_token", app_id=APP, session_id="{{ ti.xcom_pull('create_token')['SessionId'] }}"
    )
    # [end]

    # [DeleteTokenOperator]
    delete_token = DeleteTokenOperator(
        task_id="delete_token", app_id=APP, session_id="{{ ti.xcom_pull('create_token')['SessionId'] }}"
    )
    # [end]

    # ------------------------------------------------------------------------------------------- job

    # [ListBackendJobsOperator]
    list_jobs = ListBackendJobsOperator(
        task_id="list_jobs", app_id=APP, backend_environment_name="dev", status="RUNNING", max_items=10
    )
    # [end]

    # [GetBackendJobOperator]
    get_job = GetBackendJobOperator(
        task_id="get_job", app_id=APP, backend_environment_name="nightly", job_id=clone.output["JobId"]
    )
    # [end]

    # [UpdateBackendJobOperator]
    update_job = UpdateBackendJobOperator(
        task_id="update_job",
        app_id=APP,
        backend_environment_name="preview",
        job_id="{{ params.stuck_job }}",
        status="FAILED",
    )
    # [end]

    # [BackendJobSensor]
    wait_for_job = BackendJobSensor(
        task_id="wait_for_job",
        app_id=APP,
        backend_environment_name="nightly",
        job_id=clone.output["JobId"],
    )
    # or no_job_pending=True instead of job_id
    # [end]

    # [BackendEnvironmentSensor]
    wait_for_environment = BackendEnvironmentSensor(
        task_id="wait_for_environment", app_id=APP, backend_environment_name="nightly", condition="exists"
    )
    # [end]

    # ----------------------------------------------------------------------------------------- the fleet

    # [BackendInventoryOperator]
    inventory = BackendInventoryOperator(
        task_id="inventory", path="file:///tmp/amplify/{{ ts_nodash }}", app_ids=[APP], requests_per_second=10
    )
    # all apps without app_ids; its summary is inventory.output
    # [end]

    # [SnapshotBackendOperator]
    snapshot = SnapshotBackendOperator(
        task_id="snapshot", app_id=APP, backend_environment_name="dev", path="file:///tmp/amplify/{{ ts_nodash }}"
    )
    # [end]

    # [CompareBackendsOperator]
    compare = CompareBackendsOperator(
        task_id="compare",
        left=snapshot.output,
        right={"app_id": APP, "backend_environment_name": "dev"},
        fail_on="difference",
    )
    # [end]

    # ------------------------------------------------------------------------------------------- the end

    # [PlanBackendDeletionOperator]
    plan = PlanBackendDeletionOperator(task_id="plan", app_id=APP, backend_environment_name="nightly")
    # plan=plan.output of an operator that deletes keeps to it; its text is plan.output["text"]
    # [end]

    # [DeleteBackendOperator]
    delete = DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="nightly", if_missing="skip")
    # [end]

    # [RemoveAllBackendsOperator]
    remove_all = RemoveAllBackendsOperator(task_id="remove_all", app_id=APP, if_missing="skip")
    # [end]

    in_order = (
        *(update_job, create, clone, look),
        *(create_auth, update_auth, get_auth),
        *(create_api, update_api, get_api, generate_models, get_models),
        *(create_storage, update_storage, get_storage),
        *(inventory, snapshot, compare),
        *(delete_api, delete_auth, import_auth),
        *(delete_storage, import_storage, list_buckets),
        *(list_jobs, get_job, wait_for_job, wait_for_environment),
        *(create_config, update_config, remove_config),
        *(create_token, get_token, delete_token),
        *(plan, delete, remove_all),
    )
    for earlier, later in pairwise(in_order):
        earlier >> later
