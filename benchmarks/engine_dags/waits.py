"""The two DAGs of benchmarks/engine.py: a wait for each job of the run's configuration, and a task after each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import DAG, task, task_group

from airflow_provider_amplifybackend.sensors.job import BackendJobSensor
from benchmarks._peer import PeerHook, PeerJobTrigger

WAITER_DELAY = 30
ATTEMPTS = 120
# Airflow 3.3.2 itself loses a task now and then (apache/airflow#67287): counted, and not the end of the benchmark.
DEFAULTS = {"aws_conn_id": "bench", "retries": 1, "retry_delay": timedelta(seconds=1)}


class PeerJobOperator(AwsBaseOperator[PeerHook]):
    """Wait for a job as the amazon provider's operators do: a first look on the worker, then in the triggerer."""

    aws_hook_class = PeerHook
    template_fields = aws_template_fields("app_id", "backend_environment_name", "job_id")

    def __init__(self, *, app_id: str, backend_environment_name: str, job_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.job_id = job_id

    def execute(self, context: Any) -> str:
        names = {"AppId": self.app_id, "BackendEnvironmentName": self.backend_environment_name, "JobId": self.job_id}
        client: Any = self.hook.conn
        if client.get_backend_job(**names)["Status"] == "COMPLETED":
            return self.job_id
        self.defer(
            trigger=PeerJobTrigger(
                app_id=self.app_id,
                backend_environment_name=self.backend_environment_name,
                job_id=self.job_id,
                waiter_delay=WAITER_DELAY,
                waiter_max_attempts=ATTEMPTS,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=ATTEMPTS * WAITER_DELAY + 60),
        )
        raise AssertionError("defer does not return")

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> str:
        if not event or event["status"] != "success":
            raise RuntimeError(f"the wait ended with {event}")
        return str(event["job_id"])


@task
def jobs(dag_run: Any = None) -> list[dict[str, str]]:
    names = ("app_id", "environment", "job_id")
    return [{name: job[name] for name in names} for job in dag_run.conf["jobs"]]


@task
def after(job_id: str) -> str:
    return job_id


with DAG("waits_ours", schedule=None, default_args=DEFAULTS):

    @task_group
    def ours(app_id: str, environment: str, job_id: str) -> None:
        wait = BackendJobSensor(
            task_id="wait",
            app_id=app_id,
            backend_environment_name=environment,
            job_id=job_id,
            deferrable=True,
            poke_interval=WAITER_DELAY,
            timeout=ATTEMPTS * WAITER_DELAY,
        )
        wait >> after(job_id)

    ours.expand_kwargs(jobs())

with DAG("waits_peer", schedule=None, default_args=DEFAULTS):

    @task_group
    def peer(app_id: str, environment: str, job_id: str) -> None:
        wait = PeerJobOperator(
            task_id="wait",
            app_id=app_id,
            backend_environment_name=environment,
            job_id=job_id,
        )
        wait >> after(job_id)

    peer.expand_kwargs(jobs())
