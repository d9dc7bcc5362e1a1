"""The Airflow that quiet suites share: its package is replaced once, by which one triggerer dies, and nothing else.

It is a large one, with Celery on PostgreSQL, two workers and two triggerers, where there is what that needs; else, and
with `UPGRADE=local`, it has LocalExecutor and SQLite. Each suite has the service as if it were new, and its own DAGs
(folders in `dags`, or an example).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Collection
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import psutil

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.system.engine import RunningAirflow
from tests.system.engine_client import wait_until
from tests.system.engine_processes import EngineError
from tests.system.engine_services import missing_services

ROOT = Path(__file__).parents[2]
DAGS = Path(__file__).parent / "dags"
FORM = os.environ.get("UPGRADE")
SERVICES = ("postgresql", "redis")
CELERY: dict[str, Any] = {"executor": "CeleryExecutor", "database": "postgresql", "triggerers": 2, "workers": 2}
# Where a package that is not installed is found all the same.
PLUGIN = "from airflow_provider_amplifybackend.plugins.amplify_backends import AmplifyBackendsPlugin  # noqa: F401\n"


class Quiet:
    """One Airflow and one local service, for all who ask, one after the other."""

    def __init__(self, folder: Path, service: LocalAmplifyBackend, until_end: contextlib.ExitStack) -> None:
        self.folder = folder
        self.service = service
        self._until_end = until_end
        self._airflow: RunningAirflow | None = None

    def give(self, dag_ids: Collection[str], *, job_seconds: float, package: Path = ROOT) -> RunningAirflow:
        """Return the Airflow with these DAGs and this package, and forget what the service knows."""
        self.service.control.reset()
        self.service.control.set(job_seconds=job_seconds)
        if self._airflow is None:
            self._airflow = self._started(package)
        elif not has_package(self._airflow, package):
            replace_package(self._airflow, package)
        for process in self._airflow.processes.values():
            if not process.running:  # the triggerer that an upgrade has killed
                process.restart(environment={"PYTHONPATH": str(package)})
        self._airflow.wait_ready(dag_ids)
        return self._airflow

    def _started(self, package: Path) -> RunningAirflow:
        home, dags = self.folder / "home", self.folder / "dags"
        for suite in ("ui", "upgrade"):
            shutil.copytree(DAGS / suite, dags / suite)
        shutil.copy(ROOT / "example_dags" / "example_ephemeral_environment.py", dags)
        if not [entry for entry in entry_points(group="airflow.plugins") if entry.name == "amplifybackend"]:
            (home / "plugins").mkdir(parents=True)
            (home / "plugins" / "amplify.py").write_text(PLUGIN)
        settings = {
            # Nothing is killed here, and on a busy machine a task that is late must not be taken for dead.
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
            "PYTHONPATH": str(package),
            "UI_FOLDER": str(self.folder / "fleet"),
            "AIRFLOW__AMPLIFYBACKEND__PROTECTED": "production",
        }
        connection = json.loads(connection_json(self.service.endpoint_url))
        parts = {} if FORM == "local" or missing_services() else CELERY
        airflow = RunningAirflow(home, dags, connections={"aws_default": connection}, env=settings, **parts)
        return self._until_end.enter_context(airflow)


def replace_package(airflow: RunningAirflow, package: Path, *, killed: str | None = None) -> None:
    """Restart every part with another package, one after the other.

    :param killed: A part that dies instead of ending in good order, and is not started again.
    """
    for name, process in airflow.processes.items():
        if name in SERVICES:
            continue
        if name == killed:
            process.kill(tree=True)
            continue
        process.restart(environment={"PYTHONPATH": str(package)})
        if name == "api-server":  # the others need it
            wait_until(lambda: _answers(airflow), 180, "answer of the API server", every=1)
    # A program that has just been started has no environment to read for a moment (execve sets it last).
    wait_until(lambda: has_package(airflow, package), 30, "parts with the other package", every=0.1)


def has_package(airflow: RunningAirflow, package: Path) -> bool:
    """Return whether all that runs of an Airflow has a package."""
    ours = [process for name, process in airflow.processes.items() if name not in SERVICES and process.running]
    return {psutil.Process(process.pid).environ().get("PYTHONPATH") for process in ours} == {str(package)}


def _answers(airflow: RunningAirflow) -> bool:
    with contextlib.suppress(EngineError):
        return bool(airflow.health())
    return False
