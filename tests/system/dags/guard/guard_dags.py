"""DAGs that delete an environment, in the ways that Airflow can run a task; some ask a person first."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator, GetBackendOperator
from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
from airflow_provider_amplifybackend.task_groups._approval import ApproveBackendDeletionOperator
from airflow_provider_amplifybackend.task_groups.environment import guarded_deletion

APP = "d1a2b3c4d5"
NAMED = "{{ dag_run.conf['environment'] }}"
HURRY: dict[str, Any] = {"waiter_delay": 0.2}
DELETION: dict[str, Any] = {"app_id": APP, "backend_environment_name": NAMED, **HURRY}
ANN: Any = {"id": "ann", "name": "Ann"}


@task
def fail() -> None:
    raise RuntimeError("the body of a teardown")


@task
def lock(dag_run: Any = None) -> None:
    """Lock the environment, as `amplify gen2-migration lock` begins to."""
    import boto3

    client = boto3.client("amplify", region_name="us-east-1", endpoint_url=os.environ["LOCAL_AMPLIFY"])
    variables = {"GEN2_MIGRATION_ENVIRONMENT_NAME": dag_run.conf["environment"]}
    client.update_app(appId=dag_run.conf["app"], environmentVariables=variables)


@task
def names(found: Any) -> list[str]:
    listed: list[str] = found["BackendEnvironmentList"]
    return listed


@task
def wait_for_file(dag_run: Any = None) -> None:
    while not Path(dag_run.conf["file"]).exists():
        time.sleep(0.2)


with DAG("on_worker", schedule=None):
    DeleteBackendOperator(task_id="delete", deferrable=False, **DELETION)

with DAG("deferred", schedule=None):
    DeleteBackendOperator(task_id="delete", deferrable=True, **DELETION)

with DAG("retried", schedule=None):
    DeleteBackendOperator(task_id="delete", retries=2, retry_delay=timedelta(seconds=1), **DELETION)

with DAG("teardown", schedule=None):
    fail() >> DeleteBackendOperator(task_id="delete", **DELETION).as_teardown()

with DAG("mapped", schedule=None):
    listed = GetBackendOperator(task_id="list", app_id="{{ dag_run.conf['app'] }}")
    DeleteBackendOperator.partial(task_id="delete", app_id="{{ dag_run.conf['app'] }}", **HURRY).expand(
        backend_environment_name=names(listed.output)
    )

with DAG("race", schedule=None):
    lock()
    DeleteBackendOperator(task_id="delete", app_id="{{ dag_run.conf['app'] }}", backend_environment_name=NAMED, **HURRY)

with DAG("approved", schedule=None):
    guarded_deletion("take_down", **DELETION)

with DAG("approved_by_ann", schedule=None):
    guarded_deletion("take_down", assigned_users=ANN, **DELETION)

with DAG("approved_in_time", schedule=None):
    guarded_deletion("take_down", response_timeout=timedelta(seconds=3), **DELETION)

with DAG("approved_teardown", schedule=None):
    group: Any = guarded_deletion("take_down", **DELETION)
    group.get_child_by_label("delete").as_teardown()

with DAG("approved_teardown_in_time", schedule=None):
    group = guarded_deletion("take_down", response_timeout=timedelta(seconds=3), **DELETION)
    group.get_child_by_label("delete").as_teardown()

with DAG("approved_and_held", schedule=None):
    plan = PlanBackendDeletionOperator(task_id="plan", app_id=APP, backend_environment_name=NAMED)
    approve = ApproveBackendDeletionOperator(task_id="approve", plan=plan.output)
    (
        approve
        >> wait_for_file()
        >> DeleteBackendOperator(task_id="delete", plan=plan.output, approval="approve", **DELETION)
    )
