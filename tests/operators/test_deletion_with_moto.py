"""Plan, record and proof where the other services are there too: counts, what Retain keeps, and what is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

SCHEMA = "type Todo @model { id: ID! }"
FULL = {
    "name": "staging",
    "auth": {"people": None},
    "api": {"shop": {"ApiName": "shop", "TransformSchema": SCHEMA}},
    "storage": {"files": None},
}
PLAN = """
from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
WHERE = dict(aws_conn_id="aws_moto", app_id=APP, backend_environment_name="staging")
plan = PlanBackendDeletionOperator(task_id="plan", **WHERE)
"""
DELETE = (
    PLAN
    + """
delete = DeleteBackendOperator(task_id="delete", waiter_delay=0.1, plan=plan.output, **WHERE, {options})
"""
)
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


@pytest.fixture(scope="module")
def running() -> Iterator[LocalAmplifyBackend]:
    with LocalAmplifyBackend(with_moto=True, job_seconds=0.1) as service:
        yield service


@pytest.fixture
def account(running: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAmplifyBackend]:
    """An app with an environment of everything, behind the connection `aws_moto`."""
    running.control.reset()
    running.control.set(job_seconds=0.1)
    running.control.seed_app(APP, FULL)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_MOTO", connection_json(running.endpoint_url))
    with timing.replaced(between_checks=0.01):
        yield running


def outputs(account: LocalAmplifyBackend, kind: str) -> dict[str, str]:
    answer = account.client().get_backend(AppId=APP, BackendEnvironmentName="staging")
    (resource,) = json.loads(answer["AmplifyMetaConfig"])[kind].values()
    found: dict[str, str] = resource["output"]
    return found


def test_users_and_items_that_would_be_lost_are_counted(dags: DagRunner, account: LocalAmplifyBackend) -> None:
    pool = outputs(account, "auth")["UserPoolId"]
    for name in ("ann", "bob"):
        account.client("cognito-idp").admin_create_user(UserPoolId=pool, Username=name)
    dynamodb = account.client("dynamodb")
    (table,) = dynamodb.list_tables()["TableNames"]
    dynamodb.put_item(TableName=table, Item={"id": {"S": "1"}})
    plan = dags.run(PLAN).xcom("plan")
    assert plan["unknown"] == []
    assert plan["counts"]["items"] == {table: 1}
    # moto does not estimate the users of a pool.
    assert set(plan["counts"].get("users", {})) <= {pool}
    assert "1 items" in plan["text"]


def test_a_parameter_of_a_function_is_planned_by_its_name_and_never_by_its_value(
    dags: DagRunner, account: LocalAmplifyBackend
) -> None:
    name = f"/amplify/{APP}/staging/AMPLIFY_charge_STRIPE"
    account.client("ssm").put_parameter(Name=name, Value="sk_live_4242", Type="String")
    run = dags.run(PLAN)
    assert {"environment": "staging", "type": "AWS::SSM::Parameter", "id": name} in run.xcom("plan")["goes"]
    assert "sk_live_4242" not in json.dumps(run.xcom("plan")) + run.log


@MODES
def test_everything_is_seen_to_be_gone(dags: DagRunner, account: LocalAmplifyBackend, deferrable: bool) -> None:
    run = dags.run(DELETE.format(options=f"leftovers='fail', deferrable={deferrable}"))
    assert run.state == "success"
    result = run.xcom("delete")
    assert (result["leftovers"], result["proof"]["unknown"], result["proof"]["missing"]) == ([], [], [])
    planned = {thing["type"] for thing in run.xcom("plan")["goes"]}
    assert {"AWS::DynamoDB::Table", "AWS::AppSync::GraphQLApi", "AWS::Cognito::IdentityPool"} <= planned
    assert result["proof"]["gone"] > 8


@MODES
def test_what_a_job_leaves_behind_is_named(
    dags: DagRunner, account: LocalAmplifyBackend, tmp_path: Path, deferrable: bool
) -> None:
    left = ["auth", "tables", "storage", "roles", "api", "deployment_bucket"]
    account.control.add_fault("DeleteBackend", kind="leftovers", what=left)
    run = dags.run(DELETE.format(options=f"leftovers='report', record={str(tmp_path)!r}, deferrable={deferrable}"))
    assert run.state == "success"
    found = run.xcom("delete")["leftovers"]
    assert {one["type"] for one in found} == {
        "AWS::Cognito::UserPool",
        "AWS::Cognito::IdentityPool",
        "AWS::DynamoDB::Table",
        "AWS::AppSync::GraphQLApi",
        "AWS::S3::Bucket",
        "AWS::IAM::Role",
    }
    assert all(one["command"].startswith("aws ") and one["console"].startswith("https://") for one in found)
    # Nothing is deleted behind the service's back.
    assert len(account.client("dynamodb").list_tables()["TableNames"]) == 1
    (file,) = tmp_path.rglob("*.json")
    (entry,) = json.loads(file.read_text())["tries"]
    assert entry["proof"]["leftovers"] == found
    assert entry["by"]["aws_identity"].startswith("arn:aws:")


@MODES
def test_what_retain_keeps_is_kept_and_no_leftover(
    dags: DagRunner, account: LocalAmplifyBackend, deferrable: bool
) -> None:
    account.control.seed_app(APP, {"name": "staging", "retain": ["auth", "tables"]})
    run = dags.run(DELETE.format(options=f"leftovers='fail', deferrable={deferrable}"))
    assert run.state == "success"
    stays = {thing["type"]: thing["stays"] for thing in run.xcom("plan")["stays"]}
    assert stays["AWS::Cognito::UserPool"] == stays["AWS::DynamoDB::Table"] == "Retain"
    result = run.xcom("delete")
    assert result["leftovers"] == []
    assert {one["type"] for one in result["proof"]["kept"]} == {
        "AWS::Cognito::UserPool",
        "AWS::Cognito::IdentityPool",
        "AWS::DynamoDB::Table",
    }


def test_what_was_imported_stays(dags: DagRunner, account: LocalAmplifyBackend) -> None:
    account.control.seed_app(APP, {"name": "other", "storage": {"files": None}})
    pool = outputs(account, "auth")
    client = account.client()
    client.create_backend(AppId=APP, AppName="shop", BackendEnvironmentName="importer")
    account.control.advance(5)
    client.import_backend_auth(
        AppId=APP,
        BackendEnvironmentName="importer",
        UserPoolId=pool["UserPoolId"],
        NativeClientId=pool["AppClientID"],
        WebClientId=pool["AppClientIDWeb"],
    )
    account.control.advance(5)
    plan = dags.run(PLAN.replace('"staging"', '"importer"')).xcom("plan")
    assert [(thing["id"], thing["stays"]) for thing in plan["stays"]] == [(pool["UserPoolId"], "imported")]


def test_a_changed_table_protection_is_a_change(dags: DagRunner, account: LocalAmplifyBackend) -> None:
    (table,) = account.client("dynamodb").list_tables()["TableNames"]
    before = dags.run(PLAN).xcom("plan")
    account.client("dynamodb").update_table(TableName=table, DeletionProtectionEnabled=True)
    after = dags.run(PLAN).xcom("plan")
    assert before["digest"] != after["digest"]
    assert "deletion protection is on: the job will fail" in after["text"]


def test_no_new_user_or_item_is_a_change(dags: DagRunner, account: LocalAmplifyBackend) -> None:
    before: Any = dags.run(PLAN).xcom("plan")
    (table,) = account.client("dynamodb").list_tables()["TableNames"]
    account.client("dynamodb").put_item(TableName=table, Item={"id": {"S": "1"}})
    after: Any = dags.run(PLAN).xcom("plan")
    assert before["counts"] != after["counts"]
    assert before["digest"] == after["digest"]


@MODES
def test_a_record_can_lie_in_s3_with_the_task_s_own_connection(
    dags: DagRunner, account: LocalAmplifyBackend, deferrable: bool
) -> None:
    pytest.importorskip("s3fs")
    s3 = account.client("s3")
    s3.create_bucket(Bucket="records")
    run = dags.run(DELETE.format(options=f"record='s3://records/deletions', deferrable={deferrable}"))
    assert run.state == "success"
    (row,) = s3.list_objects_v2(Bucket="records")["Contents"]
    assert run.xcom("delete")["record"] == f"s3://records/{row['Key']}"
    document = json.loads(s3.get_object(Bucket="records", Key=row["Key"])["Body"].read())
    assert [entry["state"] for entry in document["tries"]] == ["completed"]


def test_a_bucket_that_does_not_exist_keeps_everything_as_it_is(dags: DagRunner, account: LocalAmplifyBackend) -> None:
    pytest.importorskip("s3fs")
    run = dags.run(DELETE.format(options="record='s3://nobodys/deletions'"))
    assert "s3://nobodys/deletions" in run.error("delete")
    assert "nothing is deleted without its record" in run.error("delete")
    assert account.control.journal("DeleteBackend") == []
