"""Environments as real stacks in moto, with the resources that outputs name in the services that have them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.local.control import ControlError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend

pytest.importorskip("moto")
pytest.importorskip("a2wsgi")
pytest.importorskip("openapi_spec_validator")
pytest.importorskip("graphql")

STAGING = {"AppId": "d1", "BackendEnvironmentName": "staging"}
FULL = {"name": "staging", "auth": {"main": None}, "api": {"graph": None}, "storage": {"files": None}}


@pytest.fixture(scope="module")
def running() -> Iterator[LocalAmplifyBackend]:
    with LocalAmplifyBackend(with_moto=True, job_seconds=1) as service:
        yield service


@pytest.fixture
def everything(running: LocalAmplifyBackend) -> LocalAmplifyBackend:
    running.control.reset()
    running.control.set_clock(frozen=True)
    running.control.seed_app("d1", FULL)
    return running


@functools.lru_cache
def ask(service: LocalAmplifyBackend, name: str = "amplifybackend") -> Any:
    """A client of a service, made once: that is what takes the time here."""
    return service.client(name)


def meta(service: LocalAmplifyBackend, environment: str = "staging") -> dict[str, Any]:
    answer = ask(service).get_backend(AppId="d1", BackendEnvironmentName=environment)
    found: dict[str, Any] = json.loads(answer["AmplifyMetaConfig"])
    return found


def root_of(service: LocalAmplifyBackend) -> str:
    name: str = meta(service)["providers"]["awscloudformation"]["StackName"]
    return name


def statuses(service: LocalAmplifyBackend) -> dict[str, str]:
    rows = ask(service, "cloudformation").list_stacks()["StackSummaries"]
    return {row["StackName"]: row["StackStatus"] for row in rows}


def delete(service: LocalAmplifyBackend) -> dict[str, Any]:
    client = ask(service)
    job = client.delete_backend(**STAGING)["JobId"]
    service.control.advance(60)
    row: dict[str, Any] = client.get_backend_job(**STAGING, JobId=job)
    return row


def inventory(service: LocalAmplifyBackend) -> dict[str, list[str]]:
    """What there is, asked from the services that have it."""
    buckets = ask(service, "s3").list_buckets()["Buckets"]
    pools = ask(service, "cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    identities = ask(service, "cognito-identity").list_identity_pools(MaxResults=60)["IdentityPools"]
    return {
        "buckets": [one["Name"] for one in buckets],
        "pools": [one["Id"] for one in pools],
        "identity pools": [one["IdentityPoolId"] for one in identities],
        "roles": [one["RoleName"] for one in ask(service, "iam").list_roles()["Roles"]],
        "tables": ask(service, "dynamodb").list_tables()["TableNames"],
        "apis": [one["apiId"] for one in ask(service, "appsync").list_graphql_apis()["graphqlApis"]],
    }


def test_every_resource_of_every_stack_is_there(everything: LocalAmplifyBackend) -> None:
    stacks = ask(everything, "cloudformation")
    found = sorted(name for names in inventory(everything).values() for name in names)
    named = sorted(
        resource["PhysicalResourceId"]
        for stack in statuses(everything)
        for resource in stacks.describe_stack_resources(StackName=stack)["StackResources"]
        if resource["ResourceType"] not in ("AWS::CloudFormation::Stack", "AWS::Cognito::UserPoolClient")
    )
    assert named == found
    assert {name: len(names) for name, names in inventory(everything).items()} == {
        "buckets": 2,
        "pools": 1,
        "identity pools": 1,
        "roles": 2,
        "tables": 1,
        "apis": 1,
    }


def test_the_roles_and_the_api_are_those_that_the_configuration_names(everything: LocalAmplifyBackend) -> None:
    config = meta(everything)
    role = ask(everything, "iam").get_role(RoleName=config["providers"]["awscloudformation"]["AuthRoleName"])
    assert role["Role"]["Arn"] == config["providers"]["awscloudformation"]["AuthRoleArn"]
    outputs = config["api"]["graph"]["output"]
    appsync = ask(everything, "appsync")
    assert appsync.get_graphql_api(apiId=outputs["GraphQLAPIIdOutput"])["graphqlApi"]["name"] == "api"
    keys = appsync.list_api_keys(apiId=outputs["GraphQLAPIIdOutput"])["apiKeys"]
    assert [key["id"] for key in keys] == [outputs["GraphQLAPIKeyOutput"]]


def test_they_are_stacks_of_moto_too(everything: LocalAmplifyBackend) -> None:
    events = ask(everything, "cloudformation").describe_stack_events(StackName=root_of(everything))
    assert events["ResponseMetadata"]["HTTPStatusCode"] == 200
    summary = ask(everything, "cloudformation").get_template_summary(StackName=root_of(everything))
    assert "AWS::CloudFormation::Stack" in summary["ResourceTypes"]


def test_a_delete_job_takes_everything_along(everything: LocalAmplifyBackend) -> None:
    ask(everything, "ssm").put_parameter(Name="/amplify/d1/staging/AMPLIFY_f_SECRET", Value="v", Type="SecureString")
    ask(everything, "ssm").put_parameter(Name="/amplify/d1/other/AMPLIFY_f_SECRET", Value="v", Type="SecureString")
    assert delete(everything)["Status"] == "COMPLETED"
    assert inventory(everything) == {name: [] for name in inventory(everything)}
    assert set(statuses(everything).values()) == {"DELETE_COMPLETE"}
    left = ask(everything, "ssm").get_parameters_by_path(Path="/amplify", Recursive=True)["Parameters"]
    assert [one["Name"] for one in left] == ["/amplify/d1/other/AMPLIFY_f_SECRET"]


def test_a_delete_job_honours_retain(everything: LocalAmplifyBackend) -> None:
    before = inventory(everything)
    everything.control.seed_app("d1", {"name": "staging", "retain": ["auth", "tables"]})
    assert delete(everything)["Status"] == "COMPLETED"
    after = inventory(everything)
    kept = {name for name, names in after.items() if names}
    assert kept == {"pools", "identity pools", "tables"}
    assert {name: before[name] for name in kept} == {name: after[name] for name in kept}


def test_a_delete_job_fails_on_termination_protection(everything: LocalAmplifyBackend) -> None:
    before = inventory(everything)
    root = root_of(everything)
    stacks = ask(everything, "cloudformation")
    stacks.update_termination_protection(StackName=root, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
        stacks.delete_stack(StackName=root)
    row = delete(everything)
    assert (row["Status"], root in row["Error"]) == ("FAILED", True)
    assert inventory(everything) == before
    everything.control.set(protected_stack="deletes")
    assert delete(everything)["Status"] == "COMPLETED"
    assert statuses(everything)[root] == "DELETE_COMPLETE"


def test_a_job_can_say_completed_while_the_stack_stays(everything: LocalAmplifyBackend) -> None:
    before, root = inventory(everything), root_of(everything)
    everything.control.add_fault("DeleteBackend", kind="leftovers", what=["stack"])
    assert delete(everything)["Status"] == "COMPLETED"
    assert ask(everything).get_backend(AppId="d1")["BackendEnvironmentList"] == []
    assert statuses(everything)[root] == "CREATE_COMPLETE"
    assert inventory(everything) == before
    ask(everything, "cloudformation").delete_stack(StackName=root)
    assert inventory(everything) == {name: [] for name in before}


@pytest.mark.parametrize(
    ("what", "stays"),
    [
        ("deployment_bucket", {"buckets"}),
        ("storage", {"buckets"}),
        ("roles", {"roles"}),
        ("auth", {"pools", "identity pools"}),
        ("api", {"apis"}),
        ("tables", {"tables"}),
        ("parameters", set()),
    ],
)
def test_a_job_can_leave_any_part_behind(everything: LocalAmplifyBackend, what: str, stays: set[str]) -> None:
    ask(everything, "ssm").put_parameter(Name="/amplify/d1/staging/S", Value="v", Type="SecureString")
    everything.control.add_fault("DeleteBackend", kind="leftovers", what=[what])
    assert delete(everything)["Status"] == "COMPLETED"
    assert {name for name, names in inventory(everything).items() if names} == stays
    assert sum(map(len, inventory(everything).values())) == len(stays) + (what == "roles")
    assert set(statuses(everything).values()) == {"DELETE_COMPLETE"}
    found = ask(everything, "ssm").get_parameters_by_path(Path="/amplify", Recursive=True)["Parameters"]
    assert bool(found) == (what == "parameters")


def test_the_signs_of_a_seed_are_signs_in_moto(everything: LocalAmplifyBackend) -> None:
    everything.control.lock("d1", "staging", holding=True)
    everything.control.seed_app("d1", {"name": "staging", "termination_protection": True, "age_seconds": 86400})
    stacks, root = ask(everything, "cloudformation"), root_of(everything)
    assert "Deny" in stacks.get_stack_policy(StackName=root)["StackPolicyBody"]
    (shown,) = stacks.describe_stacks(StackName=root)["Stacks"]
    assert shown["EnableTerminationProtection"] is True
    made = ask(everything, "amplify").get_backend_environment(appId="d1", environmentName="staging")
    assert made["backendEnvironment"]["createTime"] == shown["CreationTime"]
    assert [name for name in statuses(everything) if name.endswith("-holding")]


def test_stacks_of_ones_own_stand_beside_them(everything: LocalAmplifyBackend) -> None:
    stacks = ask(everything, "cloudformation")
    template = {"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "mine"}}}}
    stacks.create_stack(StackName="amplify-d1-x-auth-holding", TemplateBody=json.dumps(template))
    assert "amplify-d1-x-auth-holding" in statuses(everything)
    (resource,) = stacks.list_stack_resources(StackName="amplify-d1-x-auth-holding")["StackResourceSummaries"]
    assert (resource["ResourceType"], resource["PhysicalResourceId"]) == ("AWS::S3::Bucket", "mine")
    stacks.set_stack_policy(StackName="amplify-d1-x-auth-holding", StackPolicyBody='{"Statement": []}')
    stacks.update_termination_protection(StackName="amplify-d1-x-auth-holding", EnableTerminationProtection=True)
    (shown,) = stacks.describe_stacks(StackName="amplify-d1-x-auth-holding")["Stacks"]
    assert shown["EnableTerminationProtection"] is True
    assert stacks.get_template(StackName="amplify-d1-x-auth-holding")["TemplateBody"]["Resources"]["B"]
    stacks.update_termination_protection(StackName="amplify-d1-x-auth-holding", EnableTerminationProtection=False)
    stacks.delete_stack(StackName="amplify-d1-x-auth-holding")
    assert "mine" not in inventory(everything)["buckets"]


def test_what_moto_cannot_answer_has_an_answer(everything: LocalAmplifyBackend) -> None:
    stacks = ask(everything, "cloudformation")
    with pytest.raises(ClientError, match="moto could not answer DescribeType") as refusal:
        stacks.describe_type(Type="RESOURCE", TypeName="AWS::S3::Bucket")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    with pytest.raises(ClientError, match="ValidationError"):
        stacks.describe_stack_events(StackName="none")


def test_the_journal_has_what_moto_answers_and_faults_strike_before_it(everything: LocalAmplifyBackend) -> None:
    stacks = ask(everything, "cloudformation")
    everything.control.add_fault("CreateStack", kind="denied", times=1)
    template = json.dumps({"Resources": {"B": {"Type": "AWS::S3::Bucket"}}})
    with pytest.raises(ClientError, match="AccessDenied"):
        stacks.create_stack(StackName="mine", TemplateBody=template)
    assert "mine" not in statuses(everything)
    stacks.create_stack(StackName="mine", TemplateBody=template)
    denied, made = everything.control.journal("CreateStack")
    assert (denied["effective"], denied["faults"], denied["status_code"]) == (False, ["denied"], 403)
    assert (made["effective"], made["service"], made["parameters"]["StackName"]) == (True, "cloudformation", "mine")


def test_a_region_that_moto_has_not_is_refused(everything: LocalAmplifyBackend) -> None:
    with pytest.raises(ControlError, match="moto has no region 'mars'"):
        everything.control.seed_app("d2", "dev", region="mars")
    client = everything.client(region_name="mars")
    with pytest.raises(ClientError, match="moto has no region 'mars'"):
        client.create_backend(AppId="d3", AppName="a", BackendEnvironmentName="dev")
    assert everything.client("cloudformation", region_name="mars").list_stacks()["StackSummaries"] == []
    assert everything.control.state()
    assert everything.control.jobs() == []


def test_reset_empties_moto_of_stacks(everything: LocalAmplifyBackend) -> None:
    everything.control.reset()
    assert statuses(everything) == {}
