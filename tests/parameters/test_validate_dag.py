"""`validate_dag` finds what `execute` would refuse, and leaves alone what is yet to be rendered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, GetBackendOperator
from airflow_provider_amplifybackend.operators.job import ListBackendJobsOperator
from airflow_provider_amplifybackend.sensors.environment import BackendEnvironmentSensor
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor
from airflow_provider_amplifybackend.validation import validate_dag
from tests.samples import auth

ENVIRONMENT: dict[str, Any] = {"app_id": "d1", "backend_environment_name": "staging"}
AUTH: Any = auth(RequiredSignUpAttributes=[])


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("checked", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        yield dag


def problems(dag: DAG) -> str:
    with pytest.raises(BackendParameterError) as error:
        validate_dag(dag)
    return str(error.value)


def test_a_dag_without_problems_passes(dag: DAG) -> None:
    CloneBackendOperator(task_id="clone", **ENVIRONMENT, target_environment_name="rehearsal")
    CreateBackendAuthOperator(task_id="auth", **ENVIRONMENT, resource_name="auth", resource_config=AUTH)
    BackendJobSensor(task_id="idle", **ENVIRONMENT, no_job_pending=True)
    BackendEnvironmentSensor(task_id="gone", **ENVIRONMENT, condition="gone")
    validate_dag(dag)


def test_every_problem_of_every_task_is_named_with_its_path_value_and_what_is_accepted(dag: DAG) -> None:
    config = AUTH | {"UserPoolConfigs": AUTH["UserPoolConfigs"] | {"Mfa": {"MFAMode": "MAYBE"}}}
    CreateBackendAuthOperator(task_id="auth", **ENVIRONMENT, resource_name="auth", resource_config=config)
    CloneBackendOperator(task_id="clone", **ENVIRONMENT, target_environment_name="", waiter_delay=-1, if_exists="maybe")
    said = problems(dag)
    assert "auth: resource_config.UserPoolConfigs.Mfa.MFAMode='MAYBE'" in said
    assert "ON, OFF, OPTIONAL" in said
    assert "clone: target_environment_name='' is missing a value" in said
    assert "clone: waiter_delay=-1 must be a number" in said
    assert "clone: if_exists='maybe' is not accepted; accepted values: fail, skip" in said


def test_values_that_are_yet_to_be_rendered_are_left_alone_at_every_depth(dag: DAG) -> None:
    @task
    def name() -> Any:
        return "x"

    name_of_task: Any = name()
    nested = AUTH | {"AuthResources": "{{ params.resources }}", "UserPoolConfigs": "{{ var.json.pool }}"}
    CreateBackendAuthOperator(task_id="auth", **ENVIRONMENT, resource_name=name_of_task, resource_config=nested)
    limits: Any = {"max_results": "{{ params.page }}", "max_items": "{{ 3 }}"}
    ListBackendJobsOperator(task_id="jobs", **ENVIRONMENT, **limits)
    BackendJobSensor(task_id="job", **ENVIRONMENT, job_id="{{ ti.xcom_pull('x') }}")
    validate_dag(dag)


def test_what_stands_beside_a_template_is_checked(dag: DAG) -> None:
    nested = AUTH | {"AuthResources": "{{ params.resources }}", "Service": "LDAP"}
    CreateBackendAuthOperator(task_id="auth", **ENVIRONMENT, resource_name="auth", resource_config=nested)
    assert "resource_config.Service='LDAP'" in problems(dag)


def test_every_value_that_a_task_is_mapped_over_is_checked(dag: DAG) -> None:
    CloneBackendOperator.partial(task_id="clones", **ENVIRONMENT, on_pending_job="perhaps").expand(
        target_environment_name=["one", "", "three"]
    )
    ListBackendJobsOperator.partial(task_id="lists", app_id="d1").expand_kwargs(
        [{"backend_environment_name": "a", "max_results": 99}, {"backend_environment_name": "b"}]
    )
    said = problems(dag)
    assert said.count("target_environment_name=''") == 1
    assert said.count("on_pending_job='perhaps'") == 1
    assert "max_results=99 is out of range; accepted: 1 to 25" in said


def test_a_task_that_is_mapped_over_another_tasks_result_is_left_alone(dag: DAG) -> None:
    @task
    def names() -> list[str]:
        return ["a"]

    GetBackendOperator.partial(task_id="gets", app_id="d1").expand(backend_environment_name=names())
    validate_dag(dag)


def test_a_sensor_for_a_job_needs_one_or_the_other(dag: DAG) -> None:
    BackendJobSensor(task_id="neither", **ENVIRONMENT)
    BackendJobSensor(task_id="both", **ENVIRONMENT, job_id="j", no_job_pending=True)
    BackendEnvironmentSensor(task_id="odd", **ENVIRONMENT, condition="idle")
    said = problems(dag)
    assert "neither: job_id=None is missing a value" in said
    assert "both: job_id='j' and no_job_pending are mutually exclusive" in said
    assert "odd: condition='idle' is not accepted; accepted values: exists, gone" in said


def test_a_document_in_the_wrong_place_is_shown_without_its_secret(dag: DAG) -> None:
    document = '{"ClientSecret": "hush-json-1"}'
    wrong = AUTH | {"AuthResources": document, document: 1}
    CreateBackendAuthOperator(task_id="auth", **ENVIRONMENT, resource_name="auth", resource_config=wrong)
    CloneBackendOperator(
        task_id="clone",
        **ENVIRONMENT,
        target_environment_name="../" + document,
        if_exists=document,
        wait_for_completion=document,
        waiter_delay=document,
        region_name=document,
        on_pending_job=document,
    )
    said = problems(dag)
    assert 'resource_config.AuthResources=\'{"ClientSecret":"***"}\' is not accepted' in said
    assert 'on_pending_job=\'{"ClientSecret":"***"}\' is not accepted' in said
    assert "hush" not in said
