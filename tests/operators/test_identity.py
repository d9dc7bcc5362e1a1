"""What a template or another task leaves empty is nobody else's identity, and no other region: nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.validation import validate_dag
from tests.dag_run import DagRunner, Finished
from tests.operators.requests_by_operation import IMPORTS
from tests.samples import APP

OTHER_ACCOUNT = "999999999999"
PARAMS = 'params={"none": None, "empty": ""}'
DELETE = """
DeleteBackendOperator(
    task_id={task!r}, app_id=APP, backend_environment_name={task!r}, waiter_delay=0.1, {options}
)
"""
UPSTREAM = """
from airflow.decorators import task
nothing = task(lambda: {value}, task_id="nothing", multiple_outputs=False)()
"""

EMPTY_TEMPLATES = {
    "empty": "'{{ params.empty }}'",
    "none": "'{{ params.none }}'",
    "blank": "' {{ params.empty }} '",
    "notthere": '\'{{ params.get("zz", "") }}\'',
    "noxcom": "'{{ ti.xcom_pull(task_ids=\"nope\") }}'",
    "written": "''",
    "list": "[]",
    "dict": "{}",
    "false": "False",
    "zero": "0",
    "function": "lambda context, jinja_env: None",
}


@pytest.fixture
def other_identity(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has the keys of another account, and leads to the service, too."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OTHER_ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name, value in service.endpoint_variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def seeded(service: LocalAmplifyBackend, other_identity: None) -> Callable[..., None]:
    """Makes environments of the same names in both accounts."""

    def make(*names: str) -> None:
        service.control.set(job_seconds=0.0)
        service.control.seed_app(APP, *names)
        service.control.seed({"account": OTHER_ACCOUNT, "apps": [{"app_id": APP, "environments": list(names)}]})

    return make


def said(run: Finished, task: str) -> str:
    """The error of a task, whose state is failed."""
    assert run.states[task] == "failed", task
    return run.error(task.partition("[")[0])


@pytest.mark.parametrize("native", [False, True])
def test_a_connection_id_that_comes_out_empty_deletes_nothing_as_somebody_else(
    dags: DagRunner, service: LocalAmplifyBackend, seeded: Callable[..., None], native: bool
) -> None:
    seeded(*EMPTY_TEMPLATES)
    tasks = [DELETE.format(task=task, options=f"aws_conn_id={value}") for task, value in EMPTY_TEMPLATES.items()]
    run = dags.run(IMPORTS + "\n".join(tasks), options=f"{PARAMS}, render_template_as_native_obj={native}")
    for task in EMPTY_TEMPLATES:
        error = said(run, task)
        assert error.startswith("BackendParameterError: "), error
        assert "aws_conn_id=" in error
        assert "missing a value" in error or "must be the id of a connection" in error, error
    assert service.control.journal() == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_written_none_is_the_identity_of_boto3_to_the_end(
    dags: DagRunner, service: LocalAmplifyBackend, seeded: Callable[..., None], deferrable: bool
) -> None:
    seeded("own", "mapped", "each", "rows")
    run = dags.run(
        IMPORTS
        + UPSTREAM.format(value="[None]")
        + DELETE.format(task="own", options=f"aws_conn_id=None, deferrable={deferrable}")
        + f"""
fixed = dict(app_id=APP, waiter_delay=0.1, deferrable={deferrable})
DeleteBackendOperator.partial(task_id="mapped", **fixed, aws_conn_id=None).expand(
    backend_environment_name=["mapped"], guard=nothing)
DeleteBackendOperator.partial(task_id="each", **fixed).expand_kwargs(
    [dict(backend_environment_name="each", aws_conn_id=None)])
rows = task(lambda: [dict(backend_environment_name="rows")], task_id="rows_of")()
DeleteBackendOperator.partial(task_id="rows", **fixed, aws_conn_id=None).expand_kwargs(rows)
"""
    )
    assert run.states["own"] == run.states["each[0]"] == run.states["rows[0]"] == "success"
    # Its other parameter came from upstream and was empty, its connection was written.
    assert "guard=''" in run.error("mapped")
    assert "aws_conn_id" not in run.error("mapped")
    assert {entry["account"] for entry in service.control.journal()} == {OTHER_ACCOUNT}


@pytest.mark.parametrize("value", ["None", "''", "'None'", "False", "[]"])
def test_an_upstream_task_that_returns_no_connection_id_is_named(
    dags: DagRunner, service: LocalAmplifyBackend, seeded: Callable[..., None], value: str
) -> None:
    seeded("direct", "partial", "mapped", "kwargs")
    run = dags.run(
        IMPORTS
        + UPSTREAM.format(value=value)
        + f"""
values = task(lambda: [{value}], task_id="values")()
dicts = task(lambda: [dict(backend_environment_name="kwargs", aws_conn_id={value})], task_id="dicts_of")()
fixed = dict(app_id=APP, waiter_delay=0.1)
DeleteBackendOperator(task_id="direct", backend_environment_name="direct", aws_conn_id=nothing, **fixed)
DeleteBackendOperator.partial(task_id="partial", aws_conn_id=nothing, **fixed).expand(
    backend_environment_name=["partial"])
DeleteBackendOperator.partial(task_id="mapped", backend_environment_name="mapped", **fixed).expand(aws_conn_id=values)
DeleteBackendOperator.partial(task_id="kwargs", **fixed).expand_kwargs(dicts)
"""
    )
    for task in ("direct", "partial[0]", "mapped[0]", "kwargs[0]"):
        assert "aws_conn_id=" in said(run, task), task
    assert service.control.journal() == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_does_not_look_as_somebody_else(
    dags: DagRunner, service: LocalAmplifyBackend, seeded: Callable[..., None], deferrable: bool
) -> None:
    seeded("staging")
    run = dags.run(
        'BackendEnvironmentSensor(task_id="sensor", app_id=APP, backend_environment_name="staging", '
        f'deferrable={deferrable}, aws_conn_id="{{{{ params.none }}}}")',
        options=f"{PARAMS}, render_template_as_native_obj=True",
    )
    assert "aws_conn_id='' is missing a value" in run.error("sensor")
    assert service.control.journal() == []


@pytest.mark.parametrize("native", [False, True])
def test_a_region_that_cannot_be_one_is_refused_before_anything_is_sent(
    dags: DagRunner, service: LocalAmplifyBackend, native: bool
) -> None:
    cases = {
        "none": "'{{ params.none }}'",
        "empty": "'{{ params.empty }}'",
        "written": "''",
        "number": "1",
        "line": "'us-east-1\\n'",
        "blanks": "'eu west 1'",
        "path": "'../x'",
        "blank": "' us-east-1'",
    }
    tasks = [
        f'GetBackendOperator(task_id="{task}", app_id=APP, region_name={value})\n'
        f'BackendEnvironmentSensor(task_id="sensor_{task}", app_id=APP, backend_environment_name="staging", '
        f"region_name={value})\n"
        for task, value in cases.items()
    ]
    run = dags.run("".join(tasks), options=f"{PARAMS}, render_template_as_native_obj={native}")
    for task in cases:
        for each in (task, f"sensor_{task}"):
            assert run.error(each).startswith("BackendParameterError: "), each
            assert "region_name=" in run.error(each), each
    assert service.control.journal() == []


def test_an_empty_connection_id_is_found_by_the_check_of_a_dag(dags: DagRunner) -> None:
    dag = dags.load(DELETE.format(task="written", options="aws_conn_id='', region_name='eu west 1'"))
    with pytest.raises(Exception, match=r"aws_conn_id='' is missing a value.*region_name='eu west 1' must be"):
        validate_dag(dag)


def test_an_inventory_and_a_comparison_do_not_read_other_accounts(
    dags: DagRunner, service: LocalAmplifyBackend, seeded: Callable[..., None], tmp_path: Any
) -> None:
    seeded("staging")
    side = {"app_id": APP, "backend_environment_name": "staging"}
    run = dags.run(
        f"""
from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator
from airflow_provider_amplifybackend.operators.snapshot import CompareBackendsOperator
inventory = dict(path={str(tmp_path)!r})
BackendInventoryOperator(task_id="all", **inventory, connections="{{{{ params.none }}}}")
BackendInventoryOperator(task_id="some", **inventory, connections=["aws_default", "{{{{ params.none }}}}"])
BackendInventoryOperator(task_id="regions", **inventory, regions=["{{{{ params.none }}}}"])
BackendInventoryOperator(task_id="apps", **inventory, app_ids="{{{{ params.none }}}}")
side = {json.dumps(side)}
CompareBackendsOperator(task_id="left", left=side | dict(aws_conn_id="{{{{ params.none }}}}"), right=side)
CompareBackendsOperator(task_id="right", left=side, right=side | dict(region_name="eu west 1"))
CompareBackendsOperator(task_id="key", left=side, right=side, snapshot_key_conn_id="{{{{ params.none }}}}")
""",
        options=f"{PARAMS}, render_template_as_native_obj=True",
    )
    words = {
        "all": "connections=''",
        "some": "connections='None'",
        "regions": "regions='None'",
        "apps": "app_ids=''",
        "left": "left.aws_conn_id='None'",
        "right": "right.region_name='eu west 1'",
        "key": "snapshot_key_conn_id=''",
    }
    for task, word in words.items():
        assert word in run.error(task), task
    assert service.control.journal() == []


def test_a_side_with_a_written_none_is_read_as_the_identity_of_boto3(
    dags: DagRunner, service: LocalAmplifyBackend, seeded: Callable[..., None]
) -> None:
    seeded("staging", "production")
    left = {"app_id": APP, "backend_environment_name": "staging"}
    right = left | {"backend_environment_name": "production"}
    run = dags.run(
        f"""
from airflow_provider_amplifybackend.operators.snapshot import CompareBackendsOperator
CompareBackendsOperator(task_id="compare", left={left | {"aws_conn_id": None}}, right={right})
"""
    )
    assert run.state == "success", run.errors("compare")
    readers = {
        (entry["parameters"]["BackendEnvironmentName"], entry["account"] == OTHER_ACCOUNT)
        for entry in service.control.journal()
    }
    assert readers == {("staging", True), ("production", False)}


def test_a_side_that_another_task_or_a_template_gives_has_no_identity_of_boto3(
    dags: DagRunner, service: LocalAmplifyBackend, seeded: Callable[..., None]
) -> None:
    seeded("staging")
    side = {"app_id": APP, "backend_environment_name": "staging"}
    run = dags.run(
        f"""
from airflow_provider_amplifybackend.operators.snapshot import CompareBackendsOperator
side = {side}
task_of = task(lambda: side | {{"aws_conn_id": None}}, task_id="side_of", multiple_outputs=False)
CompareBackendsOperator(task_id="upstream", left=task_of(), right=side)
CompareBackendsOperator(task_id="template", left="{{{{ params.side | tojson }}}}", right=side)
""",
        options=f"params={{'side': {side | {'aws_conn_id': None}}}}",
    )
    for task in ("upstream", "template"):
        assert "left.aws_conn_id='' is missing a value" in said(run, task), task
    assert service.control.journal() == []
