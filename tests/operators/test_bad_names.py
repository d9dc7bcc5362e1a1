"""Operators and sensors refuse what is no name, before anything is sent or stored, however it came to them."""

from __future__ import annotations

import re
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from airflow import DAG

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.parameters.reading import EMPTY_RENDERINGS, is_template
from airflow_provider_amplifybackend.sensors.environment import BackendEnvironmentSensor
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor
from airflow_provider_amplifybackend.validation import validate_dag
from tests.airflow_versions import execute
from tests.dag_run import DagRunner
from tests.name_cases import BAD, GOOD
from tests.operators.requests_by_operation import CASES, operator_classes, parameters
from tests.samples import APP
from tests.state_store import StateStore

# What a template leaves that found nothing is missing, not a bad name.
NAMES = {name: says for name, says in BAD.items() if name.strip() not in EMPTY_RENDERINGS}
SENSORS: dict[Any, dict[str, str]] = {
    BackendJobSensor: {"app_id": APP, "backend_environment_name": "staging", "job_id": "job"},
    BackendEnvironmentSensor: {"app_id": APP, "backend_environment_name": "staging", "condition": "gone"},
}


def name_parameters(operation: str) -> list[str]:
    return [
        parameter
        for parameter, member in service_model.members(operation).items()
        if names.is_name_member(
            member, service_model.input_shape(operation).members[member].serialization.get("location")
        )
    ]


class Context(dict):  # type: ignore[type-arg]
    """What a task finds when it is executed; remembers what the task leaves behind."""

    def __init__(self) -> None:
        self.links: dict[str, Any] = {}
        self.store = StateStore()
        super().__init__(
            ti=SimpleNamespace(try_number=1, max_tries=0, xcom_push=self._push),
            dag_run=SimpleNamespace(clear_number=0, start_date=datetime.now().astimezone()),
            task_state_store=self.store,
        )

    def _push(self, key: str, value: Any) -> None:
        self.links[key] = value


@pytest.mark.parametrize("operation", CASES)
def test_every_operator_refuses_every_bad_name_before_anything_is_sent_or_stored(
    service: LocalAmplifyBackend, operation: str
) -> None:
    service.control.clear_journal()
    hook = AmplifyBackendHook()  # one for all: making its client takes longer than everything else
    skip = {name: "skip" for name in ("if_exists", "if_missing") if name in _class(operation).template_fields}
    for parameter in name_parameters(operation):
        for name, says in NAMES.items():
            context = Context()
            given = parameters(operation) | {parameter: name, "task_id": "task"} | skip
            with pytest.raises(BackendParameterError) as error:
                _make_and_execute(operation, hook, given, context)
            assert f"{parameter}={name!r} {says}" in str(error.value)
            assert not context.store.content
            # A clone's links lead to its target, and those of others to their environment, whatever the job's id.
            addresses = [link for link in context.links.values() if isinstance(link, str)]
            assert not any(quote(name, safe="", errors="replace") in address.split("/") for address in addresses)
    assert service.control.journal() == []


def _make_and_execute(operation: str, hook: Any, given: dict[str, Any], context: Any) -> None:
    operator = _class(operation)(**given)
    vars(operator)["hook"] = hook
    execute(operator, context)


def _class(operation: str) -> Any:
    return operator_classes()[f"{operation}Operator"]


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
@pytest.mark.parametrize("sensor", SENSORS)
def test_every_sensor_refuses_every_bad_name_at_once(
    service: LocalAmplifyBackend, sensor: Any, deferrable: bool
) -> None:
    service.control.clear_journal()
    for parameter in {*SENSORS[sensor]} - {"condition"}:
        for name, says in NAMES.items():
            given = SENSORS[sensor] | {parameter: name, "task_id": "task", "deferrable": deferrable}
            with pytest.raises(BackendParameterError) as error:
                execute(sensor(**given), Context())
            assert f"{parameter}={name!r} {says}" in str(error.value)
    assert service.control.journal() == []


@pytest.mark.parametrize("name", ["", " ", "None"])
def test_what_a_template_left_empty_names_nothing(service: LocalAmplifyBackend, name: str) -> None:
    service.control.clear_journal()
    for operation in CASES:
        for parameter in name_parameters(operation):
            with pytest.raises(BackendParameterError, match=f"{parameter}={name!r} is missing a value"):
                execute(_class(operation)(**parameters(operation) | {parameter: name, "task_id": "t"}), Context())
    assert service.control.journal() == []


def test_an_odd_name_is_sent_as_it_is() -> None:
    for operation in CASES:
        for name in GOOD:
            given = parameters(operation) | dict.fromkeys(name_parameters(operation), name)
            request = service_model.build_request(operation, given)
            assert all(
                request[service_model.members(operation)[parameter]] == name for parameter in name_parameters(operation)
            )


# In a DAG


DELETE = """
DeleteBackendOperator(
    task_id="task", app_id=APP, backend_environment_name={name}, if_missing="skip", retries=2, {options}
)
"""
NOT_RENDERED = [
    # Airflow renders once: what a template renders to is no template.
    ('"{{ params.name }}"', "'{{ ds }}'"),
    ('"{% raw %}{{ ds }}{% endraw %}"', "'{{ ds }}'"),
    ('"pr-{{ params.percent }}"', "'pr-{% if %}'"),
]


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
@pytest.mark.parametrize("options", ["deferrable=False", "deferrable=True"])
@pytest.mark.parametrize(("name", "shown"), NOT_RENDERED)
def test_a_template_that_is_still_one_is_not_an_environment_that_is_missing(
    dags: DagRunner, service: LocalAmplifyBackend, name: str, shown: str, options: str, native: bool
) -> None:
    service.control.clear_journal()
    run = dags.run(
        DELETE.format(name=name, options=options),
        options=f"render_template_as_native_obj={native}, "
        "params={'name': '{{ ds }}', 'percent': '{% if %}', 'nothing': None}",
    )
    assert run.states == {"task": "failed"}
    assert run.tries == {"task": 1}
    assert f"backend_environment_name={shown} is a template that was not rendered" in run.error("task")
    assert service.control.journal() == []


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
def test_of_a_mapped_task_only_the_one_with_a_bad_name_fails(
    dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.clear_journal()
    run = dags.run(
        f"""
        DeleteBackendOperator.partial(
            task_id="task", app_id=APP, if_missing="skip", deferrable={deferrable}, waiter_delay=0.1
        ).expand(backend_environment_name=["..", "staging", ".", "none"])
        """
    )
    assert run.states == {"task[0]": "failed", "task[1]": "success", "task[2]": "failed", "task[3]": "success"}
    assert sum("backend_environment_name='.' is part of a path" in error for error in run.errors("task")) == 1
    assert sum("backend_environment_name='..' is part of a path" in error for error in run.errors("task")) == 1
    assert {entry["parameters"].get("BackendEnvironmentName", "staging") for entry in service.control.journal()} <= {
        "staging",
        "none",
    }
    assert [entry["operation"] for entry in service.control.journal(effective=True)].count("DeleteBackend") == 1
    assert service.control.journal("RemoveAllBackends") == []


@pytest.mark.parametrize(
    "task",
    [
        'GetBackendOperator(task_id="task", app_id=APP, backend_environment_name={name}, retries=2)',
        'BackendEnvironmentSensor(task_id="task", app_id=APP, backend_environment_name={name}, condition="gone")',
        'BackendEnvironmentSensor(task_id="task", app_id=APP, backend_environment_name={name}, condition="gone",'
        " deferrable=True, soft_fail=True)",
        'BackendJobSensor(task_id="task", app_id=APP, backend_environment_name={name}, no_job_pending=True)',
        'BackendJobSensor(task_id="task", app_id=APP, backend_environment_name={name}, job_id="j", mode="reschedule")',
    ],
)
@pytest.mark.parametrize("name", ["'..'", "'{{ params.name }}'", "'\\u202egnigats'"])
def test_whatever_reads_refuses_it_too(dags: DagRunner, service: LocalAmplifyBackend, task: str, name: str) -> None:
    service.control.clear_journal()
    run = dags.run(task.format(name=name), options="params={'name': '{{ ds }}'}")
    assert run.states == {"task": "failed"}
    assert "BackendParameterError" in run.error("task")
    assert "backend_environment_name=" in run.error("task")
    assert service.control.journal() == []


def test_no_link_leads_out_of_an_address(dags: DagRunner) -> None:
    run = dags.run('GetBackendOperator(task_id="task", app_id="..", backend_environment_name="staging")')
    assert set(run.links("task").values()) == {""}


# Before it runs


def test_validate_dag_finds_every_bad_name_that_is_not_yet_to_be_rendered() -> None:
    with DAG("checked", schedule=None, start_date=datetime(2026, 1, 1).astimezone()) as dag:
        for operation in CASES:
            given = parameters(operation) | dict.fromkeys(name_parameters(operation), "..")
            _class(operation)(task_id=operation, **given)
            _class(operation)(
                task_id=f"{operation}-later", **given | dict.fromkeys(name_parameters(operation), "{{ x }}")
            )
        for sensor, given in SENSORS.items():
            sensor(task_id=sensor.__name__, **given | {"app_id": "a/b", "backend_environment_name": "schema.json\n"})
        _class("DeleteBackend").partial(task_id="mapped", app_id=APP).expand(
            backend_environment_name=["one", "t\u200bwo", "three.json", "../four.json"]
        )
    with pytest.raises(BackendParameterError) as error:
        validate_dag(dag)
    said = str(error.value)
    for operation in CASES:
        for parameter in name_parameters(operation):
            assert f"{operation}: {parameter}='..' is part of a path" in said
    for sensor in SENSORS:
        assert f"{sensor.__name__}: app_id='a/b' contains '/'" in said
        assert f"{sensor.__name__}: backend_environment_name='schema.json\\n' ends with U+000A" in said
    assert "mapped: backend_environment_name='t\\u200bwo' contains U+200B ZERO WIDTH SPACE" in said
    assert "mapped: backend_environment_name='../four.json' contains '/'" in said
    assert "three" not in said
    # A literal secret is another matter.
    assert not re.search(r"-later: \w*(app_id|environment_name|job_id|session_id)\b", said)


def test_every_bad_name_is_found_before_it_runs() -> None:
    for operation in CASES:
        for parameter in name_parameters(operation):
            for name, says in NAMES.items():
                found = service_model.problems(operation, parameters(operation) | {parameter: name}, templates=True)
                if is_template(name):
                    assert found == []
                else:
                    (said,) = found
                    assert said.startswith(f"{parameter}={name!r} {says}")
