"""The stacks of environments, as boto3's CloudFormation client sees them; http/test_moto_stacks.py has moto's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP

STAGING = {"AppId": APP, "BackendEnvironmentName": "staging"}
LOCK = {"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}
Finish = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def stacks(backend: LocalAmplifyBackend) -> Iterator[Any]:
    made = backend.client("cloudformation", config=Config(retries={"total_max_attempts": 1}, read_timeout=10))
    yield made
    made.close()


def provider(client: Any, environment: str = "staging") -> dict[str, str]:
    meta = client.get_backend(AppId=APP, BackendEnvironmentName=environment)["AmplifyMetaConfig"]
    found: dict[str, str] = json.loads(meta)["providers"]["awscloudformation"]
    return found


def statuses(stacks: Any) -> dict[str, str]:
    rows = stacks.get_paginator("list_stacks").paginate().build_full_result()["StackSummaries"]
    return {row["StackName"]: row["StackStatus"] for row in rows}


def test_the_root_stack_has_the_name_that_the_configuration_says(stacks: Any, client: Any) -> None:
    named = provider(client)
    assert named["StackName"].startswith("amplify-shop-staging-")
    (root,) = stacks.describe_stacks(StackName=named["StackName"])["Stacks"]
    assert (root["StackId"], root["StackStatus"]) == (named["StackId"], "CREATE_COMPLETE")
    assert root["EnableTerminationProtection"] is False
    assert {one["OutputKey"]: one["OutputValue"] for one in root["Outputs"]}["AuthRoleArn"] == named["AuthRoleArn"]
    assert {one["Key"]: one["Value"] for one in root["Tags"]} == {"user:Application": "shop", "user:Stack": "staging"}
    assert "ParentId" not in root
    (again,) = stacks.describe_stacks(StackName=named["StackId"])["Stacks"]
    assert again == root


def test_each_resource_has_a_nested_stack_with_what_its_outputs_name(stacks: Any, client: Any) -> None:
    root = provider(client)
    parts = stacks.list_stack_resources(StackName=root["StackName"])["StackResourceSummaries"]
    nested = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in parts if "Stack" in one["ResourceType"]}
    assert set(nested) == {"authmain", "apigraph", "storagefiles"}
    (auth,) = stacks.describe_stacks(StackName=nested["authmain"])["Stacks"]
    assert (auth["ParentId"], auth["RootId"]) == (root["StackId"], root["StackId"])
    outputs = {one["OutputKey"]: one["OutputValue"] for one in auth["Outputs"]}
    found = stacks.describe_stack_resources(StackName=nested["authmain"])["StackResources"]
    assert {one["ResourceType"]: one["PhysicalResourceId"] for one in found} == {
        "AWS::Cognito::UserPool": outputs["UserPoolId"],
        "AWS::Cognito::UserPoolClient": outputs["AppClientIDWeb"],
        "AWS::Cognito::IdentityPool": outputs["IdentityPoolId"],
    }
    by_id = stacks.describe_stack_resources(PhysicalResourceId=outputs["UserPoolId"])["StackResources"]
    assert by_id == found
    one = stacks.describe_stack_resource(StackName=nested["authmain"], LogicalResourceId="UserPool")
    assert one["StackResourceDetail"]["PhysicalResourceId"] == outputs["UserPoolId"]


def test_a_model_has_a_table_that_comes_and_goes_with_it(
    stacks: Any, client: Any, finish: Finish, api_config: dict[str, Any]
) -> None:
    def tables() -> set[str]:
        root = provider(client)["StackName"]
        parts = stacks.list_stack_resources(StackName=root)["StackResourceSummaries"]
        (api,) = [one["PhysicalResourceId"] for one in parts if one["LogicalResourceId"] == "apinotes"]
        rows = stacks.list_stack_resources(StackName=api)["StackResourceSummaries"]
        return {row["LogicalResourceId"] for row in rows if row["ResourceType"] == "AWS::DynamoDB::Table"}

    finish(client.create_backend_api(**STAGING, ResourceName="notes", ResourceConfig=api_config))
    assert tables() == {"NoteTable"}
    schema = "type A @model { id: ID! } type B { id: ID! } type C @auth(rules: [{allow: owner}]) @model { id: ID! }"
    changed = {**api_config, "TransformSchema": schema}
    finish(client.update_backend_api(**STAGING, ResourceName="notes", ResourceConfig=changed))
    assert tables() == {"ATable", "CTable"}


def test_deleting_an_environment_deletes_its_stacks(stacks: Any, client: Any, finish: Finish) -> None:
    before = statuses(stacks)
    named = provider(client)
    assert set(before.values()) == {"CREATE_COMPLETE"}
    finish(client.delete_backend(**STAGING))
    assert statuses(stacks) == dict.fromkeys(before, "DELETE_COMPLETE")
    with pytest.raises(ClientError, match=f"Stack with id {named['StackName']} does not exist"):
        stacks.describe_stacks(StackName=named["StackName"])
    (deleted,) = stacks.describe_stacks(StackName=named["StackId"])["Stacks"]
    assert deleted["StackStatus"] == "DELETE_COMPLETE"
    assert deleted["DeletionTime"] > deleted["CreationTime"]
    assert stacks.describe_stacks()["Stacks"] == []


def test_deleting_a_resource_deletes_its_nested_stack(stacks: Any, client: Any, finish: Finish) -> None:
    finish(client.delete_backend_auth(**STAGING, ResourceName="main"))
    gone = [name for name, status in statuses(stacks).items() if status == "DELETE_COMPLETE"]
    assert len(gone) == 1
    assert "-authmain-" in gone[0]
    resources = stacks.list_stack_resources(StackName=provider(client)["StackName"])["StackResourceSummaries"]
    assert "authmain" not in {one["LogicalResourceId"] for one in resources}


def test_a_clone_has_stacks_of_its_own(stacks: Any, client: Any, finish: Finish) -> None:
    before = set(statuses(stacks))
    finish(client.clone_backend(**STAGING, TargetEnvironmentName="copy"))
    assert len(set(statuses(stacks)) - before) == len(before)
    assert provider(client, "copy")["StackName"] in statuses(stacks)


# Signs, set and read


def test_the_policy_of_a_stack_can_be_set_and_read(stacks: Any, client: Any) -> None:
    root = provider(client)["StackName"]
    assert "StackPolicyBody" not in stacks.get_stack_policy(StackName=root)
    stacks.set_stack_policy(StackName=root, StackPolicyBody=json.dumps({"Statement": [LOCK]}))
    assert json.loads(stacks.get_stack_policy(StackName=root)["StackPolicyBody"]) == {"Statement": [LOCK]}
    for body in ("nonsense", "[]", "{}", '{"Statement": 5}', "[" * 10_000):
        with pytest.raises(ClientError, match="Invalid stack policy"):
            stacks.set_stack_policy(StackName=root, StackPolicyBody=body)
    assert json.loads(stacks.get_stack_policy(StackName=root)["StackPolicyBody"]) == {"Statement": [LOCK]}


def test_termination_protection_holds_for_nested_stacks_and_stops_deletions(
    stacks: Any, client: Any, finish: Finish
) -> None:
    root = provider(client)["StackName"]
    stacks.update_termination_protection(StackName=root, EnableTerminationProtection=True)
    assert {one["EnableTerminationProtection"] for one in stacks.describe_stacks()["Stacks"]} == {True}
    nested = next(name for name in statuses(stacks) if name != root)
    with pytest.raises(ClientError, match="is nested"):
        stacks.update_termination_protection(StackName=nested, EnableTerminationProtection=False)
    for name in (root, nested):
        with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
            stacks.delete_stack(StackName=name)
    row = finish(client.delete_backend(**STAGING))
    assert row["Status"] == "FAILED"
    assert row["Error"] == f"Stack [{root}] cannot be deleted while TerminationProtection is enabled"
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == ["staging"]
    assert set(statuses(stacks).values()) == {"CREATE_COMPLETE"}
    stacks.update_termination_protection(StackName=root, EnableTerminationProtection=False)
    assert finish(client.delete_backend(**STAGING))["Status"] == "COMPLETED"


def test_the_service_can_be_taken_for_one_that_ignores_termination_protection(
    backend: LocalAmplifyBackend, stacks: Any, client: Any, finish: Finish
) -> None:
    backend.control.set(protected_stack="deletes")
    root = provider(client)["StackName"]
    stacks.update_termination_protection(StackName=root, EnableTerminationProtection=True)
    assert finish(client.delete_backend(**STAGING))["Status"] == "COMPLETED"
    assert statuses(stacks)[root] == "DELETE_COMPLETE"


def test_a_stack_can_go_behind_amplifybackends_back(stacks: Any, client: Any, finish: Finish) -> None:
    root = provider(client)["StackName"]
    stacks.delete_stack(StackName=root)
    stacks.delete_stack(StackName="never-was")
    assert set(statuses(stacks).values()) == {"DELETE_COMPLETE"}
    config = {"Permissions": {"Authenticated": ["READ"]}, "ServiceName": "S3"}
    created = client.create_backend_storage(**STAGING, ResourceName="more", ResourceConfig=config)
    row = finish(created)
    assert (row["Status"], row["Error"]) == ("FAILED", f"Stack [{root}] does not exist")
    assert finish(client.delete_backend(**STAGING))["Status"] == "COMPLETED"


def test_templates_say_what_is_retained(backend: LocalAmplifyBackend, stacks: Any, client: Any) -> None:
    root = provider(client)["StackName"]
    assert "DeletionPolicy" not in stacks.get_template(StackName=root)["TemplateBody"]["Resources"]["DeploymentBucket"]
    backend.control.seed_app(APP, {"name": "staging", "retain": ["deployment_bucket", "auth"]})
    assert retained(stacks) == {"DeploymentBucket", "UserPool", "UserPoolClient", "UserPoolClientWeb", "IdentityPool"}
    backend.control.seed_app(APP, {"name": "staging", "retain": []})
    assert retained(stacks) == set()


def retained(stacks: Any) -> set[str]:
    templates = [stacks.get_template(StackName=name)["TemplateBody"] for name in statuses(stacks)]
    entries = [entry for template in templates for entry in template["Resources"].items()]
    return {name for name, resource in entries if resource.get("DeletionPolicy") == "Retain"}


def test_what_is_retained_outlives_its_stack(
    backend: LocalAmplifyBackend, stacks: Any, client: Any, finish: Finish
) -> None:
    backend.control.seed_app(APP, {"name": "staging", "retain": ["storage"]})
    bucket = provider(client)["DeploymentBucketName"]
    kept = client.get_backend_storage(**STAGING, ResourceName="files")["ResourceConfig"]["BucketName"]
    finish(client.delete_backend(**STAGING))
    assert set(statuses(stacks).values()) == {"DELETE_COMPLETE"}
    buckets = [one["Name"] for one in client.list_s3_buckets()["Buckets"]]
    assert kept in buckets
    assert bucket not in buckets


# Pages, filters, and what is not built


def test_lists_come_in_pages_with_the_newest_first(backend: LocalAmplifyBackend, stacks: Any) -> None:
    backend.control.set(stack_page_size=3)
    backend.control.seed(stacks=[{"name": f"s{number}", "age_seconds": 10 + number} for number in range(5)])
    for operation, member in (("list_stacks", "StackSummaries"), ("describe_stacks", "Stacks")):
        pages = [page[member] for page in stacks.get_paginator(operation).paginate()]
        assert [len(page) for page in pages] == [3, 3, 3]
        assert [one["StackName"] for page in pages for one in page][-5:] == ["s0", "s1", "s2", "s3", "s4"]
    for call in (stacks.list_stacks, stacks.describe_stacks):
        with pytest.raises(ClientError, match="NextToken"):
            call(NextToken="made up")


def test_stacks_are_listed_by_their_status(backend: LocalAmplifyBackend, stacks: Any) -> None:
    backend.control.seed(stacks=[{"name": "stuck", "status": "REVIEW_IN_PROGRESS"}, "amplify-d1-auth-holding"])

    def names(*wanted: str) -> list[str]:
        found = stacks.list_stacks(StackStatusFilter=[*wanted])["StackSummaries"]
        return [one["StackName"] for one in found]

    assert names("REVIEW_IN_PROGRESS") == ["stuck"]
    assert names("DELETE_COMPLETE") == []
    assert "amplify-d1-auth-holding" in names("CREATE_COMPLETE", "DELETE_COMPLETE")
    with pytest.raises(ClientError, match="StackStatusFilter") as refusal:
        names("NONSENSE")
    assert refusal.value.response["Error"]["Code"] == "ValidationError"


def test_what_is_not_built_says_so_and_names_moto(stacks: Any) -> None:
    with pytest.raises(ClientError, match="CreateStack is not built; with moto") as refusal:
        stacks.create_stack(StackName="x", TemplateBody="{}")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert refusal.value.response["Error"]["Code"] == "NotImplementedException"


def test_stacks_are_those_of_an_account_and_a_region(backend: LocalAmplifyBackend) -> None:
    elsewhere = backend.client("cloudformation", region_name="eu-west-1")
    assert elsewhere.list_stacks()["StackSummaries"] == []
    other = backend.client("cloudformation", aws_access_key_id="999988887777")
    assert other.describe_stacks()["Stacks"] == []
