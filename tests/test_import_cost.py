"""A DAG file is parsed again and again: what it imports must not load boto3, which costs most of a second."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_amplifybackend

ROOT = Path(airflow_provider_amplifybackend.__file__).parents[1]
# Of the amazon provider Airflow itself reads the description, with that of every other provider.
HEAVY = ("boto3", "botocore", "aiobotocore", "airflow.providers.amazon.aws")
# Imported, in a thread, once a wait begins.
BEHIND_THE_TRIGGERS = {"_poller", "_shared_client", "_change_feed"}


def modules_of_dag_files() -> list[str]:
    """The modules that DAG files, the scheduler and the triggerer import to parse, serialize or load something."""
    found = []
    for folder in ("operators", "sensors", "triggers"):
        path = ROOT / airflow_provider_amplifybackend.__name__ / folder
        names = [module.name for module in pkgutil.iter_modules([str(path)])]
        assert names
        found += [
            f"{airflow_provider_amplifybackend.__name__}.{folder}.{name}"
            for name in names
            if name not in BEHIND_THE_TRIGGERS
        ]
    return [*found, *(f"{airflow_provider_amplifybackend.__name__}.{name}" for name in ("links", "get_provider_info"))]


def loaded_by(program: str) -> list[str]:
    """The heavy modules that a fresh process has loaded after a program."""
    report = (
        f"import json, sys; print('loaded', json.dumps([name for name in sys.modules if name.startswith({HEAVY})]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{report}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("loaded "))
    found: list[str] = json.loads(line.removeprefix("loaded "))
    return found


def test_no_module_of_dag_files_loads_boto() -> None:
    assert loaded_by("\n".join(f"import {module}" for module in modules_of_dag_files())) == []


@pytest.mark.parametrize(
    "last",
    [
        pytest.param("", id="written"),
        pytest.param(
            "from airflow.serialization.serialized_objects import DagSerialization\n"
            "DagSerialization.from_dict(DagSerialization.to_dict(dag))",
            id="serialized",
        ),
    ],
)
def test_no_dag_loads_boto(last: str) -> None:
    program = f"""
from airflow.sdk import DAG
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, DeleteBackendOperator
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor

with DAG("cheap", schedule=None) as dag:
    clone = CloneBackendOperator.partial(
        task_id="clone", app_id="d1", backend_environment_name="staging", deferrable=True
    ).expand(target_environment_name=["one", "two"])
    delete = DeleteBackendOperator(task_id="delete", app_id="d1", backend_environment_name="{{{{ params.name }}}}")
    clone >> delete >> BackendJobSensor(task_id="wait", app_id="d1", backend_environment_name="one", job_id="j")
{last}
"""
    assert loaded_by(program) == []
