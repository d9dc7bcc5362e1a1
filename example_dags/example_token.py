"""A challenge token for Amplify Studio, for as long as it is needed.

The challenge code itself is a secret: it is in no result and no log. A task that needs it makes the token itself with
``AmplifyBackendHook().conn.create_token`` and uses it in the same process.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import Param, dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag
    from airflow.models.param import Param

from airflow_provider_amplifybackend.operators.token import CreateTokenOperator, DeleteTokenOperator, GetTokenOperator


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    params={"app_id": Param("d1example", type="string", description="The Amplify app")},
    default_args={"app_id": "{{ params.app_id }}", "retries": 1, "retry_delay": timedelta(seconds=10)},
    tags=["amplifybackend"],
)
def example_token():
    session_id = "{{ ti.xcom_pull(task_ids='create')['SessionId'] }}"
    create = CreateTokenOperator(task_id="create")
    look = GetTokenOperator(task_id="look", session_id=session_id)
    delete = DeleteTokenOperator(task_id="delete", session_id=session_id)

    create >> look >> delete.as_teardown(setups=create)


example_token()
