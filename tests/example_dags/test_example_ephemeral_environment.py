"""The environment of a run is torn down whatever happens, and the run still fails if it should."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner
from tests.fixture_types import Names, RunExample
from tests.samples import APP

DAG_ID = "example_ephemeral_environment"
SOURCE = Path(__file__).parents[2] / "example_dags" / f"{DAG_ID}.py"
UNTOUCHED = ["staging"]


@pytest.fixture
def example(dags: DagRunner) -> Callable[..., Any]:
    """Run the example as it is written, but impatiently; `changes` are parameters of the clone."""

    def run(*, fail_check: bool = False, app_id: str = APP, retries: int = 0, **changes: Any) -> Any:
        dag = dags.load_file(SOURCE.read_text(), DAG_ID)
        for task in dag.tasks:
            task.retry_delay = timedelta(0)
            task.retries = retries
            if hasattr(task, "waiter_delay"):
                task.waiter_delay = 0.1
                task.waiter_max_attempts = 300
        for name, value in changes.items():
            setattr(dag.get_task("clone"), name, value)
        return dags.run_dag(dag, conf={"app_id": app_id, "source": "staging", "fail_check": fail_check})

    return run


@pytest.fixture
def environments(service: LocalAmplifyBackend) -> Callable[[], list[str]]:
    return lambda: sorted(service.client().get_backend(AppId=APP)["BackendEnvironmentList"])


@pytest.fixture
def effective(service: LocalAmplifyBackend) -> Callable[[], list[str]]:
    """The operations that started a job."""

    def read() -> list[str]:
        entries = service.control.journal(effective=True)
        return [entry["operation"] for entry in entries if entry["job_id"] and entry["operation"] != "GetBackendJob"]

    return read


def test_a_run_in_which_all_is_well(example: RunExample, environments: Names, effective: Names) -> None:
    run = example()
    assert run.states == dict.fromkeys(("reserve_name", "clone", "add_auth", "check", "tear_down"), "success")
    assert run.state == "success"
    assert run.xcom("check") == "nightly"
    assert run.xcom("clone")["BackendEnvironmentName"] == run.xcom("reserve_name")
    # What the Amplify CLI takes.
    assert re.fullmatch("[a-z]{2,10}", run.xcom("reserve_name"))
    assert effective() == ["CloneBackend", "CreateBackendAuth", "DeleteBackend"]
    assert environments() == UNTOUCHED


def test_a_check_that_fails(example: RunExample, environments: Names, effective: Names) -> None:
    run = example(fail_check=True)
    assert run.state == "failed"
    assert (run.states["check"], run.states["tear_down"]) == ("failed", "success")
    assert effective() == ["CloneBackend", "CreateBackendAuth", "DeleteBackend"]
    assert environments() == UNTOUCHED


def test_a_clone_that_fails_and_leaves_an_empty_environment(
    example: RunExample, service: LocalAmplifyBackend, environments: Names
) -> None:
    service.control.add_fault("CloneBackend", kind="job_fails", error="CREATE_FAILED")
    run = example()
    assert run.state == "failed"
    assert run.states == {
        "reserve_name": "success",
        "clone": "failed",
        "add_auth": "upstream_failed",
        "check": "upstream_failed",
        "tear_down": "success",
    }
    assert any("CREATE_FAILED" in error for error in run.errors("clone"))
    assert run.xcom("tear_down")["outcome"] == "started"
    assert environments() == UNTOUCHED


def test_an_auth_job_that_fails(example: RunExample, service: LocalAmplifyBackend, environments: Names) -> None:
    service.control.add_fault("CreateBackendAuth", kind="job_fails")
    run = example()
    assert run.state == "failed"
    assert (run.states["clone"], run.states["add_auth"], run.states["tear_down"]) == ("success", "failed", "success")
    assert environments() == UNTOUCHED


def test_a_clone_that_times_out_is_waited_for_before_it_is_torn_down(
    example: RunExample, service: LocalAmplifyBackend, environments: Names, effective: Names
) -> None:
    # Longer than two tries take on a busy machine, where more than a second may pass before the first request.
    service.control.set(job_seconds={"CloneBackend": 18.0})
    run = example(retries=1, waiter_max_attempts=30)
    assert run.state == "failed"
    assert (run.states["clone"], run.states["tear_down"]) == ("failed", "success")
    assert run.tries["clone"] == 2
    assert len(run.errors("clone")) == 2
    assert all("BackendJobTimeoutError" in error for error in run.errors("clone"))
    assert effective() == ["CloneBackend", "DeleteBackend"]
    assert environments() == UNTOUCHED


def test_a_clone_task_that_dies_while_its_job_runs(
    example: RunExample,
    service: LocalAmplifyBackend,
    environments: Names,
    effective: Names,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

    class DiedError(Exception):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise DiedError("between the start and the end of the job")

    monkeypatch.setattr(AmplifyBackendHook, "await_end", die)
    service.control.set(job_seconds={"CloneBackend": 12.0})  # longer than two tries take on a busy machine
    run = example(deferrable=False)
    assert run.errors("clone") == ["DiedError: between the start and the end of the job"]
    assert run.state == "failed"
    assert run.states["tear_down"] == "success"
    assert effective() == ["CloneBackend", "DeleteBackend"]
    assert environments() == UNTOUCHED


def test_a_clone_that_is_refused_leaves_nothing_to_tear_down(
    example: RunExample, service: LocalAmplifyBackend, environments: Names, effective: Names
) -> None:
    service.control.add_fault("CloneBackend", kind="error", status=400, code="BadRequestException", message="No.")
    run = example()
    assert run.state == "failed"
    assert (run.states["clone"], run.states["tear_down"]) == ("failed", "success")
    assert "BadRequestException" in run.errors("clone")[0]
    assert run.xcom("tear_down")["outcome"] == "skipped"
    assert effective() == []
    assert environments() == UNTOUCHED


def test_an_app_that_nobody_knows(example: RunExample, environments: Names) -> None:
    run = example(app_id="dunknown")
    assert run.state == "failed"
    assert run.states["tear_down"] == "success"
    assert run.xcom("tear_down")["outcome"] == "skipped"


def test_a_teardown_that_fails_is_tried_again(
    example: RunExample, service: LocalAmplifyBackend, environments: Names, effective: Names
) -> None:
    service.control.add_fault("DeleteBackend", kind="job_fails", times=1)
    run = example(retries=1)
    assert run.state == "success"
    assert run.tries["tear_down"] == 2
    assert effective()[-2:] == ["DeleteBackend", "DeleteBackend"]
    assert environments() == UNTOUCHED
