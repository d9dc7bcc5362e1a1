"""What the lease campaign kills: an environment for a while, whose body watches that it is there."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_provider_amplifybackend.exceptions import BackendRequestError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.task_groups.ephemeral import ephemeral_environment
from airflow_provider_amplifybackend.task_groups.reaper import reap_environments

APP = "dlease"
LIMIT = 2
BODY_SECONDS = 3.0
RETRIES = {"retries": 12, "retry_delay": timedelta(seconds=1)}

for deferrable in (True, False):
    with DAG(
        f"lease_{'deferred' if deferrable else 'worker'}", schedule=None, max_active_runs=32, default_args=RETRIES
    ):
        with ephemeral_environment(
            "preview",
            app_id=APP,
            source="staging",
            ttl=timedelta(hours=1),
            max_concurrent=LIMIT,
            poll_interval=1,
            waiter_delay=1,
            deferrable=deferrable,
        ) as env:

            @task
            def body(environment: str) -> None:
                """Read the environment for a while. The journal of the service tells when, and of what vanished."""
                hook, end = AmplifyBackendHook(), time.monotonic() + BODY_SECONDS
                while time.monotonic() < end:
                    exists = hook.environment_exists(APP, environment)
                    seen = "there" if exists else "vanished"
                    # A read that the journal shows, with the environment's name and what was seen.
                    with suppress(BackendRequestError):
                        list(hook.iter_jobs(APP, environment, operation=seen))
                    if not exists:
                        raise RuntimeError(f"{environment} vanished")
                    time.sleep(0.5)

            body(env.name)

with DAG("lease_reaper", schedule=None, default_args=RETRIES):
    reap_environments(app_ids=[APP], dry_run=False, waiter_delay=1)
