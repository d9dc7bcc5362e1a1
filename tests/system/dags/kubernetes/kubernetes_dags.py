"""DAGs whose tasks run in pods."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task
from kubernetes.client import models as k8s

from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator
from airflow_provider_amplifybackend.operators.storage import UpdateBackendStorageOperator

COMMON: dict[str, Any] = {"app_id": "d1a2b3c4d5", "retries": 3, "retry_delay": timedelta(seconds=1)}
NAMED = "{{ dag_run.conf['environment'] }}"
UPDATE: dict[str, Any] = {
    "task_id": "update",
    "backend_environment_name": NAMED,
    "resource_name": "files",
    "resource_config": {"Permissions": {"Authenticated": ["READ"]}, "ServiceName": "S3"},
    "waiter_delay": 1,
}
# As the conn macro gives it: the pod has the connection from the API server.
LOGIN = {"ClientId": "{{ conn.google_login.login }}", "ClientSecret": "{{ conn.google_login.password }}"}
SOCIAL: Any = {
    "AuthResources": "USER_POOL_ONLY",
    "Service": "COGNITO",
    "UserPoolConfigs": {
        "RequiredSignUpAttributes": ["EMAIL"],
        "SignInMethod": "EMAIL",
        "UserPoolName": "people",
        "OAuth": {
            "OAuthGrantType": "CODE",
            "OAuthScopes": ["EMAIL"],
            "RedirectSignInURIs": ["https://example.com/in"],
            "RedirectSignOutURIs": ["https://example.com/out"],
            "SocialProviderSettings": {"Google": LOGIN},
        },
    },
}


def with_variable(name: str, value: str) -> dict[str, Any]:
    container = k8s.V1Container(name="base", env=[k8s.V1EnvVar(name=name, value=value)])
    return {"pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(containers=[container]))}


with DAG("deferred", schedule=None):
    UpdateBackendStorageOperator(deferrable=True, **UPDATE, **COMMON)

with DAG("on_worker", schedule=None):
    UpdateBackendStorageOperator(deferrable=False, **UPDATE, **COMMON)

with DAG("protected", schedule=None):
    DeleteBackendOperator(task_id="delete", backend_environment_name="production", app_id="d1a2b3c4d5")

for dag_id, executor_config in (
    ("social", None),
    ("social_at_debug", with_variable("AIRFLOW__LOGGING__LOGGING_LEVEL", "DEBUG")),
):
    with DAG(dag_id, schedule=None):
        CreateBackendAuthOperator(
            task_id="add_auth",
            backend_environment_name=NAMED,
            resource_name="people",
            resource_config=SOCIAL,
            deferrable=True,
            waiter_delay=1,
            executor_config=executor_config,
            **COMMON,
        )

# The control of the search for secrets: one that is in a manifest, and in a log.
with DAG("leak", schedule=None):

    @task(executor_config=with_variable("LEAKED", os.environ.get("CONTROL_SECRET", "")))
    def leak() -> None:
        print(os.environ["LEAKED"])

    leak()
