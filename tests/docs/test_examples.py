"""docs/operators.md is made from the classes; its examples run, and call and return what it says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.core.permissions import needed_operations
from airflow_provider_amplifybackend.exceptions import BackendJobFailedError
from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor
from scripts import docs as generator
from tests.docs.conftest import EXAMPLES
from tests.samples import APP

CLASSES = [each for classes in generator.task_classes().values() for each in classes]
# What the service can leave out of an answer, and left out in the examples.
LEFT_OUT = {
    "GetBackendAuthOperator": {"Error"},
    "GetBackendAPIOperator": {"Error"},
    "GetBackendOperator": {"Error"},
    "GetBackendJobOperator": {"Error"},
    "UpdateBackendJobOperator": {"Error"},
    "UpdateBackendConfigOperator": {"Error", "BackendManagerAppId"},
    "RemoveBackendConfigOperator": {"Error"},
    "ListBackendJobsOperator": {"NextToken"},
    "ListS3BucketsOperator": {"NextToken"},
}


@pytest.mark.parametrize(
    ("page", "render"), [("operators.md", generator.render_page), ("settings.md", generator.render_settings)]
)
def test_a_page_is_current(page: str, render: Callable[[], str]) -> None:
    assert (generator.DOCS / page).read_text(encoding="utf-8") == render(), "run `python scripts/docs.py`"


def test_the_page_has_every_operation() -> None:
    from airflow_provider_amplifybackend.parameters.service_model import operation_names

    assert {getattr(each, "api_operation", None) for each in CLASSES} - {None} == set(operation_names())


def test_a_page_that_is_not_current_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(generator, "DOCS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["docs.py", "--check"])
    assert generator.main() == 1
    assert capsys.readouterr().err.count("run `python scripts/docs.py`") == 2
    monkeypatch.setattr(sys, "argv", ["docs.py"])
    assert generator.main() == 0
    monkeypatch.setattr(sys, "argv", ["docs.py", "--check"])
    assert generator.main() == 0


def test_an_operator_without_an_example_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    left = {name: text for name, text in generator.examples().items() if name != "CloneBackendOperator"}
    monkeypatch.setattr(generator, "examples", lambda: left)
    with pytest.raises(LookupError, match="CloneBackendOperator"):
        generator.render_page()


def test_a_parameter_without_a_description_is_refused() -> None:
    from airflow_provider_amplifybackend.operators.token import CreateTokenOperator

    class Undescribed(CreateTokenOperator):
        """Nothing is described here."""

        def __init__(self, *, secret_wish: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.secret_wish = secret_wish

    Undescribed.__module__ = CreateTokenOperator.__module__
    with pytest.raises(LookupError, match="secret_wish"):
        generator.table_parameters(Undescribed)


def test_examples_are_short() -> None:
    assert {
        name: text for name, text in generator.examples().items() if text.count("\n") > 7 and name[0].isupper()
    } == {}


@pytest.fixture
def seeded(service: Any, at_once: None) -> str:
    """What the examples find in the service; the value is the id of a job that is stuck."""
    service.control.seed(
        {
            "buckets": ["my-files"],
            "apps": [
                {
                    "app_id": APP,
                    "environments": ["preview", {"name": "staging", "auth": {"main": None}}],
                    "jobs": [{"environment": "preview", "operation": "UpdateBackendAPI", "status": "RUNNING"}],
                }
            ],
        }
    )
    (stuck,) = service.control.jobs()
    return str(stuck["JobId"])


def test_every_example_runs_and_calls_and_returns_what_the_page_says(
    dags: Any, seeded: str, calls_by_task: Any
) -> None:
    dag = dags.load_file(EXAMPLES.read_text(encoding="utf-8"), "operators")
    run = dags.run_dag(dag, conf={"stuck_job": seeded})
    assert {task: run.errors(task) or state for task, state in run.states.items() if state != "success"} == {}
    classes = {task_id: type(task) for task_id, task in dag.task_dict.items()}
    assert sorted(each.__name__ for each in classes.values()) == sorted(each.__name__ for each in CLASSES)
    called = calls_by_task(run)
    assert called == {task_id: set(needed_operations(each).always) for task_id, each in classes.items()}
    for task_id, each in classes.items():
        result = run.xcom(task_id)
        if hasattr(each, "api_operation"):
            documented = set(generator.result_keys(each))
            assert set(result) == documented - LEFT_OUT.get(each.__name__, set()), task_id
    plan = run.xcom("plan")
    described = generator.read_docstring(PlanBackendDeletionOperator).returns
    assert [key for key in plan if f"`{key}`" not in described] == []
    assert plan["text"] == run.xcom("plan", "text")
    assert set(run.xcom("wait_for_job")) == set(generator.job_keys())
    assert set(run.xcom("wait_for_environment")) == {"AppId", "BackendEnvironmentName", "condition"}
    outputs = run.xcom("look")["outputs"]
    assert outputs == {name: run.xcom("look", name) for name in outputs}


def test_a_start_that_was_refused_and_then_lost_calls_no_more_than_the_page_says(
    dags: Any, service: Any, seeded: str
) -> None:
    dag = dags.load_file(EXAMPLES.read_text(encoding="utf-8"), "operators")
    service.control.end_job(seeded)
    for task in dag.topological_sort():
        operation = getattr(task, "api_operation", None)
        if operation in JOB_OPERATIONS:
            service.control.add_fault(operation, kind="pending", times=1)
            service.control.add_fault(operation, kind="timeout_after", times=1)
            service.control.clear_journal()
            result = task.execute(outside_airflow())
            assert result["outcome"] == "adopted", task.task_id
            called = {entry["operation"] for entry in service.control.journal() if entry["service"] == "amplifybackend"}
            calls = needed_operations(type(task))
            # A job that is adopted when it has ended already is seen in the list only.
            assert called | {"GetBackendJob"} == {*calls.always, *calls.after_trouble}, task.task_id


def test_a_clone_that_cleans_up_after_itself_calls_no_more_than_the_page_says(
    dags: Any, service: Any, seeded: str
) -> None:
    dag = dags.load_file(EXAMPLES.read_text(encoding="utf-8"), "operators")
    task = dag.task_dict["clone"]
    calls = needed_operations(type(task))
    assert set(calls.with_option) == {'on_failure="delete_target"'}
    task.on_failure = "delete_target"
    service.control.add_fault("CloneBackend", kind="job_fails", times=1)
    with pytest.raises(BackendJobFailedError):
        task.execute(outside_airflow())
    called = {entry["operation"] for entry in service.control.journal() if entry["service"] == "amplifybackend"}
    assert called == set(calls.all)


def test_a_sensor_for_no_job_calls_what_the_page_says(dags: Any, service: Any, seeded: str) -> None:
    service.control.end_job(seeded)
    sensor = BackendJobSensor(task_id="idle", app_id=APP, backend_environment_name="preview", no_job_pending=True)
    result = sensor.execute(outside_airflow())
    assert set(result) == {"AppId", "BackendEnvironmentName", "condition"}
    (called,) = needed_operations(BackendJobSensor).with_option.values()
    assert {entry["operation"] for entry in service.control.journal()} == set(called)


def outside_airflow() -> Any:
    """As much of a context as a start needs; a whole run takes much longer."""
    instance = SimpleNamespace(max_tries=0, try_number=1, xcom_push=lambda key, value: None)
    return {"ti": instance, "dag_run": SimpleNamespace(clear_number=0, start_date=None)}
