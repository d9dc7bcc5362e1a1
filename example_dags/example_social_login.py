"""Log in with Google and Apple, with secrets that stand in no DAG file.

Google's client comes from the Airflow connection ``google_login`` (login and password), Apple's private key from the
variable ``apple_private_key``. Both may live in a secrets backend: a template reads them from wherever Airflow has
them, when the task runs. In the log, in the rendered fields and in every XCom they are ``***``.

One configuration is a file with such templates inside, ``example_social_login.json``; the other is written here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator, UpdateBackendAuthOperator

# A new secret of Google's client, e.g. after it was rotated.
ROTATED = {
    "AuthResources": "USER_POOL_ONLY",
    "Service": "COGNITO",
    "UserPoolConfigs": {
        "OAuth": {
            "SocialProviderSettings": {
                "Google": {
                    "ClientId": "{{ conn.google_login.login }}",
                    "ClientSecret": "{{ conn.google_login.password }}",
                }
            }
        }
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
        "name": Param("people", type="string", description="Of the resource and its pool"),
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
def example_social_login():
    create = CreateBackendAuthOperator(task_id="create", resource_config="example_social_login.json", if_exists="skip")
    rotate = UpdateBackendAuthOperator(task_id="rotate", resource_config=ROTATED)

    create >> rotate


example_social_login()
