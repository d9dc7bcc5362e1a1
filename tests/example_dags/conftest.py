"""Example DAGs run as they are written, but impatiently."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dag_run import DagRunner, Finished
from tests.fixture_types import RunExample
from tests.samples import APP

FOLDER = Path(__file__).parents[2] / "example_dags"
IMPATIENT = {"waiter_delay": 0.1, "waiter_max_attempts": 300}


def load_impatient(dags: DagRunner, dag_id: str) -> Any:
    """Load an example whose tasks wait for moments and are not retried."""
    dag = dags.load_file((FOLDER / f"{dag_id}.py").read_text(), dag_id)
    for task in dag.tasks:
        task.retries = 0
        if hasattr(task, "partial_kwargs"):
            if "deferrable" in task.partial_kwargs:
                task.partial_kwargs |= IMPATIENT
        elif hasattr(task, "waiter_delay"):
            for name, value in IMPATIENT.items():
                setattr(task, name, value)
        if hasattr(task, "poke_interval"):
            task.poke_interval = 0.1
    return dag


@pytest.fixture
def example(dags: DagRunner, airflow_home: Path) -> Iterator[RunExample]:
    """Runs an example."""
    beside = [
        shutil.copy(path, airflow_home / "dags") for path in FOLDER.iterdir() if path.suffix in (".json", ".graphql")
    ]

    def run(dag_id: str, **params: Any) -> Finished:
        return dags.run_dag(load_impatient(dags, dag_id), conf={"app_id": APP, **params})

    yield run
    for path in beside:
        Path(path).unlink()


def succeeded(run: Finished) -> Finished:
    """Return a run that has succeeded, or say why it has not."""
    assert run.state == "success", {task_id: run.errors(task_id) for task_id in run.states}
    return run
