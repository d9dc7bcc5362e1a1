"""The peer: a deferrable wait as a good provider author writes it today, on the amazon provider's base classes.

The same pieces as in its Neptune or Athena modules: a thin hook, waiters in a JSON file, and a subclass of the
waiter trigger. The operator to them is in the DAG file of benchmarks/engine.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger


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
