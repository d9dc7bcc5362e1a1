"""Mapped tasks are labelled in the UI with the names that they are mapped over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.airflow_versions import map_label
from tests.samples import APP

OTHER_IMPORTS = """
from airflow_provider_amplifybackend.operators.job import *
from airflow_provider_amplifybackend.operators.storage import *
"""


@pytest.fixture
def labels(dags: Any, service: Any) -> Any:
    """Runs a DAG and returns the stored labels of its mapped tasks, by `task[index]`."""
    service.control.seed_app(APP, "staging", "dev", "2024", app_name="shop")

    def run(body: str, *, state: str = "success", **options: Any) -> dict[str, str | None]:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session

        finished = dags.run(OTHER_IMPORTS + body, **options)
        assert finished.state == state, [finished.errors(name) for name in finished.states]
        with create_session() as session:
            rows = session.query(TaskInstance).filter_by(dag_id=finished.dag_id, run_id=finished.run_id).all()
            return {f"{row.task_id}[{row.map_index}]": map_label(row) for row in rows if row.map_index >= 0}

    return run


def test_a_mapped_task_is_labelled_with_its_environment(labels: Any) -> None:
    assert labels("""
GetBackendOperator.partial(task_id="get", app_id=APP).expand(backend_environment_name=["staging", "dev"])
""") == {"get[0]": "staging", "get[1]": "dev"}


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_clone_is_labelled_with_its_target_however_it_waits(labels: Any, deferrable: bool) -> None:
    assert labels(f"""
CloneBackendOperator.partial(task_id="clone", waiter_delay=0.1, deferrable={deferrable}).expand_kwargs(
    [{{"app_id": APP, "backend_environment_name": "staging", "target_environment_name": name}} for name in ("a1", "a2")]
)
""") == {"clone[0]": f"a1, {APP}", "clone[1]": f"a2, {APP}"}


def test_a_parameter_from_default_args_is_no_part_of_the_label(labels: Any) -> None:
    found = labels(
        """
GetBackendOperator.partial(task_id="get").expand(backend_environment_name=["staging", "dev"])

@task_group(default_args={"backend_environment_name": "staging"})
def clones():
    CloneBackendOperator.partial(task_id="clone", waiter_delay=0.1).expand(target_environment_name=["one", "two"])

clones()
""",
        options="default_args={'app_id': APP}",
    )
    assert found == {"get[0]": "staging", "get[1]": "dev", "clones.clone[0]": "one", "clones.clone[1]": "two"}


def test_a_label_of_the_dags_own_stays(labels: Any) -> None:
    assert labels("""
GetBackendOperator.partial(task_id="get", app_id=APP, map_index_template="mine {{ ti.map_index }}").expand(
    backend_environment_name=["staging", "dev"]
)
""") == {"get[0]": "mine 0", "get[1]": "mine 1"}


def test_a_task_that_fails_has_its_label_too(labels: Any) -> None:
    assert labels(
        'GetBackendOperator.partial(task_id="get", app_id=APP).expand(backend_environment_name=["staging", "gone"])',
        state="failed",
    ) == {"get[0]": "staging", "get[1]": "gone"}


def test_a_task_that_is_mapped_over_no_name_shows_its_index(labels: Any) -> None:
    assert labels("""
ListBackendJobsOperator.partial(task_id="jobs", app_id=APP, backend_environment_name="dev").expand(max_items=[1, 2])
""") == {"jobs[0]": "0", "jobs[1]": "1"}


@pytest.mark.parametrize("native", [True, False])
def test_a_name_that_looks_like_a_number_is_a_label_however_templates_are_rendered(labels: Any, native: bool) -> None:
    found = labels(
        """
GetBackendOperator.partial(task_id="get", app_id=APP).expand(backend_environment_name=["dev", "2024"])
""",
        options=f"render_template_as_native_obj={native}",
    )
    assert found == {"get[0]": "dev", "get[1]": "#2024" if native else "2024"}


def test_a_name_of_any_form_makes_a_label_that_airflow_can_store(labels: Any) -> None:
    found = labels(
        """
GetBackendOperator.partial(task_id="get", app_id=APP).expand(backend_environment_name=["a" * 255, "a\\x00b"])
""",
        state="failed",
    )
    assert found == {"get[0]": "a" * 249 + "…", "get[1]": "a\N{REPLACEMENT CHARACTER}b"}


def test_the_tasks_of_a_mapped_group_are_labelled_with_what_the_group_varies(labels: Any) -> None:
    assert labels("""
@task_group
def each(name):
    clone = CloneBackendOperator(
        task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name=name, waiter_delay=0.1
    )
    clone >> BackendEnvironmentSensor(task_id="there", app_id=APP, backend_environment_name=name, poke_interval=0.1)

each.expand(name=["one", "two"])
""") == {"each.clone[0]": "one", "each.clone[1]": "two", "each.there[0]": "one", "each.there[1]": "two"}


def test_mapped_sensors_are_labelled(labels: Any) -> None:
    assert labels("""
BackendEnvironmentSensor.partial(task_id="there", app_id=APP, poke_interval=0.1, timeout=60).expand(
    backend_environment_name=["staging", "dev"]
)
""") == {"there[0]": "staging", "there[1]": "dev"}
