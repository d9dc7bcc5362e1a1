"""Settings in the extra of a connection: worker and triggerer read them alike, and say at once what is wrong."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger
from tests.airflow_versions import MAKES_DAMAGED_CONNECTIONS
from tests.samples import APP

JOB = {"AppId": APP, "BackendEnvironmentName": "staging", "JobId": "j"}
Connect = Callable[..., None]
needs_damaged_connections = pytest.mark.skipif(
    not MAKES_DAMAGED_CONNECTIONS, reason="for this Airflow there is no connection then, which is an error already"
)


@pytest.fixture
def connect(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make the connection `odd`, with these members in its extra."""
    service.control.seed_app(APP, "staging", jobs=[{"environment": "staging", "job_id": "j", "status": "COMPLETED"}])

    def make(**extra: Any) -> None:
        usual = {"region_name": "us-east-1", "endpoint_url": service.endpoint_url}
        connection = {"conn_type": "aws", "login": "123456789012", "password": "hush-hush"}
        monkeypatch.setenv("AIRFLOW_CONN_ODD", json.dumps({**connection, "extra": usual | extra}))

    return make


def event_of_a_trigger(**parameters: Any) -> dict[str, Any]:
    """The event of a wait for a job that has ended; its deadline comes long after the first status check."""
    trigger = BackendJobTrigger(
        app_id=APP,
        environments=["staging"],
        job_id="j",
        deadline=time.time() + 20,
        waiter_delay=0.2,
        aws_conn_id="odd",
        connection_found=True,
        **parameters,
    )

    async def run() -> dict[str, Any]:
        async for event in trigger.run():
            payload: dict[str, Any] = event.payload
            return payload
        raise AssertionError("no event")

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"config_kwargs": "x"}, "config_kwargs is not valid JSON"),
        ({"config_kwargs": ["x"]}, "config_kwargs is a list: pass the keyword arguments"),
        ({"config_kwargs": 5}, "config_kwargs is a int: pass the keyword arguments"),
        ({"config_kwargs": {"read_timout": 7}}, "config_kwargs.read_timout is not an option of botocore's Config"),
        ({"config_kwargs": {"read_timeout": -1}}, "config_kwargs.read_timeout=-1 must be a number"),
        ({"config_kwargs": {"read_timeout": "x"}}, "config_kwargs.read_timeout='x' must be a number"),
        ({"config_kwargs": {"retries": {"mode": "odd"}}}, "config_kwargs is not accepted by botocore"),
        ({"config_kwargs": {"retries": {"max_attempts": "x"}}}, "config_kwargs.retries.max_attempts='x' must be"),
        ({"config_kwargs": {"client_cert": ["a", "b", "c"]}}, "config_kwargs.client_cert must be the path of a file"),
        ({"endpoint_url": "ftp://x"}, "endpoint_url='ftp://x' in the extra of the connection 'odd' must be an address"),
        ({"endpoint_url": "http://x:99999"}, "endpoint_url='http://x:99999' in the extra of the connection 'odd' must"),
        ({"region_name": "eu west 1"}, "region_name='eu west 1' in the extra of the connection 'odd' must be the name"),
        ({"endpoint_url": 5}, "endpoint_url=5 in the extra of the connection 'odd' must be a string"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_said_at_once_in_both_modes(connect: Connect, extra: dict[str, Any], said: str) -> None:
    connect(**extra)
    with pytest.raises(BackendParameterError) as refusal:
        AmplifyBackendHook(aws_conn_id="odd").call("GetBackendJob", JOB)
    assert said in str(refusal.value)
    assert "the connection 'odd'" in str(refusal.value)
    event = event_of_a_trigger()
    assert event["kind"] == "error"
    assert said in event["message"]


def test_a_signature_that_botocore_does_not_know_is_said_at_once(connect: Connect) -> None:
    connect(config_kwargs={"signature_version": "odd"})
    event = event_of_a_trigger()
    assert event["kind"] == "error"
    assert "config_kwargs.signature_version='odd' is not accepted; accepted values: " in event["message"]


@pytest.mark.parametrize(
    "config_kwargs",
    [{"read_timeout": "7"}, '{"read_timeout": 7}', {"read_timeout": 7, "retries": {"max_attempts": "3"}}],
    ids=str,
)
def test_a_number_may_be_a_text_and_a_dictionary_json(connect: Connect, config_kwargs: Any) -> None:
    connect(config_kwargs=config_kwargs)
    hook = AmplifyBackendHook(aws_conn_id="odd")
    config: Any = hook.config
    assert config.read_timeout == 7
    assert hook.call("GetBackendJob", JOB)["Status"] == "COMPLETED"
    assert event_of_a_trigger()["kind"] == "finished"


def test_a_botocore_config_of_the_task_stands_instead_of_whatever_the_connection_has(connect: Connect) -> None:
    connect(config_kwargs={"read_timout": 7})
    hook = AmplifyBackendHook(aws_conn_id="odd", config={"read_timeout": 9})
    config: Any = hook.config
    assert config.read_timeout == 9
    assert hook.call("GetBackendJob", JOB)["Status"] == "COMPLETED"


def test_an_address_with_a_password_is_shown_without_it(connect: Connect) -> None:
    connect(endpoint_url="ftp://user:hush-hush@x")
    with pytest.raises(BackendParameterError) as refusal:
        AmplifyBackendHook(aws_conn_id="odd").call("GetBackendJob", JOB)
    assert "hush" not in str(refusal.value)


@needs_damaged_connections
@pytest.mark.parametrize(
    "extra",
    [
        '{"region_name": "us-east-1", "amplifybackend": {"protected": ["hush"]},}',
        '{"role_arn": "hush"',
        "hush",
        '["hush"]',
        '"{}"',
        "null",
        "7",
    ],
    ids=lambda extra: extra[:20],
)
@pytest.mark.parametrize("form", ["JSON", "an address"])
def test_an_extra_that_is_no_object_is_not_taken_for_an_empty_one(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, service: LocalAmplifyBackend, extra: str, form: str
) -> None:
    connect()
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    address = f"aws://123456789012:hush-hush@/?{urlencode({'__extra__': extra})}"
    content = json.dumps({"conn_type": "aws", "login": "123456789012", "password": "hush-hush", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_ODD", address if form == "an address" else content)
    with pytest.raises(BackendParameterError) as refusal:
        AmplifyBackendHook(aws_conn_id="odd").call("GetBackendJob", JOB)
    assert str(refusal.value).startswith("the extra of the connection 'odd' is not a JSON object")
    assert "hush" not in str(refusal.value)
    event = event_of_a_trigger()
    assert (event["kind"], "the connection 'odd' is not a JSON object" in event["message"]) == ("error", True)


@pytest.mark.parametrize("extra", ["", None, "{}", pytest.param(" \n", marks=needs_damaged_connections), {}])
def test_an_extra_that_is_empty_sets_nothing(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, service: LocalAmplifyBackend, extra: Any
) -> None:
    connect()
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    connection = {"conn_type": "aws", "login": "123456789012", "password": "hush-hush", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_ODD", json.dumps(connection))
    hook = AmplifyBackendHook(aws_conn_id="odd")
    assert hook.call("GetBackendJob", JOB)["Status"] == "COMPLETED"
    assert hook.guard.protected_entries() == []
