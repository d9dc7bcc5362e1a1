"""Whatever cannot be a deadline is refused before anything is sent."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.budget import Budget
from airflow_provider_amplifybackend.core.job import JobRef
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.parameters.limits import (
    LONGEST_WAIT,
    as_bounded,
    as_optional_whole,
    as_waiter_delay,
    as_waiter_max_attempts,
    budget_problems,
)
from airflow_provider_amplifybackend.validation import validate_dag
from tests.dag_run import DagRunner

NO_DEADLINES = (
    1e12,
    10**400,
    -(10**400),
    float("nan"),
    float("inf"),
    -float("inf"),
    -1,
    "1e400",
    "nan",
    True,
    None,
    [1],
    b"5",
    "1_0",
    "\N{ARABIC-INDIC DIGIT FIVE}",
    "5s",
)


@pytest.mark.parametrize("value", NO_DEADLINES, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize("read", [as_waiter_delay, as_waiter_max_attempts, lambda *given: as_bounded(*given, least=0)])
def test_what_is_no_number_of_seconds_is_refused_by_its_name(read: Any, value: Any) -> None:
    with pytest.raises(BackendParameterError, match=r"^parameter"):
        read("parameter", value)


@pytest.mark.parametrize(
    ("value", "seconds"), [(5, 5), ("0.5", 0.5), (timedelta(minutes=1), 60), (LONGEST_WAIT, LONGEST_WAIT)]
)
def test_what_is_one_is_read(value: Any, seconds: float) -> None:
    assert as_bounded("parameter", value, least=0) == seconds


@pytest.mark.parametrize(
    ("value", "number"), [(3, 3), ("3", 3), (3.0, 3), ("3.0", 3), (None, None), ("None", None), (" ", None)]
)
def test_a_whole_number_can_be_left_out(value: Any, number: int | None) -> None:
    assert as_optional_whole("max_items", value, least=1) == number


@pytest.mark.parametrize("value", ["2.5", 2.5, 0, "0", "1e400", 2**31 + 1, True, []])
def test_what_is_no_whole_number_is_refused_by_its_name(value: Any) -> None:
    with pytest.raises(BackendParameterError, match=r"^max_items"):
        as_optional_whole("max_items", value, least=1)


@pytest.mark.parametrize(
    ("delay", "attempts", "is_possible"),
    [
        (30, 120, True),
        (30, 10**9, False),
        (1e8, 1e8, False),
        (0.1, 3e9, True),
        (LONGEST_WAIT, 1, True),
        (30, "{{ x }}", True),
    ],
)
def test_the_product_is_bounded_too(delay: Any, attempts: Any, is_possible: bool) -> None:
    problems = budget_problems({"waiter_delay": delay, "waiter_max_attempts": attempts})
    assert not problems if is_possible else "is a time budget of" in problems[0]


@pytest.mark.parametrize("execution_timeout", [None, timedelta.max, timedelta.min, timedelta(0), timedelta(seconds=-5)])
def test_the_longest_wait_is_a_deadline_for_everything_behind_it(execution_timeout: timedelta | None) -> None:
    budget = Budget.of(LONGEST_WAIT, execution_timeout, started=time.time())
    ends = datetime.now(UTC) + budget.deferral_timeout
    assert ends.year <= 2100


CLONE = """
CloneBackendOperator(
    task_id="task", app_id=APP, backend_environment_name="staging", target_environment_name="copy", {options}
)
"""
SENSOR = 'BackendEnvironmentSensor(task_id="task", app_id=APP, backend_environment_name="copy", {options})'


@pytest.mark.parametrize(
    ("task", "options", "complaint"),
    [
        (CLONE, "waiter_max_attempts=10**10", "waiter_max_attempts"),
        (CLONE, "waiter_delay=1e12, waiter_max_attempts=1", "waiter_delay"),
        (CLONE, "waiter_delay=1e8, waiter_max_attempts=1e8", "time budget of"),
        (SENSOR, "timeout=1e12", "timeout"),
        (SENSOR, "poke_interval=1e12", "poke_interval"),
        (SENSOR, "timeout=1e12, mode='reschedule'", "timeout"),
    ],
)
@pytest.mark.parametrize("deferrable", [False, True])
def test_it_is_refused_before_anything_is_sent(
    dags: DagRunner, service: LocalAmplifyBackend, task: str, options: str, complaint: str, deferrable: bool
) -> None:
    dag = dags.load(task.format(options=f"{options}, deferrable={deferrable}"))
    with pytest.raises(BackendParameterError, match=complaint):
        validate_dag(dag)
    run = dags.run_dag(dag)
    assert run.states == {"task": "failed"}
    assert "BackendParameterError" in run.error("task")
    assert complaint in run.error("task")
    assert service.control.journal() == []


def test_it_is_refused_for_mapped_sensors(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    sensor = 'BackendEnvironmentSensor.partial(task_id="task", app_id=APP, timeout=1e12)'
    dag = dags.load(f'{sensor}.expand(backend_environment_name=["a", "b"])')
    with pytest.raises(BackendParameterError, match="timeout"):
        validate_dag(dag)
    run = dags.run_dag(dag)
    assert run.state == "failed"
    assert service.control.journal() == []


@pytest.mark.parametrize(
    "options", [{"timeout": 1e12}, {"timeout": float("nan")}, {"timeout": 5, "waiter_delay": 1e12}]
)
def test_the_hook_refuses_it_too(service: Any, options: dict[str, Any]) -> None:
    with pytest.raises(BackendParameterError):
        AmplifyBackendHook().wait_for_job(JobRef("d1a2b3c4d5", "job-1", ("staging",)), **options)
    assert service.control.journal() == []
