"""What the browser looks at: an inventory, waits in the triggerer, a job that fails, a secret that is masked."""

from __future__ import annotations

import os
from datetime import datetime

from airflow.sdk import DAG

from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator
from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator

APP = "d1example"
SECRET = "hush-hush-google-1"

with DAG("fleet", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    BackendInventoryOperator(task_id="inventory", path=os.environ["UI_FOLDER"], requests_per_second=100)

with DAG("environments", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    CloneBackendOperator(
        task_id="clone",
        app_id=APP,
        backend_environment_name="staging",
        target_environment_name="preview",
        deferrable=True,
    )
    CloneBackendOperator.partial(
        task_id="clone_each", app_id=APP, backend_environment_name="staging", deferrable=True
    ).expand(target_environment_name=["tenant-a", "tenant-b"])

with DAG("fails", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    CreateBackendAuthOperator(
        task_id="add_auth",
        app_id=APP,
        backend_environment_name="qa",
        resource_name="people",
        deferrable=True,
        resource_config={
            "AuthResources": "USER_POOL_ONLY",
            "Service": "COGNITO",
            "UserPoolConfigs": {
                "RequiredSignUpAttributes": ["EMAIL"],
                "SignInMethod": "EMAIL",
                "UserPoolName": "people",
                "OAuth": {
                    "OAuthGrantType": "CODE",
                    "OAuthScopes": ["EMAIL"],
                    "RedirectSignInURIs": ["https://shop.example/in/"],
                    "RedirectSignOutURIs": ["https://shop.example/out/"],
                    "SocialProviderSettings": {"Google": {"ClientId": "an-id", "ClientSecret": SECRET}},
                },
            },
        },
    )
