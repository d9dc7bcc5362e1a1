"""Clients that nobody here wrote: aiobotocore and the AWS CLI (boto3 is in all other tests; js/ has JavaScript)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP

STAGING = {"AppId": APP, "BackendEnvironmentName": "staging"}
CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def test_the_life_of_an_environment_with_aiobotocore(backend: LocalAmplifyBackend, auth_config: dict[str, Any]) -> None:
    session = pytest.importorskip("aiobotocore.session").get_session()

    async def wait(client: Any, answer: dict[str, Any]) -> None:
        backend.control.advance(60)
        where = {name: answer[name] for name in ("AppId", "BackendEnvironmentName", "JobId")}
        assert (await client.get_backend_job(**where))["Status"] == "COMPLETED"

    async def life() -> None:
        async with session.create_client(
            "amplifybackend", region_name="us-east-1", endpoint_url=backend.endpoint_url, **CREDENTIALS
        ) as client:
            copy = {"AppId": APP, "BackendEnvironmentName": "copy"}
            await wait(client, await client.clone_backend(**STAGING, TargetEnvironmentName="copy"))
            auth = {**copy, "ResourceName": "more"}
            await wait(client, await client.create_backend_auth(**auth, ResourceConfig=auth_config))
            assert (await client.get_backend_auth(**auth))["ResourceConfig"] == auth_config
            pages = client.get_paginator("list_backend_jobs").paginate(**copy, PaginationConfig={"PageSize": 1})
            assert {row["Operation"] async for page in pages for row in page["Jobs"]} == {
                "CloneBackend",
                "CreateBackendAuth",
            }
            await wait(client, await client.delete_backend(**copy))
            assert (await client.get_backend(AppId=APP))["BackendEnvironmentList"] == ["staging"]

    asyncio.run(life())


def test_the_neighbours_with_aiobotocore(backend: LocalAmplifyBackend) -> None:
    session = pytest.importorskip("aiobotocore.session").get_session()
    backend.control.lock(APP, "staging")

    async def signs() -> tuple[str, str]:
        options = {"region_name": "us-east-1", "endpoint_url": backend.endpoint_url, **CREDENTIALS}
        async with (
            session.create_client("amplify", **options) as amplify,
            session.create_client("cloudformation", **options) as stacks,
        ):
            app = (await amplify.get_app(appId=APP))["app"]
            shown = await amplify.get_backend_environment(appId=APP, environmentName="staging")
            policy = await stacks.get_stack_policy(StackName=shown["backendEnvironment"]["stackName"])
            return app["environmentVariables"]["GEN2_MIGRATION_ENVIRONMENT_NAME"], policy["StackPolicyBody"]

    variable, policy = asyncio.run(signs())
    assert variable == "staging"
    assert json.loads(policy)["Statement"][0]["Effect"] == "Deny"


def test_each_modelled_error_with_aiobotocore(backend: LocalAmplifyBackend) -> None:
    aio_session = pytest.importorskip("aiobotocore.session")
    from aiobotocore.config import AioConfig

    async def errors() -> None:
        async with aio_session.get_session().create_client(
            "amplifybackend",
            region_name="us-east-1",
            endpoint_url=backend.endpoint_url,
            config=AioConfig(retries={"total_max_attempts": 1}),
            **CREDENTIALS,
        ) as client:
            with pytest.raises(client.exceptions.BadRequestException) as bad:
                await client.clone_backend(**STAGING, TargetEnvironmentName="staging")
            assert "already exists" in bad.value.response["Message"]
            with pytest.raises(client.exceptions.NotFoundException) as missing:
                await client.get_backend(AppId="dnone")
            assert missing.value.response["ResourceType"] == "App"
            backend.control.add_fault("GetBackend", kind="throttle", times=1)
            with pytest.raises(client.exceptions.TooManyRequestsException) as throttled:
                await client.get_backend(AppId=APP)
            assert throttled.value.response["LimitType"]
            backend.control.add_fault("GetBackend", kind="timeout_before", times=1)
            with pytest.raises(client.exceptions.GatewayTimeoutException) as late:
                await client.get_backend(AppId=APP)
            assert late.value.response["Message"]

    asyncio.run(errors())


def aws_command() -> str | None:
    beside = Path(sys.executable).with_name("aws")
    return str(beside) if beside.exists() else shutil.which("aws")


@pytest.mark.skipif(aws_command() is None, reason="the AWS CLI is not installed (pip install awscli)")
class TestAwsCli:
    def run(
        self, service: LocalAmplifyBackend, *arguments: str, command: str = "amplifybackend"
    ) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = {
            **kept,
            **service.endpoint_variables,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        line = [str(aws_command()), command, *arguments]
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def answer(self, service: LocalAmplifyBackend, *arguments: str, command: str = "amplifybackend") -> dict[str, Any]:
        done = self.run(service, *arguments, command=command)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def test_the_neighbours(self, backend: LocalAmplifyBackend) -> None:
        self.run(backend, "update-app", "--app-id", APP, "--environment-variables", "A=1", command="amplify")
        app = self.answer(backend, "get-app", "--app-id", APP, command="amplify")["app"]
        assert app["environmentVariables"] == {"A": "1"}
        listed = self.answer(backend, "list-backend-environments", "--app-id", APP, command="amplify")
        (shown,) = listed["backendEnvironments"]
        stack = ["--stack-name", shown["stackName"]]
        protect = ["update-termination-protection", "--enable-termination-protection", *stack]
        assert self.answer(backend, *protect, command="cloudformation")["StackId"]
        (root,) = self.answer(backend, "describe-stacks", *stack, command="cloudformation")["Stacks"]
        assert root["EnableTerminationProtection"] is True

    def test_the_life_of_an_environment(self, backend: LocalAmplifyBackend) -> None:
        source = ("--app-id", APP, "--backend-environment-name", "staging")
        copy = ("--app-id", APP, "--backend-environment-name", "copy")
        job = self.answer(backend, "clone-backend", *source, "--target-environment-name", "copy")
        backend.control.advance(60)
        row = self.answer(backend, "get-backend-job", *copy, "--job-id", job["JobId"])
        assert row["Status"] == "COMPLETED"
        meta = json.loads(self.answer(backend, "get-backend", *copy)["AmplifyMetaConfig"])
        assert meta["auth"]["main"]["output"]["UserPoolId"]
        assert self.answer(backend, "delete-backend", *copy)["Status"] == "PENDING"
        backend.control.advance(60)
        listed = self.answer(backend, "list-backend-jobs", *copy)["Jobs"]
        assert {job["Operation"] for job in listed} == {"CloneBackend", "DeleteBackend"}
        assert self.answer(backend, "get-backend", "--app-id", APP)["BackendEnvironmentList"] == ["staging"]

    @pytest.mark.parametrize(
        ("kind", "app", "code"),
        [
            ("throttle", APP, "TooManyRequestsException"),
            ("timeout_before", APP, "GatewayTimeoutException"),
            (None, "dnone", "NotFoundException"),
        ],
    )
    def test_a_modelled_error(self, backend: LocalAmplifyBackend, kind: str | None, app: str, code: str) -> None:
        if kind:
            backend.control.add_fault("GetBackend", kind=kind)
        done = self.run(backend, "get-backend", "--app-id", app)
        assert done.returncode != 0
        assert code in done.stderr

    def test_a_bad_request(self, backend: LocalAmplifyBackend) -> None:
        done = self.run(
            backend, "clone-backend", "--app-id", APP, "--backend-environment-name", "staging",
            "--target-environment-name", "staging",
        )  # fmt: skip
        assert done.returncode != 0
        assert "BadRequestException" in done.stderr
        assert "already exists" in done.stderr
