"""A task whose pods get more memory than others', and a log at DEBUG."""

from __future__ import annotations

from airflow.sdk import DAG
from kubernetes.client import models as k8s

from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator

with DAG("overridden", schedule=None):
    CloneBackendOperator(
        task_id="clone",
        app_id="d1a2b3c4d5",
        backend_environment_name="staging",
        target_environment_name="pr42",
        deferrable=True,
        waiter_delay=2,
        executor_config={
            "pod_override": k8s.V1Pod(
                spec=k8s.V1PodSpec(
                    containers=[
                        k8s.V1Container(
                            name="base",  # the name that Airflow gives the container of the task
                            env=[k8s.V1EnvVar(name="AIRFLOW__LOGGING__LOGGING_LEVEL", value="DEBUG")],
                            resources=k8s.V1ResourceRequirements(requests={"memory": "1Gi"}),
                        )
                    ]
                )
            )
        },
    )
