"""A DAG whose author writes secrets where Airflow shows them: into the file, and into what a DAG run is given.

What of it shows, and where, stands in docs/security.md; the hunt proves that it does, and that it shows nowhere else.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from tests.samples import APP
from tests.system.secret_plants import RESOURCE, environment_of, social

# The DAG file. Like every DAG file, it is in the database.
FILE = """\
# An Airflow DAG whose author has written secrets into it.
from tests.system.secret_shown import showing_dag

dag = showing_dag(literal="{literal}", param="{param}")
"""


def showing_dag(literal: str, param: str) -> Any:
    """Return the DAG."""
    written = {
        "in_file": literal,
        "in_params": "{{ params.in_params_google }}",
        "in_conf": "{{ dag_run.conf['in_conf_google'] }}",
    }
    configs: dict[str, Any] = {task_id: social(google=secret) for task_id, secret in written.items()}
    with DAG(
        "secrets_shown",
        schedule=None,
        start_date=datetime(2026, 1, 1),
        catchup=False,
        params={"in_params_google": param},
    ) as dag:
        for task_id, config in configs.items():
            CreateBackendAuthOperator(
                task_id=task_id,
                app_id=APP,
                backend_environment_name=environment_of(task_id),
                resource_name=RESOURCE,
                resource_config=config,
                wait_for_completion=False,
                retries=2,  # as MAY_RETRY of the other DAGs
                retry_delay=timedelta(seconds=1),
            )
    return dag
