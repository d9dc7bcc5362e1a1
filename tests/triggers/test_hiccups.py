"""What passes does not end a wait in the triggerer, and what does not pass is said at once."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend._compat import AirflowException, AirflowNotFoundException
from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError
from airflow_provider_amplifybackend.core.status_check import check_job
from airflow_provider_amplifybackend.exceptions import AmplifyBackendError, BackendRequestError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from airflow_provider_amplifybackend.triggers import _events as events
from airflow_provider_amplifybackend.triggers import _poller as poller
from tests.triggers.test_job_trigger import HOOK, Run, event_of, seed_job, trigger_for, until

OTHER_ACCOUNT = "999999999999"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[Any], list[str]]:
    """Lets a trigger log where the test can read it, and returns the lines, each with its level."""
    log = logging.getLogger("tests.hiccups")
    caplog.set_level("INFO", log.name)

    def read(trigger: Any) -> list[str]:
        trigger._log = log
        return [f"{record.levelname} {record.getMessage()}" for record in caplog.records if record.name == log.name]

    return read


# Connections


@pytest.mark.parametrize("conn_id", ["aws_default", "flaky"])
@pytest.mark.parametrize("own_credentials", [False, True])
def test_a_connection_that_cannot_be_looked_up_for_a_moment_is_waited_for(
    service: LocalAmplifyBackend, run: Run, monkeypatch: pytest.MonkeyPatch, conn_id: str, own_credentials: bool
) -> None:
    if own_credentials:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", OTHER_ACCOUNT)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", service.endpoint_url)
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    monkeypatch.delenv(variable, raising=False)
    ref = seed_job(service, "COMPLETED")

    async def come_back() -> dict[str, Any]:
        wait = asyncio.create_task(event_of(trigger_for(ref, aws_conn_id=conn_id, connection_found=True)))
        loop = asyncio.get_running_loop()
        await until(lambda: any(shared._failure for shared in poller._pollers.get(loop, {}).values()))
        monkeypatch.setenv(variable, connection_json(service.endpoint_url))
        return await wait

    assert events.job_of_event(run(come_back())).is_completed
    assert {entry["account"] for entry in service.control.journal()} == {"123456789012"}


def test_who_began_without_the_connection_stays_boto3s_own_identity(
    service: LocalAmplifyBackend, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": OTHER_ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": service.endpoint_url,
    }.items():
        monkeypatch.setenv(name, value)
    ref = seed_job(service, "COMPLETED")
    run(event_of(trigger_for(ref, connection_found=False, seconds=0.2)))
    assert {entry["account"] for entry in service.control.journal()} == {OTHER_ACCOUNT}


# Credentials


def test_credentials_that_cannot_be_had_for_a_moment_are_waited_for_and_the_log_says_so_once(
    service: LocalAmplifyBackend,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lines: Callable[[Any], list[str]],
) -> None:
    answer = {"Version": 1, "AccessKeyId": "123456789012", "SecretAccessKey": "any"}
    script = tmp_path / "credentials"
    script.write_text(
        f"#!/bin/sh\necho x >> {tmp_path}/asked\n[ $(wc -l < {tmp_path}/asked) -gt 3 ] || exit 1\n"
        f"echo '{json.dumps(answer)}'\n"
    )
    script.chmod(stat.S_IRWXU)
    config = tmp_path / "config"
    config.write_text(f"[profile ours]\ncredential_process = {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    extra = {"region_name": "us-east-1", "endpoint_url": service.endpoint_url, "profile_name": "ours"}
    monkeypatch.setenv("AIRFLOW_CONN_PROFILE", json.dumps({"conn_type": "aws", "extra": extra}))
    trigger = trigger_for(seed_job(service, "COMPLETED"), aws_conn_id="profile")
    lines(trigger)
    assert events.job_of_event(run(event_of(trigger))).is_completed
    assert len((tmp_path / "asked").read_text().splitlines()) > 3
    logged = lines(trigger)
    assert len(logged) == 2
    assert logged[0].startswith("WARNING Retrying after GetBackendJob: CredentialRetrievalError: ")
    assert "job job-1" in logged[0].rpartition(": ")[2]
    assert logged[1].startswith("INFO COMPLETED")


def test_many_waits_ask_for_a_missing_connection_no_more_than_one(
    service: LocalAmplifyBackend, run: Run, monkeypatch: pytest.MonkeyPatch, pace: Callable[..., None]
) -> None:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    pace(client_pause=60)
    refs = [seed_job(service, job_id=f"job-{number}") for number in range(20)]
    looked_up: list[str] = []

    def look_up(_: Any, conn_id: str) -> Any:
        looked_up.append(conn_id)
        raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")

    monkeypatch.setattr(AwsBaseHook, "get_connection", classmethod(look_up))

    async def wait_together() -> list[dict[str, Any]]:
        return await asyncio.gather(*(event_of(trigger_for(ref, aws_conn_id="nowhere", seconds=0.5)) for ref in refs))

    assert {event["kind"] for event in run(wait_together())} == {events.TIMEOUT}
    assert len(looked_up) == 1


# Settings


@pytest.mark.parametrize(
    ("options", "extra", "words"),
    [
        ({"verify": "/nowhere/ca.pem"}, {}, "verify='/nowhere/ca.pem' cannot be read as a CA bundle"),
        ({}, {"verify": "/nowhere/ca.pem"}, "in the extra of the connection 'wrong'"),
        ({"verify": os.devnull}, {}, "cannot be read as a CA bundle"),
        ({"verify": 3}, {}, "verify=3 must be true, false or the path"),
        ({"botocore_config": {"client_cert": ("/nowhere/cert", "/nowhere/key")}}, {}, "client_cert="),
        ({"botocore_config": {"client_cert": ["/nowhere/cert", "/nowhere/key"]}}, {}, "client_cert="),
        ({"botocore_config": {"client_cert": "/nowhere/cert"}}, {}, "client_cert='/nowhere/cert'"),
        ({"botocore_config": {"client_cert": 7}}, {}, "client_cert=7 must be"),
        ({}, {"config_kwargs": {"client_cert": ["/nowhere/cert", "/nowhere/key"]}}, "extra of the connection 'wrong'"),
        ({"region_name": "no region"}, {}, "no region"),
        ({}, {"endpoint_url": "nowhere"}, "nowhere"),
        ({}, {"config_kwargs": {"nonsense": 1}}, "nonsense"),
        ({}, {"role_arn": "arn:aws:iam::1:role/x", "assume_role_method": "nonsense"}, "nonsense"),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_used_is_said_at_once_in_both_modes(
    service: LocalAmplifyBackend,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    extra: dict[str, Any],
    words: str,
) -> None:
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

    monkeypatch.setenv("AIRFLOW_CONN_WRONG", connection_json(**{"endpoint_url": service.endpoint_url} | extra))
    # botocore_config as a parameter hides that of the connection.
    trigger = trigger_for(seed_job(service), aws_conn_id="wrong", **{"botocore_config": None} | options)
    with pytest.raises(BackendRequestError) as raised:
        events.job_of_event(run(event_of(trigger)))
    assert "Timed out" not in str(raised.value)
    assert words in str(raised.value)
    parameters = {"config" if name == "botocore_config" else name: value for name, value in options.items()}
    with pytest.raises((AmplifyBackendError, AirflowException, ValueError, NotImplementedError)) as on_worker:
        AmplifyBackendHook(aws_conn_id="wrong", **parameters).call("GetBackend", {"AppId": "d1"})
    assert words in str(on_worker.value)
    assert service.control.journal() == []


@pytest.mark.parametrize("verify", ["False", "false", " TRUE ", "", "None", True])
def test_a_setting_of_verify_may_be_a_text(
    service: LocalAmplifyBackend, run: Run, monkeypatch: pytest.MonkeyPatch, verify: Any
) -> None:
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

    monkeypatch.setenv("AIRFLOW_CONN_TEXT", connection_json(service.endpoint_url, verify=verify))
    trigger = trigger_for(seed_job(service, "COMPLETED"), aws_conn_id="text")
    assert events.job_of_event(run(event_of(trigger))).is_completed
    expected = {"false": False, "true": True}.get(str(verify).strip().lower())
    assert AmplifyBackendHook(aws_conn_id="text").verify is expected


# Clients


def test_requests_in_flight_do_not_suffer_from_anothers_expired_token(service: LocalAmplifyBackend, run: Run) -> None:
    refs = [seed_job(service, job_id=f"job-{number}") for number in range(50)]

    async def expire() -> list[Any]:
        async with poller.shared_poller(**HOOK | {"config": {"max_pool_connections": 60}}) as shared:
            await shared.run(check_job(refs[0]))
            await asyncio.sleep(timing.current().client_pause)
            await asyncio.to_thread(service.control.add_fault, "GetBackendJob", kind="delay", seconds=3, times=50)
            before = shared._client
            slow = [asyncio.create_task(shared.run(check_job(ref))) for ref in refs]
            await until(lambda: service.control.faults()[0]["used"] == 50)
            await asyncio.to_thread(
                service.control.add_fault, "GetBackendJob", kind="error", status=403, code="ExpiredToken", times=1
            )
            with pytest.raises(ServiceError) as raised:
                await shared.run(check_job(refs[0]))
            assert raised.value.kind is FaultKind.EXPIRED
            assert shared._client is None
            assert not any(task.done() for task in slow)
            assert (await shared.run(check_job(refs[0]))).status == "RUNNING"
            assert shared._client is not before
            return await asyncio.gather(*slow, return_exceptions=True)

    assert [getattr(seen, "status", seen) for seen in run(expire())] == ["RUNNING"] * 50


def test_a_client_that_is_refused_again_at_once_is_not_made_anew_for_each_look(
    service: LocalAmplifyBackend, run: Run, pace: Callable[..., None]
) -> None:
    pace(client_pause=60)
    service.control.add_fault("GetBackendJob", kind="error", status=403, code="InvalidSignatureException", times=5)
    ref = seed_job(service)

    async def ask_again() -> None:
        async with poller.shared_poller(**HOOK) as shared:
            clients = set()
            for _ in range(5):
                with pytest.raises(ServiceError):
                    await shared.run(check_job(ref))
                clients.add(shared._client)
            assert len(clients) == 1

    run(ask_again())


def test_a_quota_is_asked_once_and_ends_the_wait(service: LocalAmplifyBackend, run: Run) -> None:
    service.control.add_fault("GetBackendJob", kind="error", status=429, code="LimitExceededException", message="Full")
    ref = seed_job(service)
    for mode in ("legacy", "standard"):
        config = {"retries": {"mode": mode}}
        event = run(event_of(trigger_for(ref, botocore_config=config)))
        with pytest.raises(BackendRequestError, match=r"LimitExceededException: .* not shown.* This is a quota"):
            events.job_of_event(event)
    assert len(service.control.journal("GetBackendJob")) == 2


# When to look, and what to say meanwhile


@pytest.mark.parametrize("durations", [[], [90.0, 91.0, 89.0]])
def test_a_wait_that_has_moved_here_looks_at_once(
    service: LocalAmplifyBackend, run: Run, pace: Callable[..., None], durations: list[float]
) -> None:
    pace(first_check=3600)
    trigger = trigger_for(
        seed_job(service, "COMPLETED"),
        durations=durations,
        started=time.time() - 300,
        waiter_delay=3600,
        seconds=3600,
    )
    assert events.job_of_event(run(asyncio.wait_for(event_of(trigger), 60))).is_completed


def test_a_trigger_says_from_time_to_time_that_it_waits(
    service: LocalAmplifyBackend, run: Run, pace: Callable[..., None], lines: Callable[[Any], list[str]]
) -> None:
    pace(report_every=0.2)
    trigger = trigger_for(seed_job(service, seconds=3), durations=[222.0], waiter_delay=0.5, seconds=60)
    lines(trigger)
    run(event_of(trigger))
    reports = [line for line in lines(trigger) if "still waiting after " in line]
    assert len(reports) >= 2
    assert any(line.startswith("INFO RUNNING, still waiting after ") for line in reports)
    assert "such jobs usually take 3 min 42 s; timing out at " in reports[0]
    # A report that is due when the job has just ended knows that one, too.
    assert all("; such jobs usually take " in line and "; timing out at " in line for line in reports)
    assert all("(UpdateBackendAPI, app " in line.rpartition(": ")[2] for line in reports)


def test_a_trigger_logs_a_failed_job_as_a_warning(
    service: LocalAmplifyBackend, run: Run, lines: Callable[[Any], list[str]]
) -> None:
    trigger = trigger_for(seed_job(service, "FAILED"))
    lines(trigger)
    run(event_of(trigger))
    assert any(line.startswith("WARNING FAILED") for line in lines(trigger))


def test_one_who_stops_waiting_leaves_the_others_their_look(service: LocalAmplifyBackend, run: Run) -> None:
    ref = seed_job(service, "COMPLETED")

    async def leave() -> Any:
        async with AsyncExitStack() as stack:
            shared = await stack.enter_async_context(poller.shared_poller(**HOOK))
            watch = stack.enter_context(
                shared.watch(ref, waiter_delay=0.1, deadline=time.time() + 60, started=time.time() - 300)
            )
            await watch.news(time.time())
            return await watch.news(time.time() + 60)

    assert run(leave()).is_completed
