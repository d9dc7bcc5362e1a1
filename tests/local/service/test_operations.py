"""Every operation, through real boto3."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.service.operations import HANDLERS
from airflow_provider_amplifybackend.local.service.settings import JOB_SECONDS
from tests.botocore_model import answer_of
from tests.samples import APP

STAGING = {"AppId": APP, "BackendEnvironmentName": "staging"}
Finish = Callable[[dict[str, Any]], dict[str, Any]]


def meta_of(client: Any, environment: str = "staging") -> dict[str, Any]:
    answer = client.get_backend(AppId=APP, BackendEnvironmentName=environment)
    meta: dict[str, Any] = json.loads(answer["AmplifyMetaConfig"])
    return meta


def test_all_operations_of_the_newest_model_are_there() -> None:
    model = botocore.session.get_session().get_service_model("amplifybackend")
    assert set(HANDLERS) == set(model.operation_names)
    with_job = {name for name in model.operation_names if "JobId" in answer_of(name)}
    assert with_job - {"GetBackendJob", "UpdateBackendJob"} == set(JOB_SECONDS)


def test_create_backend_makes_a_new_app_known(client: Any, finish: Finish) -> None:
    answer = client.create_backend(AppId="dnew", AppName="new", BackendEnvironmentName="dev", ResourceConfig={})
    assert answer["Status"] == "PENDING"
    assert answer["Operation"] == "CreateBackend"
    assert finish(answer)["Status"] == "COMPLETED"
    found = client.get_backend(AppId="dnew")
    assert (found["AppName"], found["BackendEnvironmentList"]) == ("new", ["dev"])
    assert "AmplifyMetaConfig" not in found


def test_a_clone_is_empty_until_it_completes_and_then_has_everything(client: Any, finish: Finish) -> None:
    answer = client.clone_backend(**STAGING, TargetEnvironmentName="copy")
    assert answer["BackendEnvironmentName"] == "copy"
    assert set(meta_of(client, "copy")) == {"providers"}
    assert finish(answer)["Status"] == "COMPLETED"
    source, copy = meta_of(client), meta_of(client, "copy")
    assert set(copy) == {"providers", "auth", "api", "storage"}
    assert copy["auth"]["main"]["output"]["UserPoolId"] != source["auth"]["main"]["output"]["UserPoolId"]
    config = client.get_backend_auth(AppId=APP, BackendEnvironmentName="copy", ResourceName="main")["ResourceConfig"]
    assert config == client.get_backend_auth(**STAGING, ResourceName="main")["ResourceConfig"]


def test_the_meta_config_has_the_real_shape(client: Any) -> None:
    answer = client.get_backend(**STAGING)
    meta = json.loads(answer["AmplifyMetaConfig"])
    cloud = meta["providers"]["awscloudformation"]
    assert cloud["AmplifyAppId"] == APP
    assert cloud["StackId"].startswith("arn:aws:cloudformation:us-east-1:123456789012:stack/amplify-shop-staging-")
    auth = meta["auth"]["main"]["output"]
    assert auth["UserPoolId"].startswith("us-east-1_")
    assert auth["UserPoolArn"].endswith(auth["UserPoolId"])
    assert {"AppClientID", "AppClientIDWeb", "IdentityPoolId"} <= set(auth)
    assert meta["api"]["graph"]["service"] == "AppSync"
    assert meta["api"]["graph"]["output"]["GraphQLAPIKeyOutput"].startswith("da2-")
    assert meta["storage"]["files"]["output"]["Region"] == "us-east-1"
    assert json.loads(answer["AmplifyFeatureFlags"])["features"]


def test_a_delete_removes_when_its_job_completes(client: Any, finish: Finish) -> None:
    answer = client.delete_backend(**STAGING)
    assert "Operation" not in answer, "as in the real answer of amplify-hosting#2369"
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == ["staging"]
    assert finish(answer)["Status"] == "COMPLETED", "the job outlives its environment"
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == []
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_backend(**STAGING)


def test_an_environment_created_again_has_other_ids(client: Any, finish: Finish) -> None:
    before = meta_of(client)["providers"]
    finish(client.delete_backend(**STAGING))
    finish(client.create_backend(**STAGING, AppName="shop"))
    assert meta_of(client)["providers"] != before


def test_remove_all_backends(backend: LocalAmplifyBackend, client: Any, finish: Finish) -> None:
    backend.control.seed_app(APP, "other")
    answer = client.remove_all_backends(AppId=APP)
    assert "BackendEnvironmentName" not in answer
    assert finish({**answer, "BackendEnvironmentName": "other"})["Status"] == "COMPLETED"
    assert finish(answer)["BackendEnvironmentName"] == "staging"
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == []


def test_remove_all_backends_can_take_the_app_along(client: Any, finish: Finish) -> None:
    assert finish(client.remove_all_backends(AppId=APP, CleanAmplifyApp=True))["Status"] == "COMPLETED"
    with pytest.raises(client.exceptions.NotFoundException) as refusal:
        client.get_backend(AppId=APP)
    assert refusal.value.response["ResourceType"] == "App"


def test_auth_through_its_life(client: Any, finish: Finish, auth_config: dict[str, Any]) -> None:
    where = {**STAGING, "ResourceName": "second"}
    finish(client.create_backend_auth(**where, ResourceConfig=auth_config))
    assert client.get_backend_auth(**where)["ResourceConfig"] == auth_config
    change = {
        "AuthResources": "USER_POOL_ONLY",
        "Service": "COGNITO",
        "UserPoolConfigs": {"PasswordPolicy": {"MinimumLength": 20.0}},
    }
    finish(client.update_backend_auth(**where, ResourceConfig=change))
    pool = client.get_backend_auth(**where)["ResourceConfig"]["UserPoolConfigs"]
    assert pool["PasswordPolicy"] == {"AdditionalConstraints": ["REQUIRE_DIGIT"], "MinimumLength": 20.0}
    assert pool["SignInMethod"] == "EMAIL"
    assert "IdentityPoolId" not in meta_of(client)["auth"]["second"]["output"]
    finish(client.delete_backend_auth(**where))
    with pytest.raises(client.exceptions.NotFoundException) as refusal:
        client.get_backend_auth(**where)
    assert refusal.value.response["ResourceType"] == "BackendAuth"


def test_imported_auth_keeps_its_ids_also_in_a_clone(client: Any, finish: Finish) -> None:
    ids = {"UserPoolId": "us-east-1_Mine", "NativeClientId": "n", "WebClientId": "w", "IdentityPoolId": "i"}
    finish(client.import_backend_auth(**STAGING, **ids))
    (name,) = set(meta_of(client)["auth"]) - {"main"}
    entry = meta_of(client)["auth"][name]
    assert entry["serviceType"] == "imported"
    assert entry["output"]["UserPoolId"] == "us-east-1_Mine"
    assert entry["output"]["AppClientIDWeb"] == "w"
    config = client.get_backend_auth(**STAGING, ResourceName=name)["ResourceConfig"]
    assert config["AuthResources"] == "IDENTITY_POOL_AND_USER_POOL"
    finish(client.clone_backend(**STAGING, TargetEnvironmentName="copy"))
    assert meta_of(client, "copy")["auth"][name]["output"] == entry["output"]


def test_api_and_models_through_their_life(client: Any, finish: Finish, api_config: dict[str, Any]) -> None:
    where = {**STAGING, "ResourceName": "notes"}
    finish(client.create_backend_api(**where, ResourceConfig=api_config))
    assert client.get_backend_api(**where)["ResourceConfig"] == api_config
    assert client.get_backend_api_models(**where)["Status"] == "STALE"
    finish(client.generate_backend_api_models(**where))
    models = client.get_backend_api_models(**where)
    assert models["Status"] == "LATEST"
    assert json.loads(models["Models"])["models"]["Note"]["fields"]["id"]["isRequired"] is True
    assert "Note" in json.loads(models["ModelIntrospectionSchema"])["models"]
    finish(client.update_backend_api(**where, ResourceConfig={"TransformSchema": "type Other @model { id: ID! }"}))
    assert client.get_backend_api(**where)["ResourceConfig"]["ApiName"] == "notes"
    assert client.get_backend_api_models(**where)["Status"] == "STALE"
    finish(client.delete_backend_api(**where))
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_backend_api(**where)


def test_an_api_without_api_keys_has_no_key_output(client: Any, finish: Finish, api_config: dict[str, Any]) -> None:
    api_config["DefaultAuthType"] = {"Mode": "AWS_IAM"}
    finish(client.create_backend_api(**STAGING, ResourceName="iam", ResourceConfig=api_config))
    assert "GraphQLAPIKeyOutput" not in meta_of(client)["api"]["iam"]["output"]


def test_storage_through_its_life(client: Any, finish: Finish, storage_config: dict[str, Any]) -> None:
    where = {**STAGING, "ResourceName": "shopfiles"}
    answer = client.create_backend_storage(**where, ResourceConfig=storage_config)
    assert set(answer) == {"AppId", "BackendEnvironmentName", "JobId", "Status", "ResponseMetadata"}
    finish(answer)
    config = client.get_backend_storage(**where)["ResourceConfig"]
    assert config == {**storage_config, "Imported": False}
    assert "shop-files" in [bucket["Name"] for bucket in client.list_s3_buckets()["Buckets"]]
    permissions = {"Authenticated": ["CREATE_AND_UPDATE"]}
    finish(client.update_backend_storage(**where, ResourceConfig={"Permissions": permissions, "ServiceName": "S3"}))
    assert client.get_backend_storage(**where)["ResourceConfig"]["Permissions"] == permissions
    finish(client.delete_backend_storage(**where, ServiceName="S3"))
    assert "shop-files" not in [bucket["Name"] for bucket in client.list_s3_buckets()["Buckets"]]


def test_imported_storage(client: Any, finish: Finish) -> None:
    finish(client.import_backend_storage(**STAGING, BucketName="theirs", ServiceName="S3"))
    (name,) = set(meta_of(client)["storage"]) - {"files"}
    config = client.get_backend_storage(**STAGING, ResourceName=name)["ResourceConfig"]
    assert (config["BucketName"], config["Imported"]) == ("theirs", True)


def test_buckets_come_in_pages(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.seed(buckets=[f"bucket-{number}" for number in range(5)])
    backend.control.set(bucket_page_size=3)
    names: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = client.list_s3_buckets(**token)
        names += [bucket["Name"] for bucket in page["Buckets"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert len(names) == len(set(names)) == 7, "five seeded, one of the storage, one for deployment"


def test_admin_config_through_its_life(client: Any, finish: Finish) -> None:
    answer = client.create_backend_config(AppId=APP, BackendManagerAppId="dmanager")
    assert answer["BackendEnvironmentName"] == "staging", "only the answer names where its job lives"
    assert finish(answer)["Operation"] == "CreateBackendConfig"
    login = {"AwsUserPoolsId": "us-east-1_P", "AwsCognitoRegion": "us-east-1"}
    client.update_backend_config(AppId=APP, LoginAuthConfig=login)
    found = client.update_backend_config(AppId=APP)
    assert (found["BackendManagerAppId"], found["LoginAuthConfig"]) == ("dmanager", login)
    assert set(client.remove_backend_config(AppId=APP)) == {"ResponseMetadata"}
    with pytest.raises(client.exceptions.NotFoundException) as refusal:
        client.remove_backend_config(AppId=APP)
    assert refusal.value.response["ResourceType"] == "BackendConfig"


def test_tokens_expire_on_the_services_clock(backend: LocalAmplifyBackend, client: Any) -> None:
    token = client.create_token(AppId=APP)
    session = {"AppId": APP, "SessionId": token["SessionId"]}
    assert client.get_token(**session)["ChallengeCode"] == token["ChallengeCode"]
    assert int(token["Ttl"]) > backend.control.clock()["time"]
    backend.control.advance(backend.control.settings()["token_seconds"])
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_token(**session)


def test_a_deleted_token_is_gone(client: Any) -> None:
    session = {"AppId": APP, "SessionId": client.create_token(AppId=APP)["SessionId"]}
    assert client.delete_token(**session)["IsSuccess"] is True
    with pytest.raises(client.exceptions.NotFoundException):
        client.delete_token(**session)


def test_update_backend_job_ends_a_stuck_job(backend: LocalAmplifyBackend, client: Any, finish: Finish) -> None:
    backend.control.add_fault("DeleteBackend", kind="job_stuck", times=1)
    answer = client.delete_backend(**STAGING)
    assert finish(answer)["Status"] == "RUNNING"
    client.update_backend_job(**STAGING, JobId=answer["JobId"], Status="FAILED")
    assert finish(answer)["Status"] == "FAILED"
    client.delete_backend(**STAGING)
