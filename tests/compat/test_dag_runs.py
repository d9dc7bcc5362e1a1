"""`dag.test()` on whatever Airflow is installed here, as tests of DAGs run it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.airflow_versions import AIRFLOW
from tests.dag_run import DagRunner

DAG = 'GetBackendOperator(task_id="look", app_id=APP, backend_environment_name="staging")'


@pytest.mark.skipif(AIRFLOW < (3, 0), reason="tasks have no API server in Airflow 2")
def test_the_api_server_of_tasks_is_made_once_for_all_runs(dags: DagRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.api_fastapi.execution_api import app

    made: list[str] = []
    make = app.create_task_execution_api_app

    def counted(*args: Any, **options: Any) -> Any:
        made.append("app")
        return make(*args, **options)

    monkeypatch.setattr(app, "create_task_execution_api_app", counted)
    for _ in range(3):
        assert dags.run(DAG).state == "success"
    assert len(made) <= 1, "the first test of a process makes it, unless another one has"
