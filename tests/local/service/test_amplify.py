"""AWS Amplify's control API beside AmplifyBackend, as boto3 sees it: the same apps and environments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.service.api_model import SERVICES, service_model
from airflow_provider_amplifybackend.local.service.neighbours.amplify import HANDLERS
from tests.samples import APP

ARN = f"arn:aws:amplify:us-east-1:123456789012:apps/{APP}"
STAGING = {"appId": APP, "environmentName": "staging"}
MAIN = {"appId": APP, "branchName": "main"}


@pytest.fixture
def amplify(backend: LocalAmplifyBackend) -> Iterator[Any]:
    made = backend.client("amplify", config=Config(retries={"total_max_attempts": 1}, read_timeout=10))
    yield made
    made.close()


def test_no_two_services_have_an_operation_of_one_name() -> None:
    names = [name for service in SERVICES for name in service_model(service).operation_names]
    assert len(names) == len(set(names))


# Apps


def test_apps_of_amplifybackend_are_apps_there(amplify: Any, client: Any) -> None:
    client.create_backend(AppId="dnew", AppName="new", BackendEnvironmentName="dev")
    assert {app["appId"]: app["name"] for app in amplify.list_apps()["apps"]} == {APP: "shop", "dnew": "new"}


def test_an_app_made_there_can_have_a_backend(amplify: Any, client: Any) -> None:
    app = amplify.create_app(name="mine", environmentVariables={"A": "1"}, tags={"team": "web"})["app"]
    assert (app["appArn"].rpartition("/")[2], app["tags"], app["environmentVariables"]) == (
        app["appId"],
        {"team": "web"},
        {"A": "1"},
    )
    assert client.get_backend(AppId=app["appId"])["AppName"] == "mine"


def test_update_replaces_the_variables_as_a_whole(amplify: Any) -> None:
    amplify.update_app(appId=APP, environmentVariables={"A": "1", "B": "2"}, description="a shop")
    app = amplify.update_app(appId=APP, environmentVariables={"B": "3"})["app"]
    assert (app["environmentVariables"], app["description"]) == ({"B": "3"}, "a shop")
    assert amplify.get_app(appId=APP)["app"]["environmentVariables"] == {"B": "3"}
    assert amplify.update_app(appId=APP, environmentVariables={})["app"]["environmentVariables"] == {}


def test_what_opens_a_repository_is_not_shown(amplify: Any) -> None:
    app = amplify.create_app(name="mine", repository="https://example.com/r", oauthToken="secret", accessToken="s2")
    assert app["app"]["repository"] == "https://example.com/r"
    assert "secret" not in str(amplify.get_app(appId=app["app"]["appId"]))


def test_an_app_has_every_member_that_the_model_requires(amplify: Any) -> None:
    required = service_model("amplify").shape_for("App").required_members
    assert set(required) <= set(amplify.get_app(appId=APP)["app"])
    amplify.create_branch(**MAIN)
    required = service_model("amplify").shape_for("Branch").required_members
    assert set(required) <= set(amplify.get_branch(**MAIN)["branch"])


def test_delete_app_keeps_the_stacks(amplify: Any, client: Any, backend: LocalAmplifyBackend) -> None:
    amplify.delete_app(appId=APP)
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_backend(AppId=APP)
    assert live_stacks(backend)


def live_stacks(backend: LocalAmplifyBackend) -> list[str]:
    stacks = backend.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"]
    return [stack["StackName"] for stack in stacks]


def test_what_is_not_there_is_not_found(amplify: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: amplify.get_app(appId="dnone"),
        lambda: amplify.list_backend_environments(appId="dnone"),
        lambda: amplify.get_backend_environment(appId=APP, environmentName="none"),
        lambda: amplify.get_branch(appId=APP, branchName="none"),
        lambda: amplify.get_job(appId=APP, branchName="none", jobId="1"),
    ]
    for call in calls:
        with pytest.raises(amplify.exceptions.NotFoundException, match="was not found") as refusal:
            call()
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


# Environments


def test_an_environment_has_its_stack_its_bucket_and_its_times(
    amplify: Any, client: Any, backend: LocalAmplifyBackend
) -> None:
    shown = amplify.get_backend_environment(**STAGING)["backendEnvironment"]
    provider = backend.control.state()[0]["apps"][0]["environments"][0]["provider"]
    assert (shown["stackName"], shown["deploymentArtifacts"]) == (
        provider["StackName"],
        provider["DeploymentBucketName"],
    )
    assert shown["backendEnvironmentArn"] == f"{ARN}/backendenvironments/staging"
    before = shown["updateTime"]
    assert shown["createTime"] == before
    backend.control.advance(3600)
    client.delete_backend_api(AppId=APP, BackendEnvironmentName="staging", ResourceName="graph")
    backend.control.advance(60)
    shown = amplify.get_backend_environment(**STAGING)["backendEnvironment"]
    assert 3600 < (shown["updateTime"] - shown["createTime"]).total_seconds() <= 3660


def test_the_list_has_all_environments_or_the_one_that_is_asked_for(
    amplify: Any, client: Any, backend: LocalAmplifyBackend
) -> None:
    client.create_backend(AppId=APP, AppName="shop", BackendEnvironmentName="dev")
    backend.control.advance(60)
    rows = amplify.list_backend_environments(appId=APP)["backendEnvironments"]
    assert [row["environmentName"] for row in rows] == ["dev", "staging"]
    (only,) = amplify.list_backend_environments(**STAGING)["backendEnvironments"]
    assert only["environmentName"] == "staging"


def test_create_makes_a_name_known_and_nothing_else(amplify: Any, client: Any, backend: LocalAmplifyBackend) -> None:
    before = live_stacks(backend)
    amplify.create_backend_environment(
        appId=APP, environmentName="byhand", stackName="my-stack", deploymentArtifacts="my-bucket"
    )
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == ["staging", "byhand"]
    assert live_stacks(backend) == before
    with pytest.raises(amplify.exceptions.BadRequestException, match="already exists"):
        amplify.create_backend_environment(appId=APP, environmentName="byhand")


def test_delete_forgets_the_name_and_keeps_the_stack(amplify: Any, client: Any, backend: LocalAmplifyBackend) -> None:
    before = live_stacks(backend)
    assert amplify.delete_backend_environment(**STAGING)["backendEnvironment"]["environmentName"] == "staging"
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == []
    assert live_stacks(backend) == before
    assert backend.control.journal("DeleteBackend") == []


# Branches and jobs


def test_the_life_of_a_branch(amplify: Any) -> None:
    amplify.create_branch(**MAIN, description="d", environmentVariables={"A": "1"}, tags={"k": "v"})
    with pytest.raises(amplify.exceptions.BadRequestException, match="already exists"):
        amplify.create_branch(**MAIN)
    branch = amplify.update_branch(**MAIN, stage="BETA")["branch"]
    assert (branch["stage"], branch["description"], branch["tags"]) == ("BETA", "d", {"k": "v"})
    assert [one["branchName"] for one in amplify.list_branches(appId=APP)["branches"]] == ["main"]
    amplify.delete_branch(**MAIN)
    assert amplify.list_branches(appId=APP)["branches"] == []


def test_a_job_runs_by_the_clock(amplify: Any, backend: LocalAmplifyBackend) -> None:
    amplify.create_branch(**MAIN)
    started = amplify.start_job(**MAIN, jobType="RELEASE", commitId="abc")["jobSummary"]
    assert (started["jobId"], started["status"], started["commitId"]) == ("1", "PENDING", "abc")
    with pytest.raises(amplify.exceptions.BadRequestException, match="has not ended"):
        amplify.start_job(**MAIN, jobType="RELEASE")
    backend.control.advance(1)
    assert amplify.get_job(**MAIN, jobId="1")["job"]["summary"]["status"] == "RUNNING"
    backend.control.advance(10)
    ended = amplify.get_job(**MAIN, jobId="1")["job"]["summary"]
    assert (ended["status"], (ended["endTime"] - ended["startTime"]).total_seconds()) == ("SUCCEED", 3)
    assert amplify.start_job(**MAIN, jobType="RELEASE")["jobSummary"]["jobId"] == "2"
    assert amplify.get_branch(**MAIN)["branch"]["activeJobId"] == "2"


def test_a_job_can_be_stopped_once(amplify: Any) -> None:
    amplify.create_branch(**MAIN)
    amplify.start_job(**MAIN, jobType="RELEASE")
    assert amplify.stop_job(**MAIN, jobId="1")["jobSummary"]["status"] == "CANCELLED"
    with pytest.raises(amplify.exceptions.BadRequestException, match="has ended"):
        amplify.stop_job(**MAIN, jobId="1")


def test_a_job_that_failed_can_be_run_again(amplify: Any, backend: LocalAmplifyBackend) -> None:
    amplify.create_branch(**MAIN)
    backend.control.add_fault("StartJob", kind="job_fails", times=1)
    amplify.start_job(**MAIN, jobType="RELEASE")
    backend.control.advance(10)
    assert amplify.list_jobs(**MAIN)["jobSummaries"][0]["status"] == "FAILED"
    assert amplify.start_job(**MAIN, jobType="RETRY", jobId="1")["jobSummary"]["jobId"] == "1"
    backend.control.advance(10)
    assert [job["status"] for job in amplify.list_jobs(**MAIN)["jobSummaries"]] == ["SUCCEED"]
    with pytest.raises(amplify.exceptions.NotFoundException):
        amplify.start_job(**MAIN, jobType="RETRY", jobId="9")


# Tags


def test_tags_of_apps_and_branches(amplify: Any) -> None:
    amplify.create_branch(appId=APP, branchName="feature/x")
    for arn in (ARN, f"{ARN}/branches/feature/x"):
        amplify.tag_resource(resourceArn=arn, tags={"team": "web", "note": "Größe 1 @ 2"})
        amplify.tag_resource(resourceArn=arn, tags={"team": "ops"})
        assert amplify.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "ops", "note": "Größe 1 @ 2"}
        amplify.untag_resource(resourceArn=arn, tagKeys=["note", "unknown"])
        assert amplify.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "ops"}
    assert amplify.get_app(appId=APP)["app"]["tags"] == {"team": "ops"}


def test_tags_of_an_app_can_lag_behind(amplify: Any, backend: Any) -> None:
    def listed() -> dict[str, str]:
        tags: dict[str, str] = amplify.list_tags_for_resource(resourceArn=ARN)["tags"]
        return tags

    backend.control.set(tag_lag_seconds=5)
    amplify.tag_resource(resourceArn=ARN, tags={"team": "web"})
    backend.control.advance(3)
    amplify.tag_resource(resourceArn=ARN, tags={"team": "ops"})
    assert listed() == {}
    backend.control.advance(2)
    assert listed() == {"team": "web"}
    amplify.untag_resource(resourceArn=ARN, tagKeys=["team"])
    backend.control.advance(3)
    assert listed() == {"team": "ops"}
    backend.control.advance(2)
    assert listed() == {}


def test_a_resource_has_at_most_50_tags(amplify: Any) -> None:
    amplify.tag_resource(resourceArn=ARN, tags={f"k{number}": "v" for number in range(50)})
    with pytest.raises(amplify.exceptions.BadRequestException, match="at most 50 tags, and this would be 51"):
        amplify.tag_resource(resourceArn=ARN, tags={"one-more": "v"})
    amplify.tag_resource(resourceArn=ARN, tags={"k1": "changed"})
    assert len(amplify.list_tags_for_resource(resourceArn=ARN)["tags"]) == 50


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"aws:x": "v"}, "AWS' own"),
        ({"AWS:x": "v"}, "AWS' own"),
        ({"a b": "v"}, "Tag keys"),
        ({"ä": "v"}, "Tag keys"),
        ({"k": "a\nb"}, "The value of tag k"),
        ({"k": "a*b"}, "The value of tag k"),
        ({"k": "\x00"}, "The value of tag k"),
    ],
)
def test_a_tag_has_aws_characters(amplify: Any, tags: dict[str, str], says: str) -> None:
    with pytest.raises(amplify.exceptions.BadRequestException, match=says):
        amplify.tag_resource(resourceArn=ARN, tags=tags)
    assert amplify.list_tags_for_resource(resourceArn=ARN)["tags"] == {}
    with pytest.raises(amplify.exceptions.BadRequestException, match=says):
        amplify.create_app(name="mine", tags=tags)


@pytest.mark.parametrize("length", [256, 257])
def test_a_tag_value_has_at_most_256_characters(amplify: Any, length: int) -> None:
    tags = {"k" * 128: "v" * length}
    if length == 256:
        amplify.tag_resource(resourceArn=ARN, tags=tags)
        assert amplify.list_tags_for_resource(resourceArn=ARN)["tags"] == tags
    else:
        with pytest.raises(ClientError, match="at most 256"):
            amplify.tag_resource(resourceArn=ARN, tags=tags)


@pytest.mark.parametrize("arn", [f"{ARN}x", f"{ARN}/branches/none", ARN.replace("us-east-1", "eu-west-1")])
def test_tags_of_what_is_not_there(amplify: Any, arn: str) -> None:
    with pytest.raises(amplify.exceptions.ResourceNotFoundException) as refusal:
        amplify.list_tags_for_resource(resourceArn=arn)
    assert refusal.value.response["code"] == "ResourceNotFoundException"


# Pages, and what is not built


def test_lists_come_in_pages(amplify: Any, backend: LocalAmplifyBackend) -> None:
    backend.control.seed(apps=[f"d{number:02}" for number in range(7)])
    backend.control.seed_app(APP, *[f"e{number}" for number in range(4)])
    amplify.create_branch(**MAIN)
    for number in range(12):
        backend.control.seed(apps=[{"app_id": APP, "branches": [{"name": "main", "jobs": [{"age_seconds": number}]}]}])

    def pages(call: Any, member: str, **options: Any) -> list[int]:
        # By hand: botocore has no paginator for environments.
        sizes: list[int] = []
        token: dict[str, str] = {}
        while True:
            page = call(**options, **token, maxResults=3)
            sizes.append(len(page[member]))
            if "nextToken" not in page:
                return sizes
            token = {"nextToken": page["nextToken"]}

    assert pages(amplify.list_apps, "apps") == [3, 3, 2]
    assert pages(amplify.list_backend_environments, "backendEnvironments", appId=APP) == [3, 2]
    assert pages(amplify.list_jobs, "jobSummaries", **MAIN) == [3, 3, 3, 3]
    ids = [job["jobId"] for job in amplify.list_jobs(**MAIN)["jobSummaries"]]
    assert ids == [str(number) for number in range(1, 13)]
    with pytest.raises(amplify.exceptions.BadRequestException, match="nextToken"):
        amplify.list_apps(nextToken="made up")


@pytest.mark.parametrize("operation", sorted(set(service_model("amplify").operation_names) - set(HANDLERS)))
def test_what_is_not_built_says_so(amplify: Any, operation: str) -> None:
    from botocore import xform_name

    shape = service_model("amplify").operation_model(operation).input_shape
    assert shape is not None
    given = {name: _plain(shape.members[name]) for name in shape.required_members}
    with pytest.raises(ClientError, match=f"{operation} is not built") as refusal:
        getattr(amplify, xform_name(operation))(**given)
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def _plain(shape: Any) -> Any:
    if shape.type_name == "list":
        return [{"prefix": "x", "branchName": "main"}]
    return shape.metadata["enum"][0] if "enum" in shape.metadata else "d1"
