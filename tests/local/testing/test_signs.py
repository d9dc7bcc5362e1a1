"""Signs that an environment must not be touched: set by seeds and by the control client, seen by boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.control import ControlError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP

VARIABLE = "GEN2_MIGRATION_ENVIRONMENT_NAME"
LOCK = {"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}
OWN = {"Effect": "Deny", "Action": "Update:Replace", "Principal": "*", "Resource": "LogicalResourceId/MyDB"}


def variables(service: LocalAmplifyBackend, app_id: str = APP) -> dict[str, str]:
    found: dict[str, str] = service.client("amplify").get_app(appId=app_id)["app"]["environmentVariables"]
    return found


def root_of(service: LocalAmplifyBackend, environment: str = "staging", app_id: str = APP) -> dict[str, Any]:
    shown = service.client("amplify").get_backend_environment(appId=app_id, environmentName=environment)
    name = shown["backendEnvironment"]["stackName"]
    (stack,) = service.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    found: dict[str, Any] = stack
    return found


def statements(service: LocalAmplifyBackend, environment: str = "staging") -> Any:
    answer = service.client("cloudformation").get_stack_policy(StackName=root_of(service, environment)["StackName"])
    return json.loads(answer.get("StackPolicyBody", '{"Statement": []}'))["Statement"]


def test_a_lock_is_seen_as_the_migration_leaves_it(backend: LocalAmplifyBackend) -> None:
    backend.control.seed(apps=[{"app_id": APP, "variables": {"MINE": "1"}}])
    backend.control.lock(APP, "staging")
    assert variables(backend) == {"MINE": "1", VARIABLE: "staging"}
    assert statements(backend) == [LOCK]
    backend.control.lock(APP, "staging")
    assert statements(backend) == [LOCK]
    backend.control.unlock(APP, "staging")
    assert variables(backend) == {"MINE": "1"}
    assert statements(backend) == [{**LOCK, "Effect": "Allow"}]


def test_a_lock_keeps_other_statements(backend: LocalAmplifyBackend) -> None:
    backend.control.seed_app(APP, {"name": "staging", "stack_policy": {"Statement": [OWN]}})
    backend.control.lock(APP, "staging")
    assert statements(backend) == [OWN, LOCK]
    backend.control.unlock(APP, "staging")
    assert statements(backend) == [OWN]


def test_a_lock_can_hold_a_stack_of_the_app(backend: LocalAmplifyBackend) -> None:
    backend.control.lock(APP, "staging", holding=True)
    rows = backend.client("cloudformation").list_stacks()["StackSummaries"]
    assert [row["StackName"] for row in rows if row["StackName"].endswith("-holding")] == [
        f"amplify-{APP}-main-branch-0123456789-auth-holding"
    ]


def test_a_lock_is_of_an_account_and_a_region(backend: LocalAmplifyBackend) -> None:
    backend.control.lock("dfar", "prod", account="999988887777", region="eu-west-1")
    far = backend.client("amplify", aws_access_key_id="999988887777", region_name="eu-west-1")
    assert far.get_app(appId="dfar")["app"]["environmentVariables"] == {VARIABLE: "prod"}
    assert variables(backend) == {}


def test_each_sign_alone(backend: LocalAmplifyBackend) -> None:
    text = json.dumps({"Version": "2008-10-17", "Statement": LOCK})
    backend.control.seed_app(
        APP,
        {"name": "policy", "stack_policy": text},
        {"name": "protected", "termination_protection": True},
        {"name": "plain"},
        variables={VARIABLE: "elsewhere"},
        tags={"team": "web"},
    )
    assert variables(backend) == {VARIABLE: "elsewhere"}
    assert statements(backend, "policy") == LOCK
    assert root_of(backend, "protected")["EnableTerminationProtection"] is True
    assert statements(backend, "plain") == []
    assert root_of(backend, "plain")["EnableTerminationProtection"] is False
    assert backend.client("amplify").get_app(appId=APP)["app"]["tags"] == {"team": "web"}


def test_what_a_seed_leaves_out_stays_and_null_takes_away(backend: LocalAmplifyBackend) -> None:
    backend.control.seed_app(
        APP, {"name": "staging", "termination_protection": True}, variables={"A": "1", "B": "2"}, tags={"k": "v"}
    )
    backend.control.seed_app(APP, "staging", variables={"A": None}, tags={"k": None, "l": "w"})
    assert variables(backend) == {"B": "2"}
    assert backend.client("amplify").get_app(appId=APP)["app"]["tags"] == {"l": "w"}
    assert root_of(backend)["EnableTerminationProtection"] is True
    backend.control.seed_app(APP, {"name": "staging", "termination_protection": False})
    assert root_of(backend)["EnableTerminationProtection"] is False


def test_apps_and_environments_have_an_age(backend: LocalAmplifyBackend) -> None:
    now = backend.control.clock()["time"]
    backend.control.seed_app("dold", {"name": "old", "age_seconds": 7200}, age_seconds=86400)
    app = backend.client("amplify").get_app(appId="dold")["app"]
    assert now - app["createTime"].timestamp() == pytest.approx(86400, abs=0.01)
    shown = backend.client("amplify").get_backend_environment(appId="dold", environmentName="old")
    assert now - shown["backendEnvironment"]["createTime"].timestamp() == pytest.approx(7200, abs=0.01)
    assert root_of(backend, "old", "dold")["CreationTime"] == shown["backendEnvironment"]["createTime"]


def test_nothing_is_older_than_1970(backend: LocalAmplifyBackend) -> None:
    backend.control.seed_app("dold", {"name": "old", "age_seconds": 3e9}, age_seconds=3e9)
    assert backend.client("amplify").get_app(appId="dold")["app"]["createTime"].timestamp() == 0
    assert root_of(backend, "old", "dold")["CreationTime"].timestamp() == 0


def test_a_stack_has_what_the_seed_says(backend: LocalAmplifyBackend) -> None:
    stack = {
        "name": "amplify-d1-gen2",
        "status": "UPDATE_COMPLETE",
        "age_seconds": 60,
        "stack_policy": {"Statement": [LOCK]},
        "termination_protection": True,
        "tags": {"amplify:app-id": "d1"},
        "outputs": {"region": "us-east-1"},
    }
    backend.control.seed(stacks=[stack])
    stacks = backend.client("cloudformation")
    (shown,) = stacks.describe_stacks(StackName="amplify-d1-gen2")["Stacks"]
    assert (shown["StackStatus"], shown["EnableTerminationProtection"]) == ("UPDATE_COMPLETE", True)
    assert shown["Tags"] == [{"Key": "amplify:app-id", "Value": "d1"}]
    assert shown["Outputs"] == [{"OutputKey": "region", "OutputValue": "us-east-1"}]
    backend.control.seed(stacks=[{"name": "amplify-d1-gen2", "status": "DELETE_COMPLETE"}])
    rows = [row for row in stacks.list_stacks()["StackSummaries"] if row["StackName"] == "amplify-d1-gen2"]
    assert [row["StackStatus"] for row in rows] == ["DELETE_COMPLETE"]


def test_branches_have_the_jobs_that_the_seed_says(backend: LocalAmplifyBackend) -> None:
    jobs = [{"status": "FAILED", "age_seconds": 3600}, {"status": "RUNNING", "seconds": 10}]
    backend.control.seed_app(APP, branches=["dev", {"name": "main", "tags": {"k": "v"}, "jobs": jobs}])
    amplify = backend.client("amplify")

    def shown() -> list[str]:
        return [job["status"] for job in amplify.list_jobs(appId=APP, branchName="main")["jobSummaries"]]

    assert shown() == ["FAILED", "RUNNING"]
    backend.control.advance(11)
    assert shown() == ["FAILED", "SUCCEED"]
    backend.control.seed_app(APP, branches=[{"name": "main", "jobs": [{"status": "RUNNING"}]}])
    backend.control.advance(10**6)
    assert shown()[-1] == "RUNNING"


def test_the_stack_is_the_one_that_a_seeded_configuration_names(backend: LocalAmplifyBackend) -> None:
    provider = {"StackName": "amplify-real-prod-123456", "DeploymentBucketName": "amplify-real-prod-123456-deployment"}
    meta = {"providers": {"awscloudformation": provider}}
    backend.control.seed_app(APP, {"name": "prod", "meta": meta, "termination_protection": True})
    root = root_of(backend, "prod")
    assert (root["StackName"], root["EnableTerminationProtection"]) == ("amplify-real-prod-123456", True)
    resources = backend.client("cloudformation").describe_stack_resources(StackName=root["StackName"])
    assert provider["DeploymentBucketName"] in [one["PhysicalResourceId"] for one in resources["StackResources"]]


@pytest.mark.parametrize(
    "meta", ["nonsense", "{}", {"providers": 5}, {"providers": {"awscloudformation": {"StackName": 5}}}]
)
def test_a_configuration_that_names_no_stack_changes_none(backend: LocalAmplifyBackend, meta: Any) -> None:
    backend.control.seed_app(APP, {"name": "prod", "meta": meta})
    assert root_of(backend, "prod")["StackName"].startswith("amplify-shop-prod-")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"apps": [{"app_id": "d1", "variables": {"A": 5}}]}, "variables.A must be a string"),
        ({"apps": [{"app_id": "d1", "variables": {"": "x"}}]}, "variables"),
        ({"apps": [{"app_id": "d1", "tags": {"aws:x": "y"}}]}, "tags: .*AWS' own"),
        ({"apps": [{"app_id": "d1", "age_seconds": "old"}]}, "age_seconds"),
        ({"apps": [{"app_id": "d1", "branches": [{}]}]}, "a branch needs name"),
        ({"apps": [{"app_id": "d1", "branches": [{"name": "m", "jobs": [{"status": "ODD"}]}]}]}, "RUNNING, not 'ODD'"),
        (
            {"apps": [{"app_id": "d1", "environments": [{"name": "e", "locked": "yes"}]}]},
            "locked must be true or false",
        ),
        ({"apps": [{"app_id": "d1", "environments": [{"name": "e", "stack_policy": "x"}]}]}, "stack_policy must be"),
        (
            {"apps": [{"app_id": "d1", "environments": [{"name": "e", "retain": ["x"]}]}]},
            "retain takes deployment_bucket",
        ),
        ({"stacks": [{"name": "s", "status": "ODD"}]}, "a stack's status is one of"),
        ({"stacks": [{}]}, "a stack needs name"),
        ({"stacks": [{"name": "s", "colour": "red"}]}, "a stack has no colour"),
    ],
)
def test_what_is_no_sign_is_refused_and_changes_nothing(
    backend: LocalAmplifyBackend, document: dict[str, Any], says: str
) -> None:
    before = backend.control.state()
    with pytest.raises(ControlError, match=says):
        backend.control.seed(document)
    assert backend.control.state() == before
