"""Other AWS services from moto, on the same endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import auth

pytest.importorskip("moto")
pytest.importorskip("a2wsgi")
pytest.importorskip("flask_cors")

STAGING = {"AppId": "d1", "BackendEnvironmentName": "staging"}


@pytest.fixture(scope="module")
def running() -> Iterator[LocalAmplifyBackend]:
    with LocalAmplifyBackend(with_moto=True, job_seconds=1) as service:
        yield service


@pytest.fixture
def everything(running: LocalAmplifyBackend) -> LocalAmplifyBackend:
    running.control.reset()
    running.control.seed_app("d1", {"name": "staging", "auth": {"main": None}, "storage": {"files": None}})
    return running


def outputs(service: LocalAmplifyBackend, kind: str, name: str, **options: Any) -> dict[str, str]:
    answer = service.client(**options).get_backend(**STAGING)
    found: dict[str, str] = json.loads(answer["AmplifyMetaConfig"])[kind][name]["output"]
    return found


def role_credentials(service: LocalAmplifyBackend, account: str) -> dict[str, str]:
    answer = service.client("sts").assume_role(RoleArn=f"arn:aws:iam::{account}:role/airflow", RoleSessionName="test")[
        "Credentials"
    ]
    return {
        "aws_access_key_id": answer["AccessKeyId"],
        "aws_secret_access_key": answer["SecretAccessKey"],
        "aws_session_token": answer["SessionToken"],
    }


def test_the_pools_that_outputs_name_exist(everything: LocalAmplifyBackend) -> None:
    auth = outputs(everything, "auth", "main")
    idp = everything.client("cognito-idp")
    pool = idp.describe_user_pool(UserPoolId=auth["UserPoolId"])["UserPool"]
    assert (pool["Id"], pool["Arn"], pool["Name"]) == (auth["UserPoolId"], auth["UserPoolArn"], auth["UserPoolName"])
    for client_id in (auth["AppClientID"], auth["AppClientIDWeb"]):
        found = idp.describe_user_pool_client(UserPoolId=pool["Id"], ClientId=client_id)
        assert found["UserPoolClient"]["ClientId"] == client_id
    identity = everything.client("cognito-identity").describe_identity_pool(IdentityPoolId=auth["IdentityPoolId"])
    assert identity["CognitoIdentityProviders"][0]["ProviderName"].endswith(pool["Id"])


def test_users_can_be_made_in_the_pool(everything: LocalAmplifyBackend) -> None:
    pool = outputs(everything, "auth", "main")["UserPoolId"]
    idp = everything.client("cognito-idp")
    idp.admin_create_user(UserPoolId=pool, Username="ann")
    assert [user["Username"] for user in idp.list_users(UserPoolId=pool)["Users"]] == ["ann"]


def test_the_bucket_exists_and_keeps_strange_keys(everything: LocalAmplifyBackend) -> None:
    bucket = outputs(everything, "storage", "files")["BucketName"]
    s3 = everything.client("s3")
    key = "a b/ü+c%2F.txt"
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * 100_000)
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"] == key
    assert len(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) == 100_000


def test_amplifybackend_lists_buckets_made_elsewhere(everything: LocalAmplifyBackend) -> None:
    everything.client("s3").create_bucket(Bucket="by-hand")
    buckets = everything.client().list_s3_buckets()["Buckets"]
    assert "by-hand" in [bucket["Name"] for bucket in buckets]


def test_what_a_clone_makes_exists_and_goes_with_it(everything: LocalAmplifyBackend) -> None:
    client, idp = everything.client(), everything.client("cognito-idp")

    def pools() -> set[str]:
        return {pool["Id"] for pool in idp.list_user_pools(MaxResults=10)["UserPools"]}

    before = pools()
    client.clone_backend(**STAGING, TargetEnvironmentName="copy")
    everything.control.advance(5)
    assert len(pools() - before) == 1
    client.delete_backend(AppId="d1", BackendEnvironmentName="copy")
    everything.control.advance(5)
    assert pools() == before


def test_an_assumed_role_acts_in_its_own_account(everything: LocalAmplifyBackend) -> None:
    credentials = role_credentials(everything, "111122223333")
    assert everything.client("sts", **credentials).get_caller_identity()["Account"] == "111122223333"
    client = everything.client(**credentials)
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_backend(AppId="d1")
    everything.control.seed_app("d1", {"name": "staging", "auth": {"main": None}}, account="111122223333")
    assert ":111122223333:" in outputs(everything, "auth", "main", **credentials)["UserPoolArn"]
    pool = outputs(everything, "auth", "main", **credentials)["UserPoolId"]
    assert everything.client("cognito-idp", **credentials).describe_user_pool(UserPoolId=pool)


def test_a_web_identity_can_assume_a_role(everything: LocalAmplifyBackend) -> None:
    answer = everything.client("sts").assume_role_with_web_identity(
        RoleArn="arn:aws:iam::123456789012:role/airflow", RoleSessionName="test", WebIdentityToken="token"
    )["Credentials"]
    client = everything.client(aws_access_key_id=answer["AccessKeyId"], aws_secret_access_key="x")
    assert client.get_backend(AppId="d1")["BackendEnvironmentList"] == ["staging"]


def test_a_12_digit_access_key_is_the_same_account_in_moto(everything: LocalAmplifyBackend) -> None:
    mine = everything.client("s3", aws_access_key_id="222233334444")
    mine.create_bucket(Bucket="mine")
    assert [bucket["Name"] for bucket in mine.list_buckets()["Buckets"]] == ["mine"]


def test_one_endpoint_variable_is_enough(everything: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", everything.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    session = boto3.session.Session()
    assert session.client("amplifybackend").get_backend(AppId="d1")["AppName"] == "d1"
    assert session.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert session.client("s3").list_buckets()["Buckets"]


def test_a_job_survives_what_users_do_in_moto(everything: LocalAmplifyBackend) -> None:
    pool = outputs(everything, "auth", "main")["UserPoolId"]
    everything.client("cognito-idp").delete_user_pool(UserPoolId=pool)
    client = everything.client()
    answer = client.delete_backend(**STAGING)
    everything.control.advance(5)
    assert client.get_backend_job(**STAGING, JobId=answer["JobId"])["Status"] == "COMPLETED"


def test_reset_empties_moto_too(everything: LocalAmplifyBackend) -> None:
    everything.control.reset()
    assert everything.client("s3").list_buckets()["Buckets"] == []


def test_a_native_client_has_the_secret_that_the_outputs_name(everything: LocalAmplifyBackend) -> None:
    everything.control.set(native_client_secret=True)
    everything.control.seed_app("d1", {"name": "with-secret", "auth": {"main": None}})
    meta = json.loads(
        everything.client().get_backend(AppId="d1", BackendEnvironmentName="with-secret")["AmplifyMetaConfig"]
    )
    auth = meta["auth"]["main"]["output"]
    idp = everything.client("cognito-idp")

    def secret(client_id: str) -> str | None:
        found = idp.describe_user_pool_client(UserPoolId=auth["UserPoolId"], ClientId=client_id)["UserPoolClient"]
        held: str | None = found.get("ClientSecret")
        return held

    assert secret(auth["AppClientID"]) == auth["AppClientSecret"]
    assert secret(auth["AppClientIDWeb"]) is None


def test_a_job_that_moto_refuses_fails(everything: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.cognitoidp.models import CognitoIdpBackend

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no pool today")

    monkeypatch.setattr(CognitoIdpBackend, "create_user_pool", refuse)
    config = auth(UserPoolName="p")
    client = everything.client()
    job = client.create_backend_auth(**STAGING, ResourceName="more", ResourceConfig=config)["JobId"]
    everything.control.advance(60)
    row = client.get_backend_job(**STAGING, JobId=job)
    assert row["Status"] == "FAILED"
    assert "no pool today" in row["Error"]
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_backend_auth(**STAGING, ResourceName="more")


def buckets(service: LocalAmplifyBackend) -> list[str]:
    return [bucket["Name"] for bucket in service.client("s3").list_buckets()["Buckets"]]


@pytest.fixture
def alone(running: LocalAmplifyBackend) -> Iterator[None]:
    """No service with moto runs in this process: the one of the other tests is stopped meanwhile."""
    running.stop()
    yield
    running.start()


@pytest.mark.usefixtures("alone")
def test_a_service_begins_with_nothing_in_moto_from_one_that_has_stopped() -> None:
    with LocalAmplifyBackend(with_moto=True) as first:
        first.client("s3").create_bucket(Bucket="ours")
        first.client("s3", aws_access_key_id="999999999999").create_bucket(Bucket="of-another-account")
        first.control.seed_app("d1", {"name": "staging", "auth": {"main": None}, "storage": {"files": None}})
    with LocalAmplifyBackend(with_moto=True) as second:
        assert buckets(second) == []
        assert second.client("s3", aws_access_key_id="999999999999").list_buckets()["Buckets"] == []
        assert second.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"] == []
        assert second.client("cloudformation").describe_stacks()["Stacks"] == []
        second.client("s3").create_bucket(Bucket="ours")


@pytest.mark.usefixtures("alone")
def test_a_service_that_is_started_again_has_in_moto_what_it_had() -> None:
    service = LocalAmplifyBackend(with_moto=True).start()
    service.client("s3").create_bucket(Bucket="ours")
    service.stop()
    with service:
        assert buckets(service) == ["ours"]


@pytest.mark.usefixtures("alone")
def test_two_at_a_time_share_moto_and_neither_takes_it_from_the_other() -> None:
    with LocalAmplifyBackend(with_moto=True) as first:
        first.client("s3").create_bucket(Bucket="ours")
        with LocalAmplifyBackend(with_moto=True) as second:
            assert buckets(second) == ["ours"]
        with LocalAmplifyBackend(with_moto=True) as third:
            assert buckets(third) == buckets(first) == ["ours"]


@pytest.mark.usefixtures("alone")
def test_what_a_mock_of_moto_has_made_stays_when_a_service_starts() -> None:
    from moto import mock_aws

    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="of-the-test")
        with LocalAmplifyBackend(with_moto=True) as service:
            assert buckets(service) == ["of-the-test"]
