"""A proxy's password comes from the connection, which worker and triggerer each read, and shows nowhere."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.exceptions import ConnectionClosedError

from airflow_provider_amplifybackend._compat import AirflowException, AirflowNotFoundException
from airflow_provider_amplifybackend.exceptions import BackendParameterError, BackendRequestError
from airflow_provider_amplifybackend.hooks._client_log import guard_log
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator, GetBackendOperator
from airflow_provider_amplifybackend.sensors.environment import BackendEnvironmentSensor
from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger
from tests.airflow_versions import SHOWS_PROXY_PASSWORDS
from tests.dag_run import DagRunner, Finished
from tests.front import Front
from tests.samples import APP

CLONE = """
CloneBackendOperator(
    task_id="task", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
    waiter_delay=0.1, deferrable=True, aws_conn_id="other", {options}
)
"""


@pytest.fixture
def password() -> str:
    return f"hush/{uuid.uuid4().hex}@1"


@pytest.fixture
def proxy(service: LocalAmplifyBackend, password: str) -> Iterator[Front]:
    """A proxy that takes nobody without the password."""
    with Front(service.endpoint_url, login=f"squid:{password}").running() as running:
        yield running


def with_login(address: str, password: str) -> str:
    return address.replace("://", f"://squid:{quote(password, safe='')}@")


def assert_unseen(run: Finished, airflow_home: Path, password: str) -> None:
    for form in (password, quote(password, safe="")):
        lines = [line for line in run.log.splitlines() if form in line and "MaskSecret" not in line]
        assert lines == []
        assert form not in (airflow_home / "airflow.db").read_bytes().decode(errors="replace")


@pytest.mark.skipif(
    not SHOWS_PROXY_PASSWORDS, reason="aiohttp before 3.13.3 shows a proxy no password with a later plain HTTP request"
)
@pytest.mark.usefixtures("everything_is_logged")
def test_worker_and_triggerer_go_through_a_proxy_that_demands_the_password_of_the_connection(
    dags: DagRunner,
    service: LocalAmplifyBackend,
    airflow_home: Path,
    connection: Callable[..., str],
    proxy: Front,
    password: str,
) -> None:
    connection(config_kwargs={"proxies": {"http": with_login(proxy.endpoint_url, password)}})
    service.control.set(job_seconds=1.5)
    run = dags.run(CLONE.format(options=""))
    assert run.states == {"task": "success"}, run.errors("task")
    assert (proxy.refused, len(proxy.asked)) == (0, len(service.control.journal()))
    assert {"CloneBackend", "GetBackendJob"} <= {request["operation"] for request in service.control.journal()}
    assert_unseen(run, airflow_home, password)


def test_a_trigger_carries_the_id_of_the_connection_and_reads_the_password_itself(
    service: LocalAmplifyBackend, connection: Callable[..., str], proxy: Front, password: str
) -> None:
    connection(config_kwargs={"proxies": {"http": with_login(proxy.endpoint_url, password)}})
    job = {"environment": "staging", "job_id": "j", "status": "COMPLETED"}
    service.control.seed_app(APP, jobs=[job])
    trigger = BackendJobTrigger(
        app_id=APP, job_id="j", environments=["staging"], deadline=time.time() + 60, aws_conn_id="other"
    )
    assert password not in json.dumps(trigger.serialize())
    assert trigger.serialize()[1]["aws_conn_id"] == "other"

    async def event() -> dict[str, Any]:
        (only,) = [event.payload async for event in trigger.run()]
        return dict(only)

    ended = asyncio.run(event())
    assert ended["job"]["status"] == "COMPLETED"
    assert (proxy.refused, len(proxy.asked)) == (0, 1)
    assert password not in json.dumps(ended)


@pytest.mark.usefixtures("everything_is_logged")
@pytest.mark.parametrize(
    "settings",
    [
        {"config_kwargs": {"proxies": {"http": "http://squid:PASSWORD@127.0.0.1:9"}}},
        {"config_kwargs": {"proxies": {"http": "squid:PASSWORD@127.0.0.1:9"}}},
        {"endpoint_url": "http://squid:PASSWORD@127.0.0.1:9"},
        {"endpoint_url": "http://squid:PASSWORD@127.0.0.1:9/a b"},
    ],
    ids=str,
)
@pytest.mark.parametrize("is_deferred", [False, True])
def test_what_cannot_be_reached_is_named_without_its_password(
    dags: DagRunner, airflow_home: Path, connection: Callable[..., str], settings: dict[str, Any], is_deferred: bool
) -> None:
    password = f"hush-{uuid.uuid4().hex}"
    connection(**json.loads(json.dumps(settings).replace("PASSWORD", password)))
    run = dags.run(
        'BackendEnvironmentSensor(task_id="task", app_id=APP, backend_environment_name="staging", aws_conn_id="other", '
        f"timeout=2, poke_interval=0.1, deferrable={is_deferred}, "
        'botocore_config={"retries": {"total_max_attempts": 1}})'
        if "endpoint_url" in settings
        else 'GetBackendOperator(task_id="task", app_id=APP, backend_environment_name="staging", aws_conn_id="other")'
    )
    assert run.state == "failed"
    assert_unseen(run, airflow_home, password)


def test_an_exception_of_the_hook_has_no_password(connection: Callable[..., str]) -> None:
    connection(endpoint_url="http://squid:hush-1@127.0.0.1:9")
    with pytest.raises(BackendRequestError, match=r'"http://127.0.0.1:9/') as raised:
        AmplifyBackendHook(aws_conn_id="other").call("GetBackend", {"AppId": APP})
    error: BaseException | None = raised.value
    while error is not None:
        assert "hush-1" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    "logger", ["botocore.endpoint", "botocore.httpsession", "botocore.retryhandler", "botocore.utils"]
)
def test_an_exception_that_botocore_logs_is_part_of_a_line_that_airflow_masks(
    logger: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Airflow 3.0 masks lines, and looks into no exception."""
    caplog.set_level("DEBUG", logger)
    guard_log()
    error = ConnectionClosedError(endpoint_url="http://squid:hush-1@proxy/backend/d1/challenge/session-1")
    logging.getLogger(logger).debug("retry needed", exc_info=error)
    [record] = caplog.records
    assert record.exc_info is None
    assert record.getMessage().startswith("retry needed ConnectionClosedError: ")
    assert "/challenge/session-1" in record.getMessage()
    assert "hush-1" not in record.getMessage()


# Refused as a parameter

REFUSED = {
    "proxies": ("botocore_config.proxies.https", {"proxies": {"https": "http://squid:PASSWORD@proxy:3128"}}),
    "without a scheme": ("botocore_config.proxies.https", {"proxies": {"https": "squid:PASSWORD@proxy:3128"}}),
    "a user alone": ("botocore_config.proxies.http", {"proxies": {"http": "http://PASSWORD@proxy"}}),
    "a key's password": (
        "botocore_config.proxies_config.proxy_client_cert_password",
        {"proxies_config": {"proxy_client_cert_password": "PASSWORD"}},
    ),
    "anywhere": ("botocore_config.s3.x", {"s3": {"x": "http://squid:PASSWORD@proxy"}}),
}


def filled(value: Any, password: str) -> Any:
    return json.loads(json.dumps(value).replace("PASSWORD", password))


@pytest.mark.parametrize("as_text", [False, True], ids=["dictionary", "text"])
@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("task_class", [GetBackendOperator, BackendEnvironmentSensor])
def test_a_password_in_botocore_config_is_refused_where_the_dag_is_written(
    task_class: Any, case: str, as_text: bool
) -> None:
    path, config = REFUSED[case]
    given = filled(config, "hush-123")
    with pytest.raises(BackendParameterError) as raised:
        task_class(
            task_id="task",
            app_id=APP,
            backend_environment_name="staging",
            botocore_config=json.dumps(given) if as_text else given,
        )
    assert str(raised.value).startswith(f"task: {path} holds ")
    assert "config_kwargs" in str(raised.value)
    assert "hush-123" not in str(raised.value)


def test_what_a_mapped_task_is_expanded_over_is_refused_too() -> None:
    config = filled(REFUSED["proxies"][1], "hush-123")
    with pytest.raises(BackendParameterError, match=r"botocore_config\.proxies\.https"):
        GetBackendOperator.partial(task_id="task", app_id=APP).expand(botocore_config=[config])
    with pytest.raises(BackendParameterError, match=r"botocore_config\.proxies\.https"):
        GetBackendOperator.partial(task_id="task", botocore_config=config)


@pytest.mark.parametrize("place", ["sftp://shop:PASSWORD@files/records", "webdav://shop:PASS:PASSWORD@h/"])
def test_a_password_in_the_place_of_records_is_refused_where_the_dag_is_written(place: str) -> None:
    with pytest.raises(BackendParameterError, match="task: record holds the user or password of an address") as error:
        DeleteBackendOperator(task_id="task", app_id=APP, backend_environment_name="staging", record=place)
    assert "PASSWORD" not in str(error.value)
    assert "write the id of a connection there instead" in str(error.value)


@pytest.mark.parametrize("place", ["s3://audit@bucket/records", "s3://bucket/a:b@c", "file:///var/records", "/var/a@b"])
def test_a_connection_in_front_of_the_place_of_records_is_none(place: str) -> None:
    operator = DeleteBackendOperator(task_id="task", app_id=APP, backend_environment_name="staging", record=place)
    assert operator.record == place


@pytest.mark.usefixtures("everything_is_logged")
@pytest.mark.parametrize("case", REFUSED)
def test_a_password_that_a_template_brings_is_refused_before_anything_is_sent_or_stored(
    dags: DagRunner, service: LocalAmplifyBackend, airflow_home: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    password = f"hush-{uuid.uuid4().hex}"
    path, config = REFUSED[case]
    monkeypatch.setenv("AIRFLOW_VAR_CONFIG", json.dumps(filled(config, password)))
    code = CLONE.format(options='botocore_config="{{ var.value.config }}"').replace('aws_conn_id="other",', "")
    run = dags.run(code)
    assert run.error("task").startswith(f"BackendParameterError: task: {path} holds ")
    assert service.control.journal() == []
    assert_unseen(run, airflow_home, password)


@pytest.mark.parametrize(
    "connection_itself",
    ["aws://key:hush-123@/?region_name=us-east-1", '{"conn_type": "aws", "password": "hush-123"}', "key:hush-123@aws"],
)
def test_a_connection_in_the_place_of_its_id_is_refused_without_being_shown(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, connection_itself: str
) -> None:
    for make in (
        lambda: GetBackendOperator(task_id="task", app_id=APP, aws_conn_id=connection_itself),
        lambda: AmplifyBackendHook(aws_conn_id=connection_itself),
        lambda: AmplifyBackendHook(connection_itself),
    ):
        with pytest.raises(BackendParameterError, match="aws_conn_id is a connection itself") as raised:
            make()
        assert "hush-123" not in str(raised.value)
    monkeypatch.setenv("AIRFLOW_VAR_CONNECTION", connection_itself)
    run = dags.run('GetBackendOperator(task_id="task", app_id=APP, aws_conn_id="{{ var.value.connection }}")')
    assert run.error("task").startswith("BackendParameterError: task: aws_conn_id is a connection itself")
    assert service.control.journal() == []
    # Airflow's in-process supervisor, which only dag.test() has, logs what it hands over.
    ours = [line for line in run.log_lines if line.get("logger") != "supervisor" and "MaskSecret" not in str(line)]
    assert "hush-123" not in json.dumps(ours, default=str)


def test_settings_without_a_password_are_taken() -> None:
    task = GetBackendOperator(
        task_id="task",
        app_id=APP,
        aws_conn_id="aws.default-1",
        botocore_config={"proxies": {"https": "http://proxy:3128"}, "user_agent_extra": "me@example.com"},
    )
    task.validate()


@pytest.mark.parametrize(
    "said",
    ["no way to https://vault:PASSWORD@secrets:8200/v1", "refused: token=PASSWORD", "Authorization: Bearer PASSWORD"],
)
def test_what_a_secrets_backend_says_is_raised_without_them(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    def look_up(cls: Any, conn_id: str) -> Any:
        raise RuntimeError(said)

    airflows = next(cls for cls in AwsBaseHook.__mro__ if "get_connection" in vars(cls))
    monkeypatch.setattr(airflows, "get_connection", classmethod(look_up))
    hook = AmplifyBackendHook(aws_conn_id="anybody")
    for ask in (lambda: hook.conn, lambda: hook.call("GetBackend", {"AppId": APP})):
        with pytest.raises(Exception, match="could not be looked up") as error:
            ask()
        assert "PASSWORD" not in "".join(traceback.format_exception(error.value))


SAID_BY_AIRFLOW: dict[str, Callable[[], Exception]] = {
    "Airflow's own error": lambda: AirflowException("Invalid connection string: aws://key:PASSWORD@/?x=http://a"),
    "another of Airflow's": lambda: AirflowNotFoundException("nothing like aws://@/?aws_session_token=PASSWORD"),
    "a refusal": lambda: PermissionError('no: {"password": {"value": "PASSWORD"}}'),
    "a cause": lambda: _with_cause(AirflowException("cannot be read"), ValueError("password=PASSWORD")),
    "an extra": lambda: ValueError("aws://@/?__extra__=%7B%22aws_session_token%22%3A%20%22PASSWORD%22%7D"),
    "an endpoint": lambda: ValueError("aws://@/?endpoint_url=http%3A%2F%2Fu%3APASSWORD%40h"),
}


def _with_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("said", SAID_BY_AIRFLOW)
def test_what_airflow_says_of_a_connection_is_raised_without_its_passwords(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    def look_up(cls: Any, conn_id: str) -> Any:
        raise SAID_BY_AIRFLOW[said]()

    airflows = next(cls for cls in AwsBaseHook.__mro__ if "get_connection" in vars(cls))
    monkeypatch.setattr(airflows, "get_connection", classmethod(look_up))
    hook = AmplifyBackendHook(aws_conn_id="anybody")
    for ask in (
        lambda: hook.conn,
        lambda: hook.conn_region_name,
        lambda: hook.call("GetBackend", {"AppId": APP}),
        lambda: hook.check_guard("DeleteBackend", {"AppId": APP, "BackendEnvironmentName": "staging"}),
    ):
        with pytest.raises(Exception, match=r"\\*\\*\\*|cannot be read|aws:") as error:
            ask()
        assert "PASSWORD" not in "".join(traceback.format_exception(error.value))
