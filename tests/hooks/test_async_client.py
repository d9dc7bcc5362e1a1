"""The triggerer's client: what blocks runs in a thread."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.loaders import JSONFileLoader

from airflow_provider_amplifybackend.hooks import _async_client as async_client
from airflow_provider_amplifybackend.hooks._async_client import PlainFiles, ThreadedCredentials, create_client
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP


def test_a_client_answers_as_boto3_does(service: LocalAmplifyBackend) -> None:
    async def look() -> Any:
        async with AsyncExitStack() as stack:
            client = await create_client(stack, aws_conn_id="aws_default", config={"user_agent_extra": "ours"})
            assert "ours" in client.meta.config.user_agent_extra
            return await client.get_backend(AppId=APP)

    assert asyncio.run(look())["BackendEnvironmentList"] == ["staging"]
    assert service.control.journal("GetBackend")[0]["account"] == "123456789012"


def test_the_async_connection_of_the_hook_works_too(service: LocalAmplifyBackend) -> None:
    async def look() -> Any:
        async with await AmplifyBackendHook().get_async_conn() as client:  # type: ignore[no-untyped-call]
            return await client.get_backend(AppId=APP)

    assert asyncio.run(look())["AppName"] == "shop"


def test_clients_share_one_loader_of_botocores_data(service: LocalAmplifyBackend) -> None:
    assert async_client.warmed_loader() is async_client.warmed_loader()


@pytest.mark.parametrize(
    "region", ["us-east-1", "eu-central-1", "eu-north-9", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "aws-global"]
)
@pytest.mark.parametrize("variant", [{}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}], ids=str)
def test_the_endpoints_that_are_kept_lead_where_all_of_botocores_do(region: str, variant: dict[str, Any]) -> None:
    def client(session: botocore.session.Session) -> Any:
        return session.create_client(
            "amplifybackend",
            region_name=region,
            config=Config(**variant),
            aws_access_key_id="k",
            aws_secret_access_key="s",
        )

    trimmed = botocore.session.Session()
    trimmed.register_component("data_loader", async_client.warmed_loader())
    metas = [client(session).meta for session in (trimmed, botocore.session.Session())]
    ours, theirs = [(meta.endpoint_url, meta.region_name, meta.partition) for meta in metas]
    assert ours == theirs


@pytest.mark.parametrize("name", ["endpoints", "partitions", "amplifybackend/2020-08-11/service-2", "no-such-file"])
def test_data_files_are_read_as_botocore_reads_them_in_the_same_order(name: str) -> None:
    path = Path(botocore.__file__).parent / "data" / name
    read = [json.dumps(reader.load_file(str(path))) for reader in (PlainFiles(), JSONFileLoader())]
    assert read[0] == read[1]


def test_of_the_endpoints_of_all_services_only_ours_are_kept() -> None:
    partitions = async_client.warmed_loader().load_data("endpoints")["partitions"]
    assert {name for partition in partitions for name in partition["services"]} == {"amplifybackend"}


def refreshable(valid: timedelta, refreshed_by: list[int]) -> RefreshableCredentials:
    def metadata(key: str, left: timedelta) -> dict[str, str]:
        expires = (datetime.now(tz=UTC) + left).isoformat()
        return {"access_key": key, "secret_key": "s", "token": "t", "expiry_time": expires}

    def refresh() -> dict[str, str]:
        refreshed_by.append(threading.get_ident())
        return metadata("new", timedelta(hours=1))

    made: RefreshableCredentials = RefreshableCredentials.create_from_metadata(
        metadata("old", valid), refresh_using=refresh, method="assume-role"
    )
    return made


def frozen(credentials: Credentials) -> Any:
    return asyncio.run(ThreadedCredentials(credentials).get_frozen_credentials())


def test_credentials_are_refreshed_off_the_event_loop() -> None:
    refreshed_by: list[int] = []
    credentials = refreshable(timedelta(seconds=30), refreshed_by)
    assert frozen(credentials).access_key == "new"
    assert len(refreshed_by) == 1
    assert refreshed_by != [threading.get_ident()]
    assert frozen(credentials).access_key == "new"
    assert len(refreshed_by) == 1


def test_credentials_that_hold_need_no_thread() -> None:
    refreshed_by: list[int] = []
    assert frozen(refreshable(timedelta(hours=1), refreshed_by)).access_key == "old"
    assert not refreshed_by


def test_plain_credentials_are_used_as_they_are() -> None:
    assert frozen(Credentials("key", "secret")).access_key == "key"
