"""The links to the Amplify console and Amplify Studio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from tests.samples import APP

if TYPE_CHECKING:
    from airflow.triggers.base import TriggerEvent

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner, Finished

CLONE = """
CloneBackendOperator(
    task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
    waiter_delay=0.1, {options}
)
"""


def console(environment: str, region: str = "us-east-1") -> str:
    return f"https://{region}.console.aws.amazon.com/amplify/home?region={region}#/{APP}/YmFja2VuZA/{environment}"


def studio(environment: str, region: str = "us-east-1") -> str:
    return f"https://{region}.admin.amplifyapp.com/admin/{APP}/{environment}/home"


def shown(run: Finished, task_id: str) -> dict[str, str]:
    """What the UI reads for the links of a task."""
    return {key: value for (task, _, key), value in run.xcoms().items() if task == task_id and "_link" in key}


@pytest.mark.parametrize("options", ["deferrable=False", "deferrable=True", "do_xcom_push=False"])
def test_the_links_lead_to_the_environment_that_is_made(dags: DagRunner, options: str) -> None:
    run = dags.run(CLONE.format(options=options))
    assert run.states == {"clone": "success"}
    assert shown(run, "clone") == {"amplify_console_link": console("copy"), "amplify_studio_link": studio("copy")}


def test_the_links_are_there_while_the_task_is_deferred(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger

    service.control.set(job_seconds=2)  # longer than the start takes on a busy machine, so that it is deferred

    seen = {}
    run_trigger = BackendJobTrigger.run

    async def look_and_run(trigger: BackendJobTrigger) -> AsyncIterator[TriggerEvent]:
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            seen.update({row.key: row.value for row in session.query(XComModel).filter_by(dag_id=dag.dag_id)})
        async for event in run_trigger(trigger):
            yield event

    monkeypatch.setattr(BackendJobTrigger, "run", look_and_run)
    dag = dags.load(CLONE.format(options="deferrable=True"))
    run = dags.run_dag(dag)
    assert run.states == {"clone": "success"}
    assert console("copy") in seen["amplify_console_link"]
    assert studio("copy") in seen["amplify_studio_link"]


def test_the_links_of_a_failed_task_lead_to_what_it_left_behind(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.add_fault("CloneBackend", kind="job_fails")
    run = dags.run(CLONE.format(options="deferrable=True"))
    assert run.states == {"clone": "failed"}
    assert shown(run, "clone")["amplify_console_link"] == console("copy")


def test_the_links_of_a_mapped_task_lead_each_to_its_own_environment(dags: DagRunner) -> None:
    run = dags.run("""
        GetBackendOperator.partial(task_id="get", app_id=APP, region_name="eu-west-1").expand(
            backend_environment_name=["one", "two"]
        )
    """)
    xcoms = run.xcoms()
    assert [xcoms["get", index, "amplify_studio_link"] for index in (0, 1)] == [
        studio("one", "eu-west-1"),
        studio("two", "eu-west-1"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        'GetBackendOperator(task_id="task", app_id=APP)',
        'GetBackendOperator(task_id="task", app_id=APP, backend_environment_name="")',
        'GetBackendOperator(task_id="task", app_id=None, backend_environment_name="x")',
    ],
)
def test_where_there_is_nothing_to_link_to_no_link_is_shown_and_nothing_is_logged(dags: DagRunner, body: str) -> None:
    run = dags.run(body)
    assert shown(run, "task") == {"amplify_console_link": "", "amplify_studio_link": ""}
    assert [message for message in run.messages("error") if message != "Task failed with exception"] == []


def test_the_links_of_china_lead_to_its_own_console() -> None:
    from airflow_provider_amplifybackend.links import link_addresses

    addresses = link_addresses("cn-north-1", APP, "staging")
    assert addresses["amplify_console_link"].startswith("https://cn-north-1.console.amazonaws.cn/amplify/home?")


def test_names_are_quoted() -> None:
    from airflow_provider_amplifybackend.links import link_addresses

    addresses = link_addresses("us-east-1", APP, "a b/#?x")
    for address in addresses.values():
        assert "/a%20b%2F%23%3Fx" in address
