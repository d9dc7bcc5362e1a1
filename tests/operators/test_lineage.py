"""What OpenLineage hears of a task: its environments as datasets, and its job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.assets import backend_uri, lineage_names
from airflow_provider_amplifybackend.core.lineage import Environment, Lineage, lineage_of
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.airflow_versions import AIRFLOW, DAG_IMPORTS
from tests.own_database import own_database
from tests.samples import APP, auth

ROOT = Path(__file__).parents[2]
SECRET = "a-client-secret-that-nobody-sees"
PARAMETERS = {"app_id": APP, "backend_environment_name": "staging", "target_environment_name": "copy"}
STAGING, COPY = Environment(APP, "staging"), Environment(APP, "copy")
DAG_FILE = """
from datetime import datetime
{imports}
from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, DeleteBackendOperator

APP = {app!r}
auth = {auth!r}
auth["UserPoolConfigs"]["OAuth"] = {{
    "RedirectSignInURIs": ["https://example.com/"], "RedirectSignOutURIs": ["https://example.com/"],
    "OAuthGrantType": "CODE", "OAuthScopes": ["EMAIL"],
    "SocialProviderSettings": {{"Google": {{"ClientId": "id", "ClientSecret": {secret!r}}}}},
}}
with DAG("lineage", schedule=None, start_date=datetime(2026, 1, 1), default_args={{"app_id": APP}}):
    clone = CloneBackendOperator(
        task_id="clone", backend_environment_name="staging", target_environment_name="copy", deferrable=True
    )
    again = CloneBackendOperator(
        task_id="again", backend_environment_name="staging", target_environment_name="copy", if_exists="skip"
    )
    add = CreateBackendAuthOperator(
        task_id="add", backend_environment_name="copy", resource_name="people", resource_config=auth
    )
    delete = DeleteBackendOperator(task_id="delete", backend_environment_name="copy")
    clone >> again >> add >> delete
"""


@pytest.mark.parametrize("name", sorted(JOB_OPERATIONS))
def test_every_job_changes_its_target_and_a_clone_reads_its_source(name: str) -> None:
    operation = JOB_OPERATIONS[name]
    found = lineage_of(operation, PARAMETERS, is_change=True)
    targets = {"CloneBackend": COPY, "RemoveAllBackends": Environment(APP), "CreateBackendConfig": Environment(APP)}
    assert found.outputs == (targets.get(name, STAGING),)
    assert found.inputs == ((STAGING,) if name == "CloneBackend" else ())
    changes = {
        "CloneBackend": "CREATE",
        "CreateBackend": "CREATE",
        "DeleteBackend": "DROP",
        "RemoveAllBackends": "DROP",
    }
    assert found.state_change == changes.get(name, "ALTER")


def test_what_was_found_is_only_read() -> None:
    assert lineage_of(JOB_OPERATIONS["CloneBackend"], PARAMETERS, is_change=False) == Lineage(
        (STAGING, COPY), (), "CREATE"
    )


# What a template that finds nothing renders to, and what a native one does; what is no name; what was never rendered.
UNUSABLE = ["", "  ", None, 7, "a/b", "..", "{{ params.name }}"]


@pytest.mark.parametrize("is_change", [True, False])
@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("operation", ["DeleteBackend", "CreateBackendAuth"])
def test_an_environment_without_a_usable_name_is_not_the_whole_app(operation: str, name: Any, is_change: bool) -> None:
    found = lineage_of(JOB_OPERATIONS[operation], PARAMETERS | {"backend_environment_name": name}, is_change=is_change)
    assert (found.inputs, found.outputs) == ((), ())


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_clone_is_told_of_as_far_as_its_environments_have_names(name: Any) -> None:
    clone = JOB_OPERATIONS["CloneBackend"]
    without_source = lineage_of(clone, PARAMETERS | {"backend_environment_name": name}, is_change=True)
    assert (without_source.inputs, without_source.outputs) == ((), (COPY,))
    without_target = lineage_of(clone, PARAMETERS | {"target_environment_name": name}, is_change=True)
    assert (without_target.inputs, without_target.outputs) == ((STAGING,), ())


@pytest.mark.parametrize("app_id", UNUSABLE)
@pytest.mark.parametrize("operator", ["DeleteBackendOperator", "RemoveAllBackendsOperator"])
def test_a_task_without_a_usable_app_has_an_empty_lineage(operator: str, app_id: Any) -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors")
    from airflow_provider_amplifybackend.operators import environment

    names = {"backend_environment_name": "staging"} if operator == "DeleteBackendOperator" else {}
    task = getattr(environment, operator)(task_id="delete", app_id=app_id, **names)
    for told in (task.get_openlineage_facets_on_failure(None), task.get_openlineage_facets_on_complete(None)):
        assert (told.inputs, told.outputs, told.run_facets) == ([], [], {})


def test_a_dataset_is_named_like_the_asset() -> None:
    assert "/".join(lineage_names(APP, "staging")) == backend_uri(APP, "staging")
    assert lineage_names(APP, "staging") == (f"amplifybackend://{APP}", "staging")
    assert lineage_names(APP) == (f"amplifybackend://{APP}", "/")


def run_with_lineage(home: Path, events: Path, service: LocalAmplifyBackend) -> dict[str, list[dict[str, Any]]]:
    """Run the DAG with Airflow's own command, and return the last event of each task by its type."""
    (home / "dags" / "lineage.py").write_text(DAG_FILE.format(imports=DAG_IMPORTS, app=APP, auth=auth(), secret=SECRET))
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "dags", "test", "lineage"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW__OPENLINEAGE__NAMESPACE": "shop",
            **own_database(home, events.parent),
        },
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    (home / "dags" / "lineage.py").unlink()
    assert events.exists(), done.stdout[-5000:] + done.stderr[-5000:]
    told = [json.loads(line) for line in events.read_text().splitlines()]
    found: dict[str, list[dict[str, Any]]] = {}
    for event in told:
        found.setdefault(event["job"]["name"].removeprefix("lineage."), []).append(event)
    return found


@pytest.mark.skipif(AIRFLOW < (3, 0), reason="the DAG is parsed alike; one Airflow is enough")
def test_the_client_of_openlineage_writes_environments_and_jobs(
    service: LocalAmplifyBackend, airflow_home: Path, tmp_path: Path
) -> None:
    pytest.importorskip("airflow.providers.openlineage.extractors")
    service.control.add_fault("DeleteBackend", kind="job_fails", error=f"It failed with {SECRET}")
    told = run_with_lineage(airflow_home, tmp_path / "events.jsonl", service)
    last = {task: events[-1] for task, events in told.items()}

    clone = last["clone"]
    namespace = f"amplifybackend://{APP}"
    assert clone["eventType"] == "COMPLETE"
    assert [(one["namespace"], one["name"]) for one in clone["inputs"]] == [(namespace, "staging")]
    (output,) = clone["outputs"]
    assert (output["namespace"], output["name"]) == (namespace, "copy")
    assert output["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "CREATE"
    jobs = {job["Operation"]: job["JobId"] for job in service.control.jobs()}
    external = clone["run"]["facets"]["externalQuery"]
    assert (external["externalQueryId"], external["source"]) == (jobs["CloneBackend"], namespace)
    own = clone["run"]["facets"]["amplifyBackend_job"]
    assert (own["operation"], own["status"], own["outcome"]) == ("CloneBackend", "COMPLETED", "started")

    assert last["again"]["outputs"] == []
    assert [one["name"] for one in last["again"]["inputs"]] == ["staging", "copy"]
    assert last["add"]["outputs"][0]["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "ALTER"

    failed = last["delete"]
    assert failed["eventType"] == "FAIL"
    assert failed["outputs"][0]["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "DROP"
    assert failed["run"]["facets"]["externalQuery"]["externalQueryId"] == jobs["DeleteBackend"]
    assert failed["run"]["facets"]["amplifyBackend_job"]["status"] == "FAILED"
    assert SECRET not in (tmp_path / "events.jsonl").read_text()


def test_an_asset_among_the_inlets_is_the_same_dataset() -> None:
    pytest.importorskip("openlineage.client")
    from types import SimpleNamespace

    from airflow_provider_amplifybackend.assets import convert_to_openlineage

    found = convert_to_openlineage(SimpleNamespace(uri=backend_uri(APP, "staging")), None)
    assert (found.namespace, found.name) == lineage_names(APP, "staging")


def test_without_openlineage_nothing_of_it_is_imported() -> None:
    script = (
        "import sys; import airflow_provider_amplifybackend.operators.environment as e;"
        "parts = ('openlineage.client', '_openlineage', 'openlineage.extractors');"
        "print([name for name in sys.modules if name.endswith(parts)])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"
