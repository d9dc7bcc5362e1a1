"""The peer: a deferrable wait as a good provider author writes it today, on the amazon provider's base classes.

The same pieces as in its Neptune or Athena modules: a thin hook, waiters in a JSON file, a subclass of the waiter
trigger, and an operator that starts a job. The one that only waits is in the DAG file of benchmarks/engine.py.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields


class PeerHook(AwsBaseHook):
    """A thin hook, as most of the amazon provider's are."""

    # The amazon provider looks for the file beside its own; a provider of one's own sets it.
    waiter_path = Path(__file__).with_name("peer_waiters.json")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "amplifybackend"
        super().__init__(*args, **kwargs)


class PeerJobTrigger(AwsBaseWaiterTrigger):
    """Wait until a job has completed."""

    aws_hook_class = PeerHook

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        job_id: str,
        waiter_delay: int = 30,
        waiter_max_attempts: int = 120,
        **kwargs: Any,
    ) -> None:
        names = {"app_id": app_id, "backend_environment_name": backend_environment_name, "job_id": job_id}
        super().__init__(
            serialized_fields=names,
            waiter_name="job_completed",
            waiter_args={"AppId": app_id, "BackendEnvironmentName": backend_environment_name, "JobId": job_id},
            failure_message="AmplifyBackend job failed",
            status_message="Status of AmplifyBackend job is",
            status_queries=["Status"],
            return_key="job_id",
            return_value=job_id,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            **kwargs,
        )


class PeerCloneOperator(AwsBaseOperator[PeerHook]):
    """Start a clone and wait for it in the triggerer."""

    aws_hook_class = PeerHook
    template_fields = aws_template_fields("app_id", "backend_environment_name", "target_environment_name")

    def __init__(
        self, *, app_id: str, backend_environment_name: str, target_environment_name: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.target_environment_name = target_environment_name

    def execute(self, context: Any) -> str:
        client: Any = self.hook.conn
        started = client.clone_backend(
            AppId=self.app_id,
            BackendEnvironmentName=self.backend_environment_name,
            TargetEnvironmentName=self.target_environment_name,
        )
        self.defer(
            trigger=PeerJobTrigger(
                app_id=self.app_id,
                backend_environment_name=self.target_environment_name,
                job_id=started["JobId"],
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
            ),
            method_name="execute_complete",
            timeout=timedelta(hours=1),
        )
        raise AssertionError("defer does not return")

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> str:
        if not event or event["status"] != "success":
            raise RuntimeError(f"the wait ended with {event}")
        return str(event["job_id"])
