"""A task is documented in Airflow's UI by its operator, unless the DAG documents it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor
from tests.dag_run import DagRunner

NAMES: dict[str, Any] = {"app_id": "d1", "backend_environment_name": "staging"}
API = "https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/CloneBackend"


def test_a_task_says_what_its_operator_does() -> None:
    clone = CloneBackendOperator(task_id="clone", target_environment_name="copy", **NAMES)
    assert clone.doc_md is not None
    assert clone.doc_md.endswith(f" Operation of AmplifyBackend: [CloneBackend]({API}).")
    wait = BackendJobSensor(task_id="wait", job_id="j", **NAMES)
    assert wait.doc_md == "Wait until a job has ended, or until no job is pending in an environment."


def test_a_mapped_task_does_too(dags: DagRunner) -> None:
    dag = dags.load("""
        CloneBackendOperator.partial(
            task_id="clone", app_id=APP, backend_environment_name="staging"
        ).expand(target_environment_name=["one", "two"])
        CloneBackendOperator.partial(
            task_id="mine", app_id=APP, backend_environment_name="staging", doc_md="mine"
        ).expand(target_environment_name=["one", "two"])
    """)
    assert "CloneBackend" in dag.get_task("clone").doc_md
    assert dag.get_task("mine").doc_md == "mine"


@pytest.mark.parametrize("name", ["doc", "doc_md", "doc_json", "doc_yaml", "doc_rst"])
def test_what_the_dag_says_of_a_task_stays(name: str) -> None:
    clone = CloneBackendOperator(task_id="clone", target_environment_name="copy", **{name: "mine"}, **NAMES)
    assert getattr(clone, name) == "mine"
    assert clone.doc_md in (None, "mine")


def test_a_class_of_a_user_is_documented_by_its_own_docstring() -> None:
    class NightlyClone(CloneBackendOperator):
        """Clone ``staging`` for :class:`~a.module.Somebody`.

        More of it.
        """

    clone = NightlyClone(task_id="clone", target_environment_name="copy", **NAMES)
    assert clone.doc_md is not None
    assert clone.doc_md.startswith("Clone `staging` for `Somebody`. Operation")
