"""Operators in DAGs as people write them: TaskFlow, XComs, mapping, setup and teardown, default arguments."""

from __future__ import annotations

import json

import pytest

from airflow_provider_amplifybackend.core.notes import WAIT_KEY
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.airflow_versions import dag_serialization
from tests.dag_run import DagRunner
from tests.fixture_types import Names
from tests.samples import APP


def test_results_go_from_operator_to_operator_and_taskflow(dags: DagRunner, starts: Names) -> None:
    run = dags.run("""
        @task
        def choose():
            return "copy"

        @task
        def describe(job, job_id, environment):
            return f"{job['Operation']} of {environment}: {job['Status']}, {job_id == job['JobId']}"

        clone = CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name=choose(),
            waiter_delay=0.1,
        )
        add_auth = CreateBackendAuthOperator(
            task_id="add_auth", app_id=clone.output["AppId"],
            backend_environment_name=clone.output["BackendEnvironmentName"],
            resource_name="people", resource_config=AUTH, waiter_delay=0.1,
        )
        delete = DeleteBackendOperator(
            task_id="delete", app_id=APP,
            backend_environment_name="{{ ti.xcom_pull('add_auth')['BackendEnvironmentName'] }}",
            waiter_delay=0.1,
        )
        describe(clone.output, clone.output["JobId"], clone.output["BackendEnvironmentName"])
        add_auth >> delete
    """)
    assert run.state == "success", run.states
    assert run.xcom("describe") == "CloneBackend of copy: COMPLETED, True"
    assert starts() == ["CloneBackend copy", "CreateBackendAuth copy", "DeleteBackend copy"]


@pytest.mark.parametrize("deferrable", [False, True])
def test_each_member_of_a_result_is_an_xcom_wherever_the_task_waited(dags: DagRunner, deferrable: bool) -> None:
    run = dags.run(f"""
        CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
            waiter_delay=0.1, deferrable={deferrable},
        )
    """)
    result = run.xcom("clone")
    # The two times are texts of digits, which Airflow's own reader of the database takes for numbers.
    pushed = {name: run.xcom("clone", name) for name in result}
    assert {name: str(value) for name, value in pushed.items()} == {name: str(value) for name, value in result.items()}


def test_a_task_that_keeps_its_result_to_itself(dags: DagRunner) -> None:
    run = dags.run("""
        CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
            waiter_delay=0.1, do_xcom_push=False,
        )
    """)
    assert run.states == {"clone": "success"}
    # What the tab "Amplify job" shows is no result of the task.
    assert all("link" in key or key == WAIT_KEY for _, _, key in run.xcoms())


def test_mapped_environments_configurations_and_waits(dags: DagRunner, starts: Names) -> None:
    run = dags.run(
        """
        @task
        def names():
            return ["one", "two"]

        @task
        def auths(results):
            return [
                {"backend_environment_name": result["BackendEnvironmentName"],
                 "resource_config": json.dumps(AUTH) if index else AUTH,
                 "deferrable": index == 1}
                for index, result in enumerate(results)
            ]

        clone = CloneBackendOperator.partial(
            task_id="clone", app_id="{{ params.app }}", backend_environment_name="staging", waiter_delay=0.1
        ).expand(target_environment_name=names())
        add_auth = CreateBackendAuthOperator.partial(
            task_id="add_auth", app_id=APP, resource_name="people", waiter_delay="{{ '0.1' }}"
        ).expand_kwargs(auths(clone.output))
        DeleteBackendOperator.partial(task_id="delete", app_id=APP, waiter_delay=0.1).expand(
            backend_environment_name=add_auth.output.map(lambda result: result["BackendEnvironmentName"])
        )
    """,
        options="params={'app': APP}",
    )
    assert run.state == "success", run.states
    assert run.xcom("clone", "JobId", 1) == run.xcom("clone", map_index=1)["JobId"]
    # dag.test() runs the tasks that are ready in no particular order.
    assert sorted(starts()) == [
        f"{operation} {name}"
        for operation in ("CloneBackend", "CreateBackendAuth", "DeleteBackend")
        for name in ("one", "two")
    ]
    assert run.rendered("clone", 1)["target_environment_name"] == "two"
    assert run.rendered("clone", 1)["app_id"] == APP


def test_one_mapped_task_that_cannot_be_sent_fails_alone(dags: DagRunner, starts: Names) -> None:
    run = dags.run("""
        CloneBackendOperator.partial(
            task_id="clone", app_id=APP, backend_environment_name="staging", waiter_delay=0.1
        ).expand(target_environment_name=["one", None, "three"])
    """)
    assert run.states == {"clone[0]": "success", "clone[1]": "failed", "clone[2]": "success"}
    assert sorted(starts()) == ["CloneBackend one", "CloneBackend three"]


@pytest.mark.parametrize("work", ["pass", "raise ValueError('no')"])
def test_an_environment_as_setup_and_teardown(
    dags: DagRunner, service: LocalAmplifyBackend, starts: Names, work: str
) -> None:
    run = dags.run(f"""
        @task
        def work():
            {work}

        clone = CloneBackendOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
            waiter_delay=0.1,
        )
        delete = DeleteBackendOperator(
            task_id="delete", app_id=APP, backend_environment_name="copy", waiter_delay=0.1, if_missing="skip"
        )
        clone >> work() >> delete.as_teardown(setups=clone)
    """)
    assert run.states == {"clone": "success", "work": "success" if work == "pass" else "failed", "delete": "success"}
    assert run.state == ("success" if work == "pass" else "failed")
    assert starts() == ["CloneBackend copy", "DeleteBackend copy"]


def test_default_arguments_hold_for_every_operator_and_sensor(
    dags: DagRunner, service: LocalAmplifyBackend, aws_default: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", connection_json(aws_default, region_name="eu-west-1"))
    service.control.seed_app("deurope", "staging", region="eu-west-1")
    run = dags.run(
        """
        clone = CloneBackendOperator(
            task_id="clone", backend_environment_name="staging", target_environment_name="copy",
            wait_for_completion=False,
        )
        wait = BackendJobSensor(
            task_id="wait", backend_environment_name="copy", job_id=clone.output["JobId"], poke_interval=0.2
        )
        get = GetBackendOperator(task_id="get", backend_environment_name="copy")
        delete = DeleteBackendOperator(task_id="delete", backend_environment_name="copy")
        clone >> wait >> get >> delete
        """,
        options="""default_args={
            "aws_conn_id": "elsewhere", "app_id": "deurope", "deferrable": True, "waiter_delay": 0.1
        }""",
    )
    assert run.state == "success", run.states
    assert {entry["region"] for entry in service.control.journal()} == {"eu-west-1"}


def test_the_region_of_the_operator_comes_before_that_of_the_connection(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    service.control.seed_app(APP, "staging", region="eu-west-1")
    for deferrable in (False, True):
        service.control.clear_journal()
        run = dags.run(f"""
            CloneBackendOperator(
                task_id="clone", app_id=APP, backend_environment_name="staging",
                target_environment_name="copy{deferrable}", waiter_delay=0.1, region_name="eu-west-1",
                deferrable={deferrable},
            )
        """)
        assert run.states == {"clone": "success"}, run.errors("clone")
        assert {entry["region"] for entry in service.control.journal()} == {"eu-west-1"}


# Serialization


def test_every_operator_and_sensor_survives_the_serialization_of_its_dag(dags: DagRunner) -> None:
    dag = dags.load("""
        clone = CloneBackendOperator(
            task_id="clone", app_id="{{ params.app }}", backend_environment_name="staging",
            target_environment_name="copy", deferrable=True, execution_timeout=timedelta(minutes=5),
        )
        mapped = CreateBackendAuthOperator.partial(
            task_id="mapped", app_id=APP, resource_name="people", resource_config=AUTH
        ).expand(backend_environment_name=["one", "two"])
        wait = BackendJobSensor(
            task_id="wait", app_id=APP, backend_environment_name="copy", job_id=clone.output["JobId"]
        )
        clone >> mapped >> wait >> DeleteBackendOperator(
            task_id="delete", app_id=APP, backend_environment_name="copy"
        ).as_teardown()
    """)
    serialized = dag_serialization().to_dict(dag)
    json.dumps(serialized)
    copy = dag_serialization().from_dict(serialized)
    assert set(copy.task_dict) == set(dag.task_dict)
    clone = copy.get_task("clone")
    assert clone.app_id == "{{ params.app }}"
    assert clone.deferrable is True
    assert clone.target_environment_name == "copy"
    assert clone.downstream_task_ids == {"mapped", "wait"}
    assert {link.name for link in clone.operator_extra_links} == {"Amplify console", "Amplify Studio"}
    assert copy.get_task("mapped").partial_kwargs["resource_name"] == "people"
    assert copy.get_task("delete").is_teardown
