"""A job of ours that has completed is an asset event, once; whatever is no such job is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_provider_amplifybackend.assets import BACKEND_CHANGES, backend_asset, backend_uri, sanitize_uri
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.airflow_versions import AIRFLOW
from tests.asset_events import emitted
from tests.dag_run import DagRunner
from tests.samples import APP

CLONE = """
CloneBackendOperator(
    task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
    waiter_delay=0.1, {options}
)
"""
DIES_ONCE = """
def die_once(context, result):
    if context["ti"].try_number == 1:
        raise RuntimeError("the worker dies here")
"""
needs_assets = pytest.mark.skipif(AIRFLOW < (3, 0), reason="Airflow 2 has datasets, and no events of ours")


# Which jobs


@needs_assets
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_job_that_was_started_and_completed_is_one_event_with_its_facts(dags: DagRunner, deferrable: bool) -> None:
    run = dags.run(CLONE.format(options=f"deferrable={deferrable}"))
    result = run.xcom("clone")
    (event,) = emitted(run)
    assert (event.uri, event.task) == (f"amplifybackend://{APP}/copy", "clone")
    assert event.extra == {
        "app_id": APP,
        "backend_environment_name": "copy",
        "job_id": result["JobId"],
        "operation": "CloneBackend",
        "status": "COMPLETED",
        "created_at": result["created_at"],
        "updated_at": result["updated_at"],
        "outcome": "started",
    }


@needs_assets
def test_what_was_found_or_skipped_is_no_event(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.seed_app(APP, "copy")
    run = dags.run(
        CLONE.format(options="if_exists='skip'")
        + "DeleteBackendOperator(task_id='delete', app_id=APP, backend_environment_name='none', if_missing='skip')"
    )
    assert {run.xcom("clone")["outcome"], run.xcom("delete")["outcome"]} == {"found", "skipped"}
    assert emitted(run) == []


@needs_assets
def test_a_job_that_failed_is_no_event(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.add_fault("CloneBackend", kind="job_fails", error="no", times=1)
    run = dags.run(CLONE.format(options=""))
    assert run.states == {"clone": "failed"}
    assert emitted(run) == []


@needs_assets
def test_a_job_that_nobody_has_waited_for_is_no_event(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.set(job_seconds=60)
    run = dags.run(CLONE.format(options="wait_for_completion=False"))
    assert run.states == {"clone": "success"}
    assert emitted(run) == []


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="without a state store a retry does not guess whose an ended job was")
def test_a_retry_that_adopts_the_job_of_the_try_before_it_emits_its_event_once(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    # The first try dies between the end of its job and the success of the task.
    run = dags.run(DIES_ONCE + CLONE.format(options="retries=1, retry_delay=timedelta(0), post_execute=die_once"))
    assert run.states == {"clone": "success"}
    (event,) = emitted(run)
    assert event.extra["outcome"] == run.xcom("clone")["outcome"] == "adopted"
    assert len(service.control.journal("CloneBackend", effective=True)) == 1


@needs_assets
@pytest.mark.parametrize("value", ["False", "'{{ params.wish }}'"])
def test_one_task_can_do_without(dags: DagRunner, value: str) -> None:
    run = dags.run(CLONE.format(options=f"asset_events={value}"), options="params={'wish': 'False'}")
    assert run.states == {"clone": "success"}
    assert emitted(run) == []


# Whose events


@needs_assets
def test_names_that_are_rendered_and_mapped_are_those_of_the_events(dags: DagRunner) -> None:
    run = dags.run(
        """
        CloneBackendOperator.partial(
            task_id="clone", app_id="{{ params.app }}", backend_environment_name="staging", waiter_delay=0.1,
        ).expand(target_environment_name=["one", "two"])
        """,
        options="params={'app': APP}",
    )
    assert {(event.uri, event.map_index) for event in emitted(run)} == {
        (f"amplifybackend://{APP}/one", 0),
        (f"amplifybackend://{APP}/two", 1),
    }


@needs_assets
def test_the_end_of_an_environment_is_an_event_of_its_own_and_that_of_all_is_the_apps(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    service.control.seed_app(APP, "copy")
    run = dags.run(
        """
        DeleteBackendOperator(
            task_id="delete", app_id=APP, backend_environment_name="copy", waiter_delay=0.1
        ) >> RemoveAllBackendsOperator(task_id="remove", app_id=APP, waiter_delay=0.1)
        """
    )
    assert [(event.uri, event.extra["operation"]) for event in emitted(run)] == [
        (f"amplifybackend://{APP}/copy", "DeleteBackend"),
        (f"amplifybackend://{APP}/", "RemoveAllBackends"),
    ]


@pytest.mark.skipif(AIRFLOW < (3, 1), reason="dag.test() of Airflow 3.0 fails a task whose asset is not stored")
def test_outlets_of_the_users_own_keep_their_events(dags: DagRunner) -> None:
    run = dags.run("from airflow.sdk import Asset\n" + CLONE.format(options='outlets=[Asset("catalogue")]'))
    assert sorted(event.uri for event in emitted(run)) == [f"amplifybackend://{APP}/copy", "catalogue"]


@needs_assets
def test_a_dag_file_names_the_alias_also_of_a_mapped_task(dags: DagRunner) -> None:
    dag = dags.load(
        CLONE.format(options="")
        + 'DeleteBackendOperator.partial(task_id="delete", app_id=APP).expand(backend_environment_name=["one"])'
    )
    assert {outlet.name for task in dag.tasks for outlet in task.outlets} == {BACKEND_CHANGES}
    assert all(len(task.outlets) == 1 for task in dag.tasks)


@pytest.mark.skipif(AIRFLOW >= (3, 0), reason="about Airflow 2")
def test_airflow_2_has_no_events(dags: DagRunner) -> None:
    dag = dags.load(CLONE.format(options=""))
    assert dag.task_dict["clone"].outlets == []
    with pytest.raises(ImportError, match=r"need Airflow 3\.0"):
        backend_asset(APP, "copy")


# Their URIs


@pytest.mark.parametrize(
    ("app_id", "environment", "uri"),
    [
        ("d1abc", "staging", "amplifybackend://d1abc/staging"),
        ("d1abc", None, "amplifybackend://d1abc/"),
        ("d1abc", "über", "amplifybackend://d1abc/%C3%BCber"),
    ],
)
def test_a_uri_is_its_own_normal_form(app_id: str, environment: str | None, uri: str) -> None:
    assert backend_uri(app_id, environment) == uri
    assert sanitize_uri(urlsplit(uri)).geturl() == uri


def test_a_name_that_is_written_in_another_way_has_the_same_uri() -> None:
    assert sanitize_uri(urlsplit("amplifybackend://d1abc/%73taging")).geturl() == "amplifybackend://d1abc/staging"


@pytest.mark.parametrize(
    "uri",
    ["amplifybackend:///staging", "amplifybackend://d1/a/b", "amplifybackend://d1/a?b=c", "amplifybackend://d1/a%2Fb"],
)
def test_what_names_no_environment_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"amplifybackend://APP_ID|path"):
        sanitize_uri(urlsplit(uri))


@needs_assets
def test_our_asset_is_the_one_that_airflow_makes_of_its_uri() -> None:
    from airflow.sdk import Asset

    assert backend_asset("d1abc", "staging") == Asset(uri="amplifybackend://d1abc/staging")
    assert Asset(uri="amplifybackend://d1abc/%73taging").uri == "amplifybackend://d1abc/staging"


@needs_assets
def test_an_asset_of_ours_loads_no_boto() -> None:
    program = (
        "from airflow_provider_amplifybackend.assets import backend_asset\n"
        "import sys\nbackend_asset('d1abc', 'staging')\n"
        "print('loaded', [name for name in sys.modules if name.split('.')[0] in ('boto3', 'botocore')])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"
