"""The Airflow whose processes a campaign kills: it loses no time over what has died, and is patient with what is late.

A campaign starts its own. In the short form, those that run under LocalExecutor share one, one after the other.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.engine import RunningAirflow
from tests.system.engine_services import free_port, local_process, missing_services

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.control import LocalControl
    from tests.system.engine import Executor

DAGS = Path(__file__).parent / "dags"
# Longer than a held request and the lag of the list together.
START_PATIENCE = 10
TAG_LAG = 2.0
# As many DAG runs at once as any campaign has, and what else executes meanwhile.
FLIGHT, BESIDE = 8, 4


@dataclass
class Struck:
    """An Airflow to be killed, and the port at which its connection `aws_default` finds the local service."""

    airflow: RunningAirflow
    port: int

    @contextmanager
    def service(self, *options: str) -> Iterator[LocalControl]:
        """The local service of one campaign, which ends with it, and so does whatever the campaign has left running."""
        with local_process(self.port, self.airflow.marked.mark, *options) as control:
            try:
                yield control
            finally:
                for task in self.airflow.task_processes():
                    task.kill()


@contextmanager
def struck_airflow(
    home: Path,
    *campaigns: str,
    executor: Executor = "LocalExecutor",
    flight: int = FLIGHT,
) -> Iterator[Struck]:
    """Start an Airflow with the DAGs of these campaigns (folders in `dags`), and end it."""
    port = free_port()
    extra = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    for campaign in campaigns:
        shutil.copytree(DAGS / campaign, home / "dags" / campaign)
    airflow = RunningAirflow(
        home,
        home / "dags",
        executor=executor,
        # While SQLite is locked, which can take seconds, Airflow fails a task that two workers have for a moment.
        database="sqlite" if missing_services() else "postgresql",
        triggerers=2 if executor == "CeleryExecutor" else 1,
        workers=2,
        parallelism=flight + BESIDE,
        connections={"aws_default": {"conn_type": "aws", "login": "none", "password": "none", "extra": extra}},
        env={
            "AIRFLOW__AMPLIFYBACKEND__START_PATIENCE": str(START_PATIENCE),
            "AIRFLOW__AMPLIFYBACKEND__TAG_LAG": str(TAG_LAG),
            # A scheduler that is late by more gives up its own tasks again and again; on a busy machine it is late.
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
            # What died between queue and start is noticed by nothing else.
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "50",
        },
    )
    with airflow:
        yield Struck(airflow, port)
