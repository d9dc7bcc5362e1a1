from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from tests.dag_run import Finished

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "operators.py"


@pytest.fixture
def at_once(service: Any) -> Iterator[None]:
    """Jobs that end at once, and no pauses before a start."""
    service.control.set(job_seconds=0)
    # Once the environments are gone, so is the place to look for its job.
    service.control.set(job_seconds={"RemoveAllBackends": 0.5})
    with timing.replaced(between_checks=0.01):
        yield


@pytest.fixture
def calls_by_task(service: Any) -> Callable[[Finished], dict[str, set[str]]]:
    """What each task of a run asked the service for. The tasks must have run one after the other."""

    def read(run: Finished) -> dict[str, set[str]]:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session

        with create_session() as session:
            rows = session.query(TaskInstance).filter_by(dag_id=run.dag_id, run_id=run.run_id).all()
            ends = sorted((row.end_date.timestamp(), row.task_id) for row in rows if row.end_date)
        calls: dict[str, set[str]] = {task_id: set() for _, task_id in ends}
        for entry in service.control.journal():
            task_id = next(task_id for end, task_id in ends if entry["time"] <= end)
            if entry["service"] == "amplifybackend":  # the guard's reads of the neighbours are in docs/iam.md
                calls[task_id].add(entry["operation"])
        return calls

    return read
