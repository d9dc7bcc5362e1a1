"""docs/failures.md has the retry policy's whole table, as it is, and a notification as the package writes it."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from airflow_provider_amplifybackend import retries
from airflow_provider_amplifybackend.core.job import Job
from airflow_provider_amplifybackend.exceptions import BackendJobFailedError
from airflow_provider_amplifybackend.notifications._failure import failure_of
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator
from tests.docs.conftest import ROOT
from tests.pages import blocks

PAGE = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
ROWS = {
    **{f"`{reason}`": advice for reason, advice in retries.START_ADVICE.items()},
    **{str(kind): advice for kind, advice in retries.REQUEST_ADVICE.items()},
    **{
        f"`{kind.__name__}`": advice
        for kind, advice in retries.ERROR_ADVICE.items()
        if f"| `{kind.__name__}` |" in PAGE
    },
}
TIMES = {None: "", timedelta(seconds=30): "30 s", timedelta(minutes=5): "5 min"}


@pytest.mark.parametrize("name", ROWS)
def test_each_row_says_what_the_policy_decides(name: str) -> None:
    advice = ROWS[name]
    cells = [name, f"`{advice.action}`", TIMES[advice.delay], advice.reason]
    assert [cell.strip() for cell in _row(name)] == cells


def test_every_error_with_a_decision_of_its_own_is_named() -> None:
    for kind in retries.ERROR_ADVICE:
        assert f"`{kind.__name__}`" in PAGE


def test_the_text_of_a_notification_is_what_the_package_writes() -> None:
    (shown,) = blocks(ROOT / "docs" / "failures.md", "text")
    app, job_id = "d1abc", "5c2b0f1e-7a52-4f0e-9d0b-0a4c8b0b6f5e"
    task = CloneBackendOperator(
        task_id="clone", app_id=app, backend_environment_name="staging", target_environment_name="nightly"
    )
    run_id = "scheduled__2026-11-29"
    address = f"https://airflow.example.com/dags/nightly/runs/{run_id}/tasks/clone?try_number=1"
    ti = SimpleNamespace(dag_id="nightly", task_id="clone", run_id=run_id, try_number=1, map_index=-1, log_url=address)
    job = Job(app, "nightly", job_id, "CloneBackend", "FAILED", "a text", create_time_ms=0, update_time_ms=192_000)
    failure = failure_of({"ti": ti, "task": task, "exception": BackendJobFailedError(job)}, None, None)
    assert shown.text == f"{failure.text}\n"


def _row(name: str) -> list[str]:
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
    return line.strip("|").split("|")
