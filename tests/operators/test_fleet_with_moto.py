"""Inventories and snapshots in S3, and an inventory where CloudFormation is moto's."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.dag_run import DagRunner
from tests.samples import APP

pytest.importorskip("moto")
pytest.importorskip("a2wsgi")
pytest.importorskip("openapi_spec_validator")
pytest.importorskip("graphql")
pytest.importorskip("s3fs")

FLEET = """
from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator
from airflow_provider_amplifybackend.operators.snapshot import CompareBackendsOperator, SnapshotBackendOperator

inventory = BackendInventoryOperator(
    task_id="inventory", path="s3://reports/fleet", aws_conn_id="aws_moto", requests_per_second=100
)
where = dict(app_id=APP, backend_environment_name="staging")
snapshot = SnapshotBackendOperator(task_id="snapshot", path="s3://reports/snapshots", aws_conn_id="aws_moto", **where)
compare = CompareBackendsOperator(
    task_id="compare", left=snapshot.output, right=where, aws_conn_id="aws_moto", fail_on="difference"
)
"""

SNAPSHOT = """
from airflow_provider_amplifybackend.operators.snapshot import SnapshotBackendOperator

SnapshotBackendOperator(
    task_id="snapshot", app_id=APP, backend_environment_name="staging", path="s3://reports/snapshots",
    aws_conn_id="aws_moto",
)
"""


@pytest.fixture(scope="module")
def running() -> Iterator[LocalAmplifyBackend]:
    with LocalAmplifyBackend(with_moto=True, job_seconds=0.1) as service:
        yield service


def test_files_of_a_fleet_lie_in_s3_with_the_task_s_own_connection(
    dags: DagRunner, running: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.control.seed_app(APP, {"name": "staging", "auth": {"people": None}, "termination_protection": True})
    running.control.lock(APP, "staging")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_MOTO", connection_json(running.endpoint_url))
    s3 = running.client("s3")
    s3.create_bucket(Bucket="reports")
    with timing.replaced(sleep=lambda seconds: None):
        run = dags.run(FLEET)
    assert run.state == "success", [run.errors(task) for task in run.states]
    keys = {row["Key"] for row in s3.list_objects_v2(Bucket="reports")["Contents"]}
    assert keys == {
        "fleet/environments.csv",
        "fleet/environments.jsonl",
        "fleet/report.html",
        f"snapshots/{APP}_staging.snapshot.json",
    }
    (line,) = s3.get_object(Bucket="reports", Key="fleet/environments.jsonl")["Body"].read().splitlines()
    row = json.loads(line)
    assert (row["migration"], row["protection"], row["unreadable"]) == ("locked", ["termination protection"], [])
    assert run.xcom("snapshot")["path"] == f"s3://reports/snapshots/{APP}_staging.snapshot.json"
    assert run.xcom("compare")["different"] == 0


def test_a_connection_that_leads_elsewhere_since_this_process_used_it_is_followed(
    dags: DagRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API server or a test session outlives a connection's address and keys; Airflow keeps one filesystem of it."""
    for bucket in ("reports", "others"):
        with LocalAmplifyBackend(with_moto=True, job_seconds=0.1) as service:
            service.control.seed_app(APP, {"name": "staging"})
            monkeypatch.setenv("AIRFLOW_CONN_AWS_MOTO", connection_json(service.endpoint_url))
            service.client("s3").create_bucket(Bucket=bucket)
            run = dags.run(SNAPSHOT.replace("reports", bucket))
            assert run.state == "success", run.errors("snapshot")
